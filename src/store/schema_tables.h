#pragma once
// Statements of the migrations, by file. Internal to the schema.

#include <span>
#include <string_view>

namespace hs::store {

std::span<const std::string_view> first_tables();
std::span<const std::string_view> standard_views();
std::span<const std::string_view> prometheus_columns();
std::span<const std::string_view> packed_tables();
std::span<const std::string_view> packed_revision();

}  // namespace hs::store
