#pragma once
// JSON off the hot path, without exceptions: a wrong type is an absent value, and text is always written as valid
// UTF-8.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace hs::json {

using Json = nlohmann::json;

// `what` names the document in the error's text. The caller bounds the size of `text` first.
Result<Json> parse(std::string_view text, std::string_view what);
// Compact, keys sorted. Invalid UTF-8 becomes U+FFFD.
std::string dump(const Json& value);

// The member `key` of `object`; nullptr when it is absent or `object` is no object.
const Json* find(const Json& object, std::string_view key);
std::optional<std::string_view> text(const Json& object, std::string_view key);
std::optional<int64_t> integer(const Json& object, std::string_view key);
std::optional<double> number(const Json& object, std::string_view key);  // integers too; never NaN
std::optional<bool> boolean(const Json& object, std::string_view key);

}  // namespace hs::json
