#pragma once
// What must not leave: found by pattern in text, and by the keys of attributes. Before the queue, so that it is on no
// disk of the agent's either.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "wire/otlp/rewrite.h"

namespace hs::agent {

struct RedactOptions {
  std::vector<std::string> patterns;              // names of built-in ones
  std::vector<std::string> custom;                // NAME=REGEX (RE2)
  std::vector<std::string> drop_keys, mask_keys;  // exact, or with * at the end
};

// Immutable but for its counts; thread-safe.
class Redactor {
 public:
  // Errors name the setting and the item.
  static Result<std::shared_ptr<const Redactor>> make(const RedactOptions& options);
  ~Redactor();

  bool active() const { return has_patterns() || has_keys(); }
  bool has_patterns() const { return !patterns_.empty(); }
  bool has_keys() const { return !drop_.empty() || !mask_.empty(); }

  // Replaces what the patterns find by "[redacted:NAME]"; of a pattern with a group, what the group matched. True:
  // some.
  bool redact(std::string& text) const;
  wire::otlp::Edits::Attribute verdict(std::string_view key) const;

  struct Count {
    std::string name;  // of the pattern; "drop_keys", "mask_keys"
    uint64_t times = 0;
  };
  std::vector<Count> counts() const;

 private:
  struct Pattern;
  Redactor();
  Status add(const std::string& name, std::string_view regex, bool built_in);

  std::vector<std::unique_ptr<Pattern>> patterns_;
  std::vector<std::string> drop_, mask_;
  mutable std::atomic<uint64_t> dropped_{0}, masked_{0};
};

}  // namespace hs::agent
