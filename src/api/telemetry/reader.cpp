#include "api/telemetry/reader.h"

#include <fmt/format.h>

#include "base/assert.h"

namespace hs::api::telemetry {
namespace {

constexpr size_t contexts_max = 20'000;  // an answer has at most this many rows

std::string hex_key(uint64_t id) { return fmt::format("{:016x}", id); }

void write_common(JsonText& out, const store::ResultBlock& block, size_t row) {
  out.key("attributes");
  write_attributes(out, column(block, "attrs"), column(block, "attr_types"), row);
  out.key("schema_url").text(column(block, "schema_url").text(row));
  out.key("dropped_attributes").count(column(block, "dropped_attributes").u64(row));
}

// Runs `select` for these ids and writes {"<id>": {...}} of what `write` writes of a row.
template <class Write>
Status write_by_id(JsonText& out, const Reader& reader, const http::Request& request, Literal sql, Literal id_column,
                   std::set<uint64_t> ids, const Blocks& known, Write write) {
  const auto write_rows = [&](const Blocks& blocks) {
    for (const store::ResultBlock& block : blocks)
      for (size_t row = 0; row < block.rows; ++row) {
        const uint64_t id = column(block, id_column.text).u64(row);
        if (ids.erase(id) == 0) continue;
        out.key(hex_key(id)).open('{');
        write(block, row);
        write_common(out, block, row);
        out.close('}');
      }
  };
  out.open('{');
  write_rows(known);
  if (!ids.empty()) {
    Select select;
    const std::vector<uint64_t> list(ids.begin(), ids.end());
    select.add(sql).bind("ids", list);
    HS_ASSIGN(const Blocks blocks, reader.run(select, request, contexts_max));
    write_rows(blocks);
  }
  out.close('}');
  return {};
}

}  // namespace

const store::ResultColumn& column(const store::ResultBlock& block, std::string_view name) {
  const store::ResultColumn* found = block.find(name);
  HS_ASSERT(found != nullptr, name);
  return *found;
}

Status write_contexts(JsonText& out, const Reader& reader, const http::Request& request, Contexts contexts,
                      const Described& known) {
  out.key("resources");
  HS_TRY(write_by_id(out, reader, request,
                     "SELECT resource_id, service, instance, attrs, attr_types, schema_url, dropped_attributes"
                     " FROM resources WHERE tenant = {tenant:String} AND resource_id IN {ids:Array(UInt64)}"
                     " LIMIT 1 BY resource_id",
                     "resource_id", std::move(contexts.resources), known.resources,
                     [&](const store::ResultBlock& block, size_t row) {
                       out.key("service").text(column(block, "service").text(row));
                       out.key("instance").text(column(block, "instance").text(row));
                     }));
  out.key("scopes");
  return write_by_id(out, reader, request,
                     "SELECT scope_id, name, version, attrs, attr_types, schema_url, dropped_attributes"
                     " FROM scopes WHERE tenant = {tenant:String} AND scope_id IN {ids:Array(UInt64)}"
                     " LIMIT 1 BY scope_id",
                     "scope_id", std::move(contexts.scopes), known.scopes,
                     [&](const store::ResultBlock& block, size_t row) {
                       out.key("name").text(column(block, "name").text(row));
                       out.key("version").text(column(block, "version").text(row));
                     });
}

void PageWriter::count(int64_t ts, uint64_t cut) {
  const bool same = ts == next_.at && cut == next_.cut;
  next_.skip = same ? next_.skip + 1 : 1;
  next_.at = ts;
  next_.cut = cut;
  ++written_;
}

void PageWriter::finish(JsonText& out) const {
  if (written_ > 0 && (written_ == limit_ || out.size() >= answer_bytes_max))
    out.key("next_cursor").text(to_text(next_));
}

}  // namespace hs::api::telemetry
