// Migration 5. Released: do not edit.
//
// Native histograms are packed too: rows of `packed_samples` whose `histograms` is 2. What was packed before has none
// (revision 0), and is packed again where a slot has distributions.

#include <array>

#include "store/schema_tables.h"

namespace hs::store {
namespace {

constexpr std::string_view revision = "ALTER TABLE packed_slots ADD COLUMN IF NOT EXISTS revision UInt8";

}  // namespace

std::span<const std::string_view> packed_revision() {
  static constexpr std::array<std::string_view, 1> all = {revision};
  return all;
}

}  // namespace hs::store
