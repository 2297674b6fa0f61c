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
  // Told of every block that the engine has, before its cut is done; from several threads.
  using Stored = std::function<void(const ingest::Block&)>;
  // `life`: of this process, another one for each: when it was started.
  IngestSink(Client& client, UnixNanos life, Stored stored = {})
      : client_(client), life_(life), stored_(std::move(stored)) {}
  Result<std::vector<ingest::Block>> encode(const std::vector<ingest::StoredBatch>& batches, uint64_t cut) override;
  Status insert(const ingest::Block& block) override;
  void abandoned() override { described_.forget(); }
  void stop() override { stop_.request_stop(); }
  void stored(const ingest::Block& block) override;
  Result<bool> has_cut(const std::string& table, const std::string& partition, uint64_t cut) override;
  Result<bool> is_under_way(const std::string& token) override;

 private:
  Client& client_;
  const UnixNanos life_;
  Stored stored_;
  Described described_;
  std::stop_source stop_;
};

}  // namespace hs::store
