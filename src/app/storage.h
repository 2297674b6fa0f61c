#pragma once
// From an acknowledged batch to rows in the engine: the journal (ingest), the engine's keeper, the client, the schema.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "app/commands.h"
#include "config/config.h"
#include "ingest/ingest.h"
#include "io/disk.h"
#include "io/http.h"
#include "limits/gate.h"
#include "promql/store/packed_index.h"
#include "promql/store/recent.h"
#include "promql/store/series_cache.h"
#include "store/client.h"
#include "store/ingest_sink.h"
#include "store/supervisor.h"

namespace hs::app {

// Until the schema is there every insert is `unavailable`: the journal waits.
class GatedSink final : public ingest::Sink {
 public:
  explicit GatedSink(ingest::Sink& inner) : inner_(inner) {}
  void set_ready(bool ready) { ready_ = ready; }
  Result<std::vector<ingest::Block>> encode(const std::vector<ingest::StoredBatch>& batches, uint64_t cut) override;
  Status insert(const ingest::Block& block) override;
  void stored(const ingest::Block& block) override { inner_.stored(block); }
  void abandoned() override { inner_.abandoned(); }
  void stop() override { inner_.stop(); }
  Result<bool> has_cut(const std::string& table, const std::string& partition, uint64_t cut) override;
  Result<bool> is_under_way(const std::string& token) override;

 private:
  ingest::Sink& inner_;
  std::atomic<bool> ready_{false};
};

// How ingest.memory_max is shared out; see there.
struct MemoryShares {
  uint64_t bodies = 0;  // of one listener's requests that are being received or answered; one of any size fits
  uint64_t recent = 0;
  uint64_t ingest = 0;
  explicit MemoryShares(const config::Settings& settings);
};

class Storage {
 public:
  using Tee = std::function<void(std::shared_ptr<const model::Batch>, const ingest::Incoming&)>;
  // Opens the journal and starts the engine; returns without waiting for it. `http`, `gate` and `sampler` outlive the
  // result.
  static Result<std::unique_ptr<Storage>> open(const Common& common, const config::Settings& settings, io::Http& http,
                                               io::Clock& clock, io::Random& random, limits::Gate& gate,
                                               ingest::Sampler& sampler, Tee tee);
  ~Storage();  // stops intake first, the engine last

  ingest::Ingest& ingest() { return *ingest_; }
  store::Client& client() { return client_; }
  // The newest samples in memory; nullptr when there shall be none.
  const promql::store::Recent* recent() const { return recent_.get(); }
  // Which slots' samples are packed by series; nullptr when none are.
  const promql::store::PackedIndex* packed() const { return pack_after_ms_ > 0 ? &packed_ : nullptr; }
  // Which series selectors found; nullptr when others may write to the store too.
  promql::store::SeriesCache* series() { return own_store_ ? &series_ : nullptr; }
  struct State {
    bool ready = false;  // the engine answers and the schema is current
    pid_t pid = 0;
    uint64_t starts = 0, failed_starts = 0;
    std::string reason;
  };
  State state() const;
  // As the client's; while the engine is away the error says why.
  Result<std::vector<store::ResultBlock>> collect(const store::Query& query, size_t rows_max);

 private:
  Storage(const config::Settings& settings, io::Http& http, io::Clock& clock);
  void keep_schema(const std::stop_token& stop);
  void remember(const ingest::Block& block);
  void fill_recent(const std::stop_token& stop);
  void keep_packed(const std::stop_token& stop);
  bool schema_ready() const;

  store::Client client_;
  io::Clock& clock_;
  bool own_store_;
  std::unique_ptr<promql::store::Recent> recent_;
  promql::store::SeriesCache series_;
  const int64_t pack_after_ms_;  // 0: never
  promql::store::PackedIndex packed_;
  store::IngestSink store_sink_;
  GatedSink sink_;
  std::unique_ptr<store::EngineSupervisor> supervisor_;  // none with engine.url
  std::unique_ptr<ingest::Ingest> ingest_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  bool schema_ready_ = false;
  std::string schema_problem_;
  std::jthread schema_thread_, packer_thread_;
};

}  // namespace hs::app
