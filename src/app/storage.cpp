#include "app/storage.h"

#include "api/otlp/receiver.h"
#include "api/prometheus/write.h"
#include "app/engine_command.h"
#include "base/log.h"
#include "store/schema.h"

namespace hs::app {
namespace {

constexpr int64_t schema_retry_ms = 200;    // while the engine starts
constexpr int64_t engine_watch_ms = 2'000;  // afterwards: a restarted engine keeps its schema

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

ingest::Options ingest_options(const config::Settings& settings) {
  ingest::Options options;
  options.data_directory = settings.text("data");
  options.journal_max_bytes = static_cast<uint64_t>(settings.bytes("journal.max_bytes"));
  options.in_flight_max_bytes = static_cast<uint64_t>(settings.bytes("ingest.in_flight_max"));
  options.in_flight_max_requests = static_cast<uint64_t>(settings.integer("ingest.in_flight_requests_max"));
  options.tenant_bytes_per_s = static_cast<uint64_t>(settings.bytes("ingest.tenant_rate"));
  options.min_free_bytes = static_cast<uint64_t>(settings.bytes("journal.min_free"));
  options.quarantine_max_bytes = static_cast<uint64_t>(settings.bytes("quarantine.max_bytes"));
  options.cut_max_rows = static_cast<uint64_t>(settings.integer("batch.max_rows"));
  options.cut_max_age_ms = settings.ms("batch.max_age");
  options.retry_window_ms = settings.ms("ingest.retry_window");
  return options;
}

Result<model::Batch> decode_again(const ingest::Incoming& incoming, size_t body_max) {
  const bool prometheus = incoming.format >= ingest::WireFormat::prometheus_write;
  return prometheus ? api::prometheus::decode_write(incoming, body_max) : api::otlp::decode(incoming, body_max);
}

}  // namespace

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

Storage::Storage(const config::Settings& settings, io::Http& http)
    : client_(client_options(settings), http), store_sink_(client_), sink_(store_sink_) {}

Result<std::unique_ptr<Storage>> Storage::open(const Common& common, const config::Settings& settings, io::Http& http,
                                               io::Clock& clock, io::Random& random, Tee tee) {
  std::unique_ptr<Storage> storage(new Storage(settings, http));
  const auto body_max = static_cast<size_t>(settings.bytes("ingest.body_max"));
  HS_ASSIGN(storage->ingest_,
            ingest::Ingest::open(ingest_options(settings),
                                 {.disk = io::system_disk(),
                                  .clock = clock,
                                  .random = random,
                                  .sink = storage->sink_,
                                  .decode = [body_max](const auto& in) { return decode_again(in, body_max); },
                                  .tee = std::move(tee),
                                  .admit = {}}));
  if (settings.text("engine.url").empty())
    storage->supervisor_ = std::make_unique<store::EngineSupervisor>(
        store::SupervisorOptions{.command = engine_command(common, settings),
                                 .endpoint = storage->client_.options().endpoint},
        http);
  storage->schema_thread_ = std::jthread([s = storage.get()](const std::stop_token& stop) { s->keep_schema(stop); });
  return storage;
}

Storage::~Storage() {
  schema_thread_.request_stop();
  if (schema_thread_.joinable()) schema_thread_.join();
  ingest_.reset();
  if (supervisor_) supervisor_->stop();
}

void Storage::keep_schema(const std::stop_token& stop) {
  bool ready = false;
  while (!stop.stop_requested()) {
    if (!ready) {
      const Status done = store::migrate(client_);
      ready = done.has_value();
      sink_.set_ready(ready);
      if (ready) log::info("the engine is ready");
      const std::lock_guard lock(mutex_);
      schema_ready_ = ready;
      schema_problem_ = ready ? "" : done.error().message;
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::milliseconds(ready ? engine_watch_ms : schema_retry_ms),
                   [] { return false; });
  }
}

Storage::State Storage::state() const {
  State out;
  if (supervisor_) {
    const store::EngineSupervisor::State engine = supervisor_->state();
    out = {.ready = engine.ready, .pid = engine.pid, .starts = engine.starts, .reason = engine.reason};
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
