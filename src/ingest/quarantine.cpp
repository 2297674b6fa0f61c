#include "ingest/quarantine.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"

namespace hs::ingest {
namespace {

using json = nlohmann::ordered_json;

struct Metrics {
  metrics::Counter blocks{"homeostat_ingest_quarantined_total", "What was put aside because it can never be stored.",
                          R"(kind="block")"};
  metrics::Counter requests{"homeostat_ingest_quarantined_total", "What was put aside because it can never be stored.",
                            R"(kind="request")"};
  metrics::Gauge bytes{"homeostat_ingest_quarantine_bytes", "Size of the quarantine directory."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

std::string dump(const json& what) { return what.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace

Status Quarantine::open() {
  const std::lock_guard lock(mutex_);
  HS_TRY(disk_.make_directories(directory_));
  HS_ASSIGN(const auto names, disk_.list(directory_));
  for (const std::string& name : names) {
    if (name.ends_with(".part")) {  // a crash left it
      std::ignore = disk_.remove(directory_ + "/" + name);
      continue;
    }
    HS_ASSIGN(const auto file, disk_.open(directory_ + "/" + name, io::Open::read));
    HS_ASSIGN(const uint64_t size, file->size());
    bytes_ += size;
  }
  counters().bytes.set(static_cast<int64_t>(bytes_));
  return {};
}

Status Quarantine::put(const Block& block, uint64_t cut, const Error& why) {
  const std::lock_guard lock(mutex_);
  // Table and partition are in the first line; the name needs only to be the block's own and harmless.
  const std::string name = fmt::format("block-{}-{:016x}", cut, hash64(block.partition, hash64(block.table)));
  const json what = {{"kind", "block"},
                     {"cut", cut},
                     {"table", block.table},
                     {"partition", block.partition},
                     {"rows", block.rows},
                     {"token", block.token},
                     {"code", name_of(why.code)},
                     {"error", why.message},
                     {"at", format_rfc3339(clock_.wall())}};
  HS_TRY(write(name, dump(what), block.bytes));
  ++blocks_;
  counters().blocks.add();
  log::error("ingest: the engine refuses a block for good, put aside",
             {{"file", directory_ + "/" + name}, {"table", block.table}, {"rows", block.rows}, {"error", why.message}});
  return {};
}

Status Quarantine::put(const Incoming& incoming, uint64_t sequence, const Error& why) {
  const std::lock_guard lock(mutex_);
  const std::string name = fmt::format("request-{}", sequence);
  const json what = {{"kind", "request"},
                     {"sequence", sequence},
                     {"signal", model::name_of(incoming.signal)},
                     {"format", static_cast<int>(incoming.format)},
                     {"encoding", static_cast<int>(incoming.encoding)},
                     {"tenant", incoming.tenant},
                     {"credential", incoming.credential},
                     {"received_at", format_rfc3339(incoming.received_at)},
                     {"code", name_of(why.code)},
                     {"error", why.message},
                     {"at", format_rfc3339(clock_.wall())}};
  HS_TRY(write(name, dump(what), incoming.body));
  ++requests_;
  counters().requests.add();
  log::error("ingest: an acknowledged request cannot be delivered, put aside",
             {{"file", directory_ + "/" + name}, {"error", why.message}});
  return {};
}

Status Quarantine::write(const std::string& name, const std::string& what, std::string_view bytes) {
  const std::string path = directory_ + "/" + name;
  // Already there: a former life put it aside and was killed before it could note that.
  if (disk_.open(path, io::Open::read)) return disk_.sync_directory(directory_);
  if (bytes_ + what.size() + bytes.size() > max_bytes_)
    return fail(
        Code::resource_exhausted,
        fmt::format("the quarantine {} is full (quarantine.max_bytes): look at it and delete files", directory_));
  const std::string part = path + ".part";
  if (const Status removed = disk_.remove(part); !removed && removed.error().code != Code::not_found) return removed;
  HS_ASSIGN(const auto file, disk_.open(part, io::Open::create));
  HS_TRY(file->append(what + "\n"));
  HS_TRY(file->append(bytes));
  HS_TRY(file->sync());
  HS_TRY(disk_.rename(part, path));
  HS_TRY(disk_.sync_directory(directory_));
  bytes_ += what.size() + bytes.size() + 1;
  counters().bytes.set(static_cast<int64_t>(bytes_));
  return {};
}

uint64_t Quarantine::blocks() const {
  const std::lock_guard lock(mutex_);
  return blocks_;
}

uint64_t Quarantine::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace hs::ingest
