#pragma once
// The tables, as ordered migrations of constant SQL (docs/formats/store.md describes them). A released migration is
// never edited: a change is a further one. Every statement can be run twice, so a crash in the middle is no harm.

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "store/client.h"

namespace hs::store {

struct Migration {
  uint32_t version = 0;  // 1, 2, 3 ...
  std::string_view what;
  std::span<const std::string_view> statements;
};
std::span<const Migration> migrations();

// 0: an empty store.
Result<uint32_t> schema_version(Client& client);

// Creates the database and brings it to `up_to` (0: the newest). conflict when the store is newer than this binary.
Status migrate(Client& client, uint32_t up_to = 0);

}  // namespace hs::store
