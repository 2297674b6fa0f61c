#pragma once
// ${name} in an experiment, from its `configuration`. Pure but for the environment that it is given.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace hs::chaos {

using Environment = std::function<std::optional<std::string>(const std::string&)>;
using Variables = std::map<std::string, json::Json, std::less<>>;

// `configuration` maps names to values, or to {"type": "env", "key", "default"?, "env_var_type"?}. What is wrong is
// added to `problems`.
Variables read_variables(const json::Json& configuration, const Environment& environment,
                         std::vector<std::string>& problems);

// What variables may add to a document altogether: a large one that is used often would multiply.
inline constexpr size_t filled_in_bytes_max = 1024 * 1024;

// Replaces ${name} in every text below `value`: a text that is nothing else becomes the variable itself, with its type.
// `budget` is what it may still add (start with filled_in_bytes_max).
void substitute(json::Json& value, const Variables& variables, size_t& budget, std::vector<std::string>& problems);

}  // namespace hs::chaos
