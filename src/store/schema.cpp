#include "store/schema.h"

#include <array>

#include <fmt/format.h>

#include "base/log.h"
#include "store/schema_tables.h"

namespace hs::store {
namespace {

// Statements that precede every table run outside the database, which may not exist yet.
Client outside(const Client& client) { return client.in_database("default"); }

Status apply(Client& client, const Migration& migration) {
  for (const std::string_view statement : migration.statements) {
    if (auto done = client.execute({.sql = statement}); !done) {
      return fail(done.error().code, fmt::format("migration {} ({}) of the store failed: {}", migration.version,
                                                 migration.what, done.error().message));
    }
  }
  HS_TRY(client.execute({.sql = "INSERT INTO schema_version (version) SELECT {version:UInt32}",
                         .params = {{"version", std::to_string(migration.version)}}}));
  log::info("store migrated", {{"version", migration.version}, {"what", migration.what}});
  return {};
}

}  // namespace

std::span<const Migration> migrations() {
  static const std::array<Migration, 5> all = {{
      {1, "spans, logs, metrics and what describes them", first_tables()},
      {2, "views under the names of the OpenTelemetry exporter", standard_views()},
      {3, "what Prometheus sends beyond OpenTelemetry", prometheus_columns()},
      {4, "samples packed by series", packed_tables()},
      {5, "native histograms packed by series", packed_revision()},
  }};
  return all;
}

Result<uint32_t> schema_version(Client& client) {
  HS_ASSIGN(const auto exists,
            outside(client).collect({.sql = "SELECT count() AS n FROM system.tables WHERE database = {database:String} "
                                            "AND name = 'schema_version'",
                                     .params = {{"database", client.options().database}}}));
  if (exists.empty() || exists[0].columns[0].u64(0) == 0) return 0;
  HS_ASSIGN(const auto newest, client.collect({.sql = "SELECT max(version) AS version FROM schema_version"}));
  return newest.empty() ? 0 : static_cast<uint32_t>(newest[0].columns[0].u64(0));
}

Status migrate(Client& client, uint32_t up_to) {
  HS_TRY(outside(client).execute({.sql = "CREATE DATABASE IF NOT EXISTS {database:Identifier}",
                                  .params = {{"database", client.options().database}}}));
  HS_TRY(client.execute({.sql = "CREATE TABLE IF NOT EXISTS schema_version (version UInt32, "
                                "applied_at DateTime('UTC') DEFAULT now()) ENGINE = MergeTree ORDER BY version"}));
  HS_ASSIGN(const uint32_t now, schema_version(client));
  const uint32_t newest = migrations().back().version;
  if (now > newest) {
    return fail(Code::conflict, fmt::format("the store has schema {} and this binary knows {}: start the newer binary "
                                            "that wrote it, or use another data directory",
                                            now, newest));
  }
  for (const Migration& migration : migrations()) {
    const bool due = migration.version > now && (up_to == 0 || migration.version <= up_to);
    if (due) HS_TRY(apply(client, migration));
  }
  return {};
}

}  // namespace hs::store
