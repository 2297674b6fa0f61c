#pragma once
// Rule files on disk.

#include <string>
#include <vector>

#include "rules/spec.h"

namespace hs::rules {

// Paths that match a pattern of the shell (*, ?, [..]), sorted. A name without any of these stands for itself, also
// when there is no such file: whoever reads it says so.
std::vector<std::string> matching_files(const std::string& pattern);

// All files that match, each once, whole: groups of all of them, or what is wrong with each.
RuleFile load_rules(const std::vector<std::string>& patterns, const ParseOptions& options);

}  // namespace hs::rules
