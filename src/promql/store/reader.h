#pragma once
// How this module asks the store. Internal.

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "promql/source.h"
#include "store/client.h"

namespace hs::promql::store {

namespace db = ::hs::store;

// A query's text, made of this program's own pieces, and its bound values.
struct Sql {
  std::string text;
  std::vector<std::pair<std::string, std::string>> params;

  Sql& add(std::string_view piece) {
    text += piece;
    return *this;
  }
  Sql& bind(std::string_view name, std::string value) {
    params.emplace_back(name, std::move(value));
    return *this;
  }
};

// Milliseconds since 1970, inclusive.
struct Window {
  int64_t start_ms = 0, end_ms = 0;
};

// `ts` of facts in the window; of dictionaries, whose rows carry their partition's first instant.
void add_fact_window(Sql& sql, const Window& window);
void add_dictionary_window(Sql& sql, const Window& window);

struct Reader {
  db::Client& client;
  std::string tenant;
  std::stop_token cancel;
  int64_t timeout_ms = 0;

  // Calls row(block, i) for each; stops at its first error, or when `interrupt` says so.
  using Row = std::function<Status(const db::ResultBlock&, size_t)>;
  Status each(const Sql& sql, const InterruptCheck& interrupt, const Row& row) const;
  // The same by block.
  using Block = std::function<Status(const db::ResultBlock&)>;
  Status each_block(const Sql& sql, const InterruptCheck& interrupt, const Block& block) const;
};

// By name; asserted to be there, because the query is ours.
const db::ResultColumn& column(const db::ResultBlock& block, std::string_view name);

}  // namespace hs::promql::store
