#include "app/replay_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>

#include "app/recorder.h"
#include "app/version.h"
#include "base/json.h"
#include "base/text.h"
#include "ledger/scan.h"
#include "loop/replay/recording.h"
#include "security/crypto.h"

namespace hs::app {
namespace {

namespace replay = loop::replay;

// What the loop itself records; other kinds are the ledger's own, or of those who are not replayed.
constexpr std::array<std::string_view, 9> of_the_loop = {"incident", "decision", "change",   "receipt",   "verdict",
                                                         "promote",  "revert",   "operator", "hold_ended"};
constexpr size_t shown_bytes_max = 4'000;

struct Written {  // one entry of the ledger
  uint64_t index = 0;
  security::Digest hash{};
};

// As the ledger keeps a payload: canonical, or by its hash when it is large.
std::string as_kept(std::string_view text) {
  const auto value = json::Json::parse(text, nullptr, false);
  std::string line = json::dump(value);
  return line.size() <= ledger::payload_bytes_max ? line : json::dump(ledger::blob_reference(text));
}

security::Digest digest(std::string_view kind, std::string_view payload) {
  return security::sha256(fmt::format("{}\n", kind), payload);
}

Result<std::deque<Written>> decisions_in(io::Disk& disk, const std::string& directory) {
  std::deque<Written> out;
  ledger::ScanRequest request;
  request.check_blobs = false;
  request.on_entry = [&](const ledger::Entry& entry, std::string_view) {
    if (std::find(of_the_loop.begin(), of_the_loop.end(), entry.kind) == of_the_loop.end()) return;
    out.push_back({entry.index, digest(entry.kind, json::dump(entry.payload))});
  };
  HS_ASSIGN(const ledger::Scan seen, ledger::scan(disk, directory, request));
  (void)seen;
  return out;
}

std::string entry_at(io::Disk& disk, const std::string& directory, uint64_t index) {
  std::string out = "(it cannot be read)";
  ledger::ScanRequest request;
  request.check_blobs = false;
  request.on_entry = [&](const ledger::Entry& entry, std::string_view) {
    if (entry.index == index) out = entry.kind + " " + json::dump(entry.payload);
  };
  (void)ledger::scan(disk, directory, request);
  return printable(out, shown_bytes_max);
}

class Comparison {
 public:
  Comparison(io::Disk& disk, std::string directory, std::deque<Written> ledger, std::string& out)
      : disk_(disk), directory_(std::move(directory)), ledger_(std::move(ledger)), out_(out) {}

  // `until`: the first entry of the run after this one.
  bool run(const RecordedRun& run, uint64_t until) {
    RecordingReader reader(run);
    replay::Replayer loop;
    events_ = equal_ = 0, to_ = until;
    for (;;) {
      auto item = reader.next();
      if (!item) return say(run, false, item.error().message);
      if (!*item) break;
      if (const auto* begin = std::get_if<replay::Begin>(&**item))
        if (!begins(run, *begin)) return true;
      ++events_;
      for (const loop::Action& action : loop.feed(**item))
        if (const auto* record = std::get_if<loop::Record>(&action); record != nullptr && !matches(*record))
          return say(run, false, difference_);
    }
    const size_t more = remaining();
    return say(run, true,
               more == 0 ? "" : fmt::format("; {} more in the ledger came after the last recorded event", more));
  }

 private:
  bool begins(const RecordedRun& run, const replay::Begin& begin) {
    if (!begin.has_ledger) return say(run, true, "; there was no ledger to compare with"), false;
    while (!ledger_.empty() && ledger_.front().index < begin.ledger_index) ledger_.pop_front();
    if (begin.version != version_text)
      out_ += fmt::format("(recorded by {}, this is {})\n", printable(begin.version, 50), version_text);
    return true;
  }

  size_t remaining() const {
    return static_cast<size_t>(
        std::count_if(ledger_.begin(), ledger_.end(), [&](const Written& w) { return w.index < to_; }));
  }

  bool matches(const loop::Record& record) {
    const std::string kept = as_kept(record.json);
    const bool there = !ledger_.empty() && ledger_.front().index < to_;
    if (there && ledger_.front().hash == digest(record.kind, kept)) {
      ledger_.pop_front();
      ++equal_;
      return true;
    }
    difference_ = fmt::format("\n  the loop does again: {} {}\n  {}", printable(record.kind, 50),
                              printable(kept, shown_bytes_max),
                              there ? fmt::format("entry {} of the ledger: {}", ledger_.front().index,
                                                  entry_at(disk_, directory_, ledger_.front().index))
                                    : "the ledger has no further entry of this run");
    return false;
  }

  bool say(const RecordedRun& run, bool good, const std::string& more) {
    out_ += fmt::format("run {}: {} items, {} decisions are equal{}{}\n", run.name, events_, equal_,
                        good ? "" : "; the FIRST DIFFERENCE: ", more);
    return good;
  }

  io::Disk& disk_;
  const std::string directory_;
  std::deque<Written> ledger_;
  std::string& out_;
  std::string difference_;
  uint64_t events_ = 0, equal_ = 0, to_ = 0;
};

// Where the decisions of a run begin in the ledger.
Result<uint64_t> first_entry_of(const RecordedRun& run) {
  RecordingReader reader(run);
  HS_ASSIGN(const auto item, reader.next());
  const auto* begin = item ? std::get_if<replay::Begin>(&*item) : nullptr;
  return begin == nullptr || !begin->has_ledger ? UINT64_MAX : begin->ledger_index;
}

}  // namespace

int run_replay(io::Disk& disk, const std::string& ledger, const std::string& recording, std::string& out) {
  const auto runs = recorded_runs(recording);
  auto decisions = runs ? decisions_in(disk, ledger) : tl::unexpected(runs.error());
  if (!decisions) {
    out += decisions.error().message + "\n";
    return 1;
  }
  Comparison comparison(disk, ledger, std::move(*decisions), out);
  bool equal = true, any = false;
  for (size_t i = 0; i < runs->size(); ++i) {
    const RecordedRun& run = (*runs)[i];
    if (!run.has_beginning) {
      out +=
          fmt::format("run {}: its beginning was dropped at the recording's bound; it cannot be replayed\n", run.name);
      continue;
    }
    uint64_t until = UINT64_MAX;
    if (i + 1 < runs->size() && (*runs)[i + 1].has_beginning)
      until = first_entry_of((*runs)[i + 1]).value_or(UINT64_MAX);
    any = true;
    equal = comparison.run(run, until) && equal;
  }
  out += !any ? "NOTHING COMPARED\n" : equal ? "EQUAL\n" : "DIFFERENT\n";
  return any && equal ? 0 : 1;
}

}  // namespace hs::app
