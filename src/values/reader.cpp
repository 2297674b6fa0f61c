#include "values/reader.h"

#include "base/log.h"

namespace hs::values {

Loaded::Loaded(State state) : state_(std::move(state)) {
  for (const KnobState& knob : state_.knobs) by_key_.emplace(knob.key, &knob);
}

const KnobState* Loaded::find(std::string_view key) const {
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? nullptr : at->second;
}

void Reader::note(std::string problem) {
  const std::lock_guard lock(mutex_);
  if (problem != problem_) {
    if (problem.empty())
      log::info("the state file is good again", {{"path", path_}});
    else
      log::warn("the state file cannot be used",
                {{"path", path_}, {"why", problem}, {"served", current_ ? "the last good state" : "nothing"}});
  }
  problem_ = std::move(problem);
}

bool Reader::poll() {
  const io::FileStamp now = io::stamp_of(path_);
  if (looked_ && now == stamp_) return false;
  looked_ = true;
  stamp_ = now;  // taken before reading: a change in between is seen at the next look
  const auto text = io::read_file(path_, state_bytes_max);
  if (!text) {
    note(text.error().message);
    return false;
  }
  auto state = decode(*text);
  if (!state) {
    note(state.error().message);
    return false;
  }
  auto next = std::make_shared<const Loaded>(std::move(*state));
  {
    const std::lock_guard lock(mutex_);
    current_ = std::move(next);
  }
  note("");
  return true;
}

std::shared_ptr<const Loaded> Reader::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::string Reader::problem() const {
  const std::lock_guard lock(mutex_);
  return problem_;
}

}  // namespace hs::values
