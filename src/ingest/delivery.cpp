#include "ingest/delivery.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "ingest/kept_of.h"

namespace hs::ingest {
namespace {

struct Metrics {
  metrics::Counter blocks{"homeostat_ingest_blocks_total", "Blocks that the engine took."};
  metrics::Counter rows{"homeostat_ingest_delivered_rows_total", "Rows that the engine took."};
  metrics::Counter present{"homeostat_ingest_blocks_present_total",
                           "Blocks that the engine had already when it was asked after a crash or an unclear answer."};
  metrics::Counter burnt{"homeostat_ingest_burnt_tokens_total",
                         "Blocks whose token the engine knew without their rows; they went under another one."};
  metrics::Counter failures{"homeostat_ingest_insert_failures_total", "Inserts to be repeated."};
  metrics::Counter decoded_again{"homeostat_ingest_decoded_again_total",
                                 "Requests read back from the journal: after a start, or because memory was full."};
  metrics::Counter unreadable{"homeostat_ingest_unreadable_requests_total",
                              "Acknowledged requests that damage of the disk took from the journal."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

constexpr int tokens_max = 8;  // of one block in one attempt: each was burnt by a crash of its own

bool may_be_repeated(Code code) {
  return code == Code::unavailable || code == Code::deadline_exceeded || code == Code::resource_exhausted ||
         code == Code::internal;
}

}  // namespace

void Delivery::start(std::shared_ptr<Cut> cut) {
  drop();
  cut_ = std::move(cut);
}

void Delivery::drop() {
  if (prepared_ && !blocks_.empty()) outside_.sink.abandoned();
  cut_.reset();
  blocks_.clear();
  blocks_.shrink_to_fit();
  prepared_ = false;
  room_.reset();
}

Delivery::Outcome Delivery::attempt() {
  if (!prepared_) {
    if (!take_room()) return Outcome::no_room;
    if (const Status prepared = prepare(); !prepared) {
      error_ = prepared.error();
      return Outcome::later;
    }
  }
  bool all = true;
  for (Block& block : blocks_) {
    if (block.rows == 0) continue;  // delivered
    const Status delivered = deliver(block);
    if (delivered) {
      block = {};
      continue;
    }
    all = false;
    error_ = delivered.error();
    cut_->ask_first = true;  // it may have arrived all the same
    counters().failures.add();
    if (error_.code == Code::unavailable) return Outcome::engine_away;
  }
  if (!all) return Outcome::later;
  blocks_.clear();
  return Outcome::done;
}

// Blocks take about a third of their batches.
bool Delivery::take_room() {
  if (room_) return true;
  const uint64_t again = cut_->requests.empty() ? cut_->memory_bytes : 0;
  room_ = outside_.memory.take_for_delivery(again + cut_->memory_bytes / 3);
  return room_.has_value();
}

Status Delivery::prepare() {
  blocks_.clear();
  HS_ASSIGN(const KeptOf kept, KeptOf::of(cut_->verdicts));
  std::deque<Again> again;
  std::vector<StoredBatch> stored;
  if (cut_->requests.empty()) {
    HS_TRY(decode_journal(again));
    for (const Again& request : again)
      stored.push_back(
          {&request.batch, request.head.received_at, request.head.tenant, kept.of(request.sequence, request.batch)});
  } else {
    for (const Pending& request : cut_->requests)
      stored.push_back(
          {request.batch.get(), request.received_at, request.tenant, kept.of(request.sequence, *request.batch)});
  }
  HS_TRY(encode(stored));
  prepared_ = true;
  uint64_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.bytes.size();
  room_->resize(bytes);
  outside_.encoded(*cut_);
  return {};
}

Status Delivery::decode_journal(std::deque<Again>& requests) {
  Status status;
  uint64_t seen = 0;
  const auto take = [&](const SegmentReader::Record& record) {
    if (!status) return;
    auto request = parse_request(record.payload);
    if (request && request->incoming.held != cut_->range.held) return;  // of the other lane
    ++seen;
    auto batch = request ? outside_.decode(request->incoming) : tl::unexpected(request.error());
    if (!batch) {
      Incoming incoming;
      incoming.body = record.payload;
      if (request) incoming = std::move(request->incoming);
      status = outside_.quarantine.put(incoming, record.header.sequence, batch.error());
      return;
    }
    request->incoming.body = {};
    requests.push_back({record.header.sequence, std::move(request->incoming), std::move(*batch)});
    counters().decoded_again.add();
  };
  HS_TRY(outside_.journal.read(cut_->at, cut_->range.first, cut_->range.last, take));
  HS_TRY(status);
  if (seen < cut_->range.requests && !cut_->short_of_requests) {
    cut_->short_of_requests = true;
    counters().unreadable.add(cut_->range.requests - seen);
    log::warn("ingest: requests of a cut are no longer in the journal; the engine is asked for the rest",
              {{"cut", cut_->id}, {"requests", cut_->range.requests}, {"readable", seen}});
  }
  return {};
}

Status Delivery::encode(const std::vector<StoredBatch>& stored) {
  if (stored.empty()) return {};
  auto blocks = outside_.sink.encode(stored, cut_->id);
  if (!blocks && may_be_repeated(blocks.error().code)) return tl::unexpected(blocks.error());
  if (!blocks) return put_all_aside(blocks.error());
  blocks_ = std::move(*blocks);
  return {};
}

// No block can be made of this cut: its requests are kept as they came.
Status Delivery::put_all_aside(const Error& why) {
  Status status;
  HS_TRY(outside_.journal.read(cut_->at, cut_->range.first, cut_->range.last, [&](const auto& record) {
    auto request = parse_request(record.payload);
    if (request && request->incoming.held != cut_->range.held) return;
    if (status && request) status = outside_.quarantine.put(request->incoming, record.header.sequence, why);
  }));
  return status;
}

// The engine writes a token down before it publishes the rows. When it is killed in between, it answers ok to whatever
// comes under that token, for good, and stores nothing. So a block that may have been sent before is looked for when it
// is said to be in, and goes under a further token when nothing of it is there and nothing of it is under way.
Status Delivery::insert_again(const Block& block) {
  Block renamed;
  for (int attempt = 1; attempt <= tokens_max; ++attempt) {
    if (attempt == 2) renamed = block;
    if (attempt >= 2) renamed.token = fmt::format("{}-{}", block.token, attempt);
    const Block& sent = attempt == 1 ? block : renamed;
    HS_TRY(outside_.sink.insert(sent));
    HS_ASSIGN(const bool under_way, outside_.sink.is_under_way(sent.token));
    HS_ASSIGN(const bool present, outside_.sink.has_cut(block.table, block.partition, cut_->id));
    if (present) return {};
    if (under_way) return fail(Code::deadline_exceeded, "an earlier insert of the block is still under way");
    counters().burnt.add();
    log::warn("ingest: the engine knows a block's token and not its rows, as after a crash: another token",
              {{"table", block.table}, {"token", sent.token}});
  }
  return fail(Code::internal, "the engine says it has a block, and has not");
}

Status Delivery::deliver(const Block& block) {
  bool present = false;
  if (cut_->ask_first && block.fact) {
    HS_ASSIGN(present, outside_.sink.has_cut(block.table, block.partition, cut_->id));
  }
  if (present) {
    counters().present.add();
    outside_.sink.stored(block);
    return {};
  }
  const Status inserted = cut_->ask_first && block.fact ? insert_again(block) : outside_.sink.insert(block);
  if (inserted) {
    counters().blocks.add();
    counters().rows.add(block.rows);
    outside_.sink.stored(block);
    return {};
  }
  if (may_be_repeated(inserted.error().code)) return inserted;
  if (!block.fact) outside_.sink.abandoned();  // the next cut tells it again
  const Status kept = outside_.quarantine.put(block, cut_->id, inserted.error());
  if (!kept) return fail(Code::internal, kept.error().message);  // not the engine's fault: others may go on
  return {};
}

}  // namespace hs::ingest
