#pragma once
// Values as the engine reads them from a query's parameters (store::Query::params): what a caller sent is bound, never
// made part of a query's text.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace hs::store {

std::string param_text(std::string_view value);                    // {name:String}
std::string param_list(std::span<const std::string> values);       // {name:Array(String)}
std::string param_list(std::span<const std::string_view> values);  // the same
std::string param_list(std::span<const uint64_t> values);          // {name:Array(UInt64)}

}  // namespace hs::store
