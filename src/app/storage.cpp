#include "app/storage.h"

#include <algorithm>

#include "api/otlp/receiver.h"
#include "api/prometheus/write.h"
#include "app/engine_command.h"
#include "base/assert.h"
#include "base/log.h"
#include "base/metrics.h"
#include "model/rows.h"
#include "promql/store/packer.h"
#include "promql/store/recent_filler.h"
#include "store/schema.h"

namespace hs::app {
namespace {

constexpr int64_t schema_retry_ms = 200;    // while the engine starts
constexpr int64_t engine_watch_ms = 2'000;  // afterwards: a restarted engine keeps its schema
constexpr int64_t pack_watch_ms = 15'000;   // whether a slot is to be packed

metrics::Gauge recent_bytes("homeostat_recent_samples_bytes",
                            "Memory of the newest metric samples (prometheus.memory).");
metrics::Gauge recent_from("homeostat_recent_samples_from_s", "Unix time since when they are complete; 0: never.");

metrics::Gauge slots_packed("homeostat_packed_slots", "Slots of two hours whose samples are packed by series.");
metrics::Gauge slots_waiting("homeostat_packed_slots_waiting",
                             "Slots with samples that are not packed: the newest, and those that got late ones.");

void tell(const promql::store::PackedIndex& packed) {
  const promql::store::PackedIndex::Counts counts = packed.counts();
  slots_packed.set(static_cast<int64_t>(counts.packed));
  slots_waiting.set(static_cast<int64_t>(counts.waiting));
}

void tell(const promql::store::Recent& recent) {
  const int64_t from_ms = recent.complete_from_ms();
  recent_bytes.set(static_cast<int64_t>(recent.memory_bytes()));
  recent_from.set(from_ms == INT64_MAX ? 0 : from_ms / 1000);
}

store::ClientOptions client_options(const config::Settings& settings) {
  const std::string url = settings.text("engine.url");
  if (const auto parsed = io::parse_url(url); !url.empty() && parsed) return {.endpoint = parsed->endpoint};
  return {.endpoint = {.unix_path = engine_socket(settings.text("data"))}};
}

std::vector<std::string> engine_command(const Common& common, const config::Settings& settings) {
  std::vector<std::string> command = {"/proc/self/exe", "engine", "--child", "--data", settings.text("data")};
  if (!common.source.file.empty()) command.insert(command.end(), {"--config", common.source.file});
  for (const std::string& text : common.source.overrides) command.insert(command.end(), {"--set", text});
  return command;
}

// With a ClickHouse server of one's own, others may write to the store too: nothing can be told from memory.
std::unique_ptr<promql::store::Recent> make_recent(const config::Settings& settings, io::Clock& clock) {
  const auto bytes = static_cast<size_t>(MemoryShares(settings).recent);
  if (bytes == 0 || !settings.text("engine.url").empty()) return nullptr;
  return std::make_unique<promql::store::Recent>(
      promql::store::Recent::Options{.bytes_max = bytes, .keep_ms = settings.ms("prometheus.memory_age")},
      clock.wall() / nanos_per_ms);
}

ingest::Options ingest_options(const config::Settings& settings) {
  ingest::Options options;
  options.data_directory = settings.text("data");
  options.journal_max_bytes = static_cast<uint64_t>(settings.bytes("journal.max_bytes"));
  options.memory_max_bytes = MemoryShares(settings).ingest;
  options.in_flight_max_bytes = static_cast<uint64_t>(settings.bytes("ingest.in_flight_max"));
  options.in_flight_max_requests = static_cast<uint64_t>(settings.integer("ingest.in_flight_requests_max"));
  options.min_free_bytes = static_cast<uint64_t>(settings.bytes("journal.min_free"));
  options.quarantine_max_bytes = static_cast<uint64_t>(settings.bytes("quarantine.max_bytes"));
  options.cut_max_rows = static_cast<uint64_t>(settings.integer("batch.max_rows"));
  options.cut_max_age_ms = settings.ms("batch.max_age");
  options.retry_window_ms = settings.ms("ingest.retry_window");
  return options;
}

Result<model::Batch> decode_again(const ingest::Incoming& incoming, size_t body_max) {
  const bool prometheus = incoming.format == ingest::WireFormat::prometheus_write ||
                          incoming.format == ingest::WireFormat::prometheus_write_v2;
  auto batch = prometheus ? api::prometheus::decode_write(incoming, body_max) : api::otlp::decode(incoming, body_max);
  if (batch && !incoming.refused.empty()) model::remove_points(batch->points, incoming.refused);
  return batch;
}

}  // namespace

MemoryShares::MemoryShares(const config::Settings& settings) {
  const auto all = static_cast<uint64_t>(settings.bytes("ingest.memory_max"));
  bodies = std::max(all / 8, static_cast<uint64_t>(settings.bytes("ingest.body_max")));
  recent = std::min(static_cast<uint64_t>(settings.bytes("prometheus.memory")), all / 4);
  ingest = all - all / 8 - recent;
}

Result<std::vector<ingest::Block>> GatedSink::encode(const std::vector<ingest::StoredBatch>& batches, uint64_t cut) {
  return inner_.encode(batches, cut);
}

Status GatedSink::insert(const ingest::Block& block) {
  if (!ready_) return fail(Code::unavailable, "the engine is starting", 500);
  return inner_.insert(block);
}

Result<bool> GatedSink::has_cut(const std::string& table, const std::string& partition, uint64_t cut) {
  if (!ready_) return fail(Code::unavailable, "the engine is starting", 500);
  return inner_.has_cut(table, partition, cut);
}

Result<bool> GatedSink::is_under_way(const std::string& token) {
  if (!ready_) return fail(Code::unavailable, "the engine is starting", 500);
  return inner_.is_under_way(token);
}

Storage::Storage(const config::Settings& settings, io::Http& http, io::Clock& clock)
    : client_(client_options(settings), http),
      clock_(clock),
      own_store_(settings.text("engine.url").empty()),
      recent_(make_recent(settings, clock)),
      pack_after_ms_(own_store_ ? settings.ms("prometheus.pack_after") : 0),
      store_sink_(client_, clock.wall(),
                  own_store_ ? [this](const ingest::Block& block) { remember(block); } : store::IngestSink::Stored()),
      sink_(store_sink_) {}

// What the engine has, the memory has too. A block of ours that cannot be read is a programmer error.
void Storage::remember(const ingest::Block& block) {
  const bool samples = block.table == "samples", series = block.table == "series";
  if (block.table == "resources") series_.resources_described();
  const bool points = samples || block.table == "distributions";
  if (!series && !(points && (recent_ || pack_after_ms_ > 0))) return;
  const auto rows = store::read_native(
      block.bytes, samples ? promql::store::Recent::columns_wanted : std::span<const std::string_view>());
  HS_ASSERT(rows.has_value(), block.table);
  if (series) return series_.described(*rows);
  const int64_t now_ms = clock_.wall() / nanos_per_ms;
  if (pack_after_ms_ > 0) packed_.changed(*rows, now_ms);
  if (!recent_) return;
  samples ? recent_->add_samples(*rows, now_ms) : recent_->add_distributions(*rows, now_ms);
  tell(*recent_);
}

Result<std::unique_ptr<Storage>> Storage::open(const Common& common, const config::Settings& settings, io::Http& http,
                                               io::Clock& clock, io::Random& random, limits::Gate& gate,
                                               ingest::Sampler& sampler, Tee tee) {
  std::unique_ptr<Storage> storage(new Storage(settings, http, clock));
  const auto body_max = static_cast<size_t>(settings.bytes("ingest.body_max"));
  HS_ASSIGN(storage->ingest_,
            ingest::Ingest::open(ingest_options(settings),
                                 {.disk = io::system_disk(),
                                  .clock = clock,
                                  .random = random,
                                  .sink = storage->sink_,
                                  .decode = [body_max](const auto& in) { return decode_again(in, body_max); },
                                  .tee = std::move(tee),
                                  .sampler = &sampler,
                                  .in_flight_max = [&gate](const auto& t) { return gate.in_flight_bytes_max(t); },
                                  .refused = [&gate](const auto& t, auto why) { gate.count_refusal(t, why); }}));
  if (settings.text("engine.url").empty())
    storage->supervisor_ = std::make_unique<store::EngineSupervisor>(
        store::SupervisorOptions{.command = engine_command(common, settings),
                                 .endpoint = storage->client_.options().endpoint},
        http);
  if (storage->pack_after_ms_ > 0)
    storage->packer_thread_ = std::jthread([s = storage.get()](const std::stop_token& stop) { s->keep_packed(stop); });
  storage->schema_thread_ = std::jthread([s = storage.get()](const std::stop_token& stop) { s->keep_schema(stop); });
  return storage;
}

Storage::~Storage() {
  for (std::jthread* thread : {&schema_thread_, &packer_thread_}) {
    thread->request_stop();
    if (thread->joinable()) thread->join();
  }
  ingest_.reset();
  if (supervisor_) supervisor_->stop();
}

void Storage::keep_schema(const std::stop_token& stop) {
  store::Client client = client_.until(stop);
  bool ready = false;
  while (!stop.stop_requested()) {
    if (!ready) {
      const Status done = store::migrate(client);
      ready = done.has_value();
      sink_.set_ready(ready);
      if (ready) log::info("the engine is ready");
      {
        const std::lock_guard lock(mutex_);
        schema_ready_ = ready;
        schema_problem_ = ready ? "" : done.error().message;
      }
      if (ready && recent_) fill_recent(stop);
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(ready ? engine_watch_ms : schema_retry_ms),
                   [] { return false; });
  }
}

// What is not in memory is read from the engine, so that a failure here costs time alone.
void Storage::fill_recent(const std::stop_token& stop) {
  const Status done = promql::store::fill(*recent_, client_, clock_, stop);
  if (!done && !stop.stop_requested())
    log::warn("samples of the last hours are not all in memory", {{"why", done.error().message}});
  tell(*recent_);
}

bool Storage::schema_ready() const {
  const std::lock_guard lock(mutex_);
  return schema_ready_;
}

// What is not packed is read as it lies, so that a failure here costs time alone.
void Storage::keep_packed(const std::stop_token& stop) {
  store::Client client = client_.until(stop);
  promql::store::Packer packer(packed_, client, clock_);
  bool loaded = false;
  while (!stop.stop_requested()) {
    bool more = false;
    if (schema_ready()) {
      Status done = loaded ? Status{} : packer.load(stop);
      loaded = done.has_value();
      if (loaded) {
        const Result<bool> step = packer.step(pack_after_ms_, stop);
        more = step.value_or(false);
        if (!step) done = tl::unexpected(step.error());
      }
      if (!done && done.error().code != Code::unavailable && !stop.stop_requested())
        log::warn("samples could not be packed", {{"why", done.error().message}});
      tell(packed_);
    }
    if (more) continue;
    std::unique_lock lock(mutex_);
    const int64_t wait_ms = loaded ? std::clamp(pack_after_ms_ / 4, schema_retry_ms, pack_watch_ms) : schema_retry_ms;
    wake_.wait_for(lock, stop, std::chrono::milliseconds(wait_ms), [] { return false; });
  }
}

Result<std::vector<store::ResultBlock>> Storage::collect(const store::Query& query, size_t rows_max) {
  auto rows = client_.collect(query, rows_max);
  if (rows || rows.error().code != Code::unavailable) return rows;
  if (const State engine = state(); !engine.ready) rows.error().message = engine.reason;
  return rows;
}

Storage::State Storage::state() const {
  State out;
  if (supervisor_) {
    const store::EngineSupervisor::State engine = supervisor_->state();
    out = {.ready = engine.ready,
           .pid = engine.pid,
           .starts = engine.starts,
           .failed_starts = engine.failed_starts,
           .reason = engine.reason};
  } else {
    out.ready = true;
  }
  const std::lock_guard lock(mutex_);
  if (!schema_ready_) {
    out.ready = false;
    if (out.reason.empty()) out.reason = schema_problem_;
  }
  return out;
}

}  // namespace hs::app
