#pragma once
// The store as ingest sees it.

#include <cstdint>
#include <functional>
#include <stop_token>

#include "ingest/incoming.h"
#include "store/block.h"
#include "store/client.h"

namespace hs::store {

// Thread-safe. `client` must outlive it.
class IngestSink final : public ingest::Sink {
 public:
  // Told of every block that the engine has, before insert() or present() returns; from several threads.
  using Stored = std::function<void(const ingest::Block&)>;
  explicit IngestSink(Client& client, Stored stored = {}) : client_(client), stored_(std::move(stored)) {}
  Result<std::vector<ingest::Block>> encode(const std::vector<ingest::StoredBatch>& batches, uint64_t cut) override;
  Status insert(const ingest::Block& block) override;
  void abandoned() override { described_.forget(); }
  void stop() override { stop_.request_stop(); }
  void present(const ingest::Block& block) override;
  Result<bool> has_cut(const std::string& table, const std::string& partition, uint64_t cut) override;

 private:
  Client& client_;
  Stored stored_;
  Described described_;
  std::stop_source stop_;
};

}  // namespace hs::store
