#pragma once
// Just enough reading of SQL text to route it: is it an INSERT with data behind it, and in which format does it answer?
// Whether a statement may run is decided by the engine's own parser (chdb_classify_query_n), never here.

#include <optional>
#include <string>
#include <string_view>

namespace hs::store {

struct InsertText {
  std::string statement;  // "INSERT INTO t (a, b)": without FORMAT clause and data
  std::string format;     // "Native", "Values" ...; "" when the text names none
  std::string_view data;  // what follows in the text (rows inline); often empty
};

// The parts of an INSERT that carries its rows beside the text; nothing for everything else, also INSERT ... SELECT.
std::optional<InsertText> split_insert(std::string_view sql);

// The name in the FORMAT clause that ends a query, "" when there is none.
std::string_view output_format(std::string_view sql);

// SELECT in its forms: what the library can answer in pieces (SHOW, DESCRIBE, EXPLAIN and the like it cannot).
bool is_select(std::string_view sql);

// Can results of this format be sent piece by piece, each made on its own? (JSON, for example, has one envelope.)
bool is_concatenable(std::string_view format);

}  // namespace hs::store
