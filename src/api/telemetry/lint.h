#pragma once
// What received telemetry lacks, and how each SDK mends it: the texts of /v1/lint. Internal to api/telemetry.

#include <span>
#include <string_view>

namespace hs::api::telemetry {

struct LintRule {
  std::string_view id;
  std::string_view what;                          // is wrong
  std::string_view why;                           // it matters
  std::string_view fix;                           // in any language
  std::string_view python, javascript, java, go;  // "" when `fix` says it all
};

std::span<const LintRule> lint_rules();
const LintRule& lint_rule(std::string_view id);  // one of the above, asserted

}  // namespace hs::api::telemetry
