#include "rules/files.h"

#include <glob.h>

#include <algorithm>
#include <set>

#include "io/files.h"

namespace hs::rules {

std::vector<std::string> matching_files(const std::string& pattern) {
  if (pattern.find_first_of("*?[") == std::string::npos) return {pattern};
  glob_t found{};
  std::vector<std::string> out;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0)
    for (size_t i = 0; i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
  globfree(&found);
  return out;
}

RuleFile load_rules(const std::vector<std::string>& patterns, const ParseOptions& options) {
  RuleFile out;
  std::set<std::string> seen;
  for (const std::string& pattern : patterns)
    for (const std::string& path : matching_files(pattern)) {
      if (!seen.insert(path).second) continue;
      const auto text = io::read_file(path, rule_file_bytes_max);
      if (!text) {
        out.problems.push_back(path + ": " + text.error().message);
        continue;
      }
      RuleFile one = parse_rules(*text, path, options);
      std::move(one.groups.begin(), one.groups.end(), std::back_inserter(out.groups));
      std::move(one.problems.begin(), one.problems.end(), std::back_inserter(out.problems));
    }
  return out;
}

}  // namespace hs::rules
