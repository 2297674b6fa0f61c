#pragma once
// A small JSONPath: $ .name ['name'] [0] [-1] [*] .* - what tolerances need. No recursion (..), no filters, no slices.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace hs::chaos {

class JsonPath {
 public:
  static constexpr size_t matches_max = 10'000;  // [*] of [*] multiplies; further matches are not looked for

  static Result<JsonPath> parse(std::string_view text);
  // Pointers into `document`.
  std::vector<const json::Json*> find(const json::Json& document) const;

 private:
  struct All {};
  using Step = std::variant<std::string, int64_t, All>;
  std::vector<Step> steps_;
};

}  // namespace hs::chaos
