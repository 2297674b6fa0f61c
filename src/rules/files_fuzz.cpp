// Any text as a file of rules, as one of their unit tests and as what the rules remember: problems are told, nothing
// else happens. A rule that is taken is one that the parser of PromQL takes again; what is remembered comes back.

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "promql/parser.h"
#include "rules/spec.h"
#include "rules/state.h"
#include "rules/test_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const rules::RuleFile file = rules::parse_rules(text, "f.yml", {});
  if (file.problems.empty())
    for (const rules::GroupSpec& group : file.groups)
      for (const rules::RuleSpec& rule : group.rules) {
        HS_ASSERT(promql::parse_expr(rule.expr, {}, {}).has_value(), "an expression as it is printed");
      }
  (void)rules::parse_tests(text, "t.yml");
  if (const auto memories = rules::decode_state(text)) {
    const std::string written = rules::encode_state(*memories);
    const auto again = rules::decode_state(written);
    HS_ASSERT(again && rules::encode_state(*again) == written, "what is remembered comes back");
  }
  return 0;
}
