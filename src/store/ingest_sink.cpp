#include "store/ingest_sink.h"

#include <fmt/format.h>

namespace hs::store {

Result<std::vector<ingest::Block>> IngestSink::encode(const std::vector<ingest::StoredBatch>& batches, uint64_t cut) {
  std::vector<StoredBatch> stored;
  stored.reserve(batches.size());
  for (const ingest::StoredBatch& b : batches) stored.push_back({b.batch, b.received_at, b.tenant, b.kept});
  std::vector<ingest::Block> out;
  for (Block& block : encode_blocks(stored, cut, described_)) {
    // The engine may know a token without its rows (ingest/delivery.cpp), and nobody asks for a dictionary's. What was
    // not told well in this life is told again; a former life's tokens are not ours.
    if (!block.fact) block.token += fmt::format("-{}", life_);
    out.push_back({std::move(block.table), std::move(block.partition), std::move(block.token), block.rows, block.fact,
                   std::move(block.native)});
  }
  return out;
}

Status IngestSink::insert(const ingest::Block& block) {
  auto done = client_.insert(block.table, block.token, block.bytes, stop_.get_token());
  // Whoever was described in it is described again: it may be a dictionary that did not arrive.
  if (!done) described_.forget();
  return done;
}

void IngestSink::stored(const ingest::Block& block) {
  if (stored_) stored_(block);
}

Result<bool> IngestSink::has_cut(const std::string& table, const std::string& partition, uint64_t cut) {
  return client_.has_cut(table, partition, cut, stop_.get_token());
}

Result<bool> IngestSink::is_under_way(const std::string& token) {
  return client_.is_inserting(token, stop_.get_token());
}

}  // namespace hs::store
