#pragma once
// The serving side's view of the state file: the last good one, read again when the file changes.

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "io/files.h"
#include "values/state.h"

namespace hs::values {

// Immutable. Shared, because an answer under way must outlive the file's next version.
class Loaded {
 public:
  explicit Loaded(State state);
  const State& state() const { return state_; }
  const KnobState* find(std::string_view key) const;

 private:
  State state_;
  std::unordered_map<std::string_view, const KnobState*> by_key_;  // into state_
};

// Thread-safe. Never gives up what it has: a file that is gone or broken is reported, not obeyed.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}
  // Looks at the file, reads it when it changed. True when there is a new state.
  bool poll();
  // nullptr until the first good file.
  std::shared_ptr<const Loaded> current() const;
  // "" when the last look found the file good; else what is wrong with it.
  std::string problem() const;

 private:
  void note(std::string problem);

  const std::string path_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Loaded> current_;
  io::FileStamp stamp_;
  bool looked_ = false;
  std::string problem_;
};

}  // namespace hs::values
