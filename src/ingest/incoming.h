#pragma once
// What comes into the journal, and what goes out of it to the engine.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/http_message.h"
#include "base/time.h"
#include "ingest/shipment.h"
#include "model/batch.h"
#include "model/sampling.h"

namespace hs::ingest {

// How the body is to be decoded. Persistent (the journal): do not change numbers, only add.
enum class WireFormat : uint8_t { otlp_protobuf = 1, otlp_json = 2, prometheus_write = 3, prometheus_write_v2 = 4 };
enum class Encoding : uint8_t { identity = 0, gzip = 1, zstd = 2, deflate = 3, snappy = 4 };

// What one item may hold, where it differs from what decoders allow by themselves; 0: as they do.
struct ItemLimits {
  uint32_t attributes = 0, nesting = 0;
  uint32_t key_bytes = 0, value_bytes = 0, name_bytes = 0;
  bool operator==(const ItemLimits&) const = default;
};

// A decoder's own limit, unless another one was chosen.
template <class T>
void choose(T& limit, uint32_t chosen) {
  if (chosen > 0) limit = chosen;
}

// A request as it came, before it was decoded. Everything that decoding needs is here: replay decodes it again.
struct Incoming {
  model::Signal signal = model::Signal::traces;
  WireFormat format = WireFormat::otlp_protobuf;
  Encoding encoding = Encoding::identity;
  std::string tenant;      // whose data; "" is the only tenant of a single-tenant set-up
  std::string credential;  // name of the credential that sent it (never the secret); "" when none was asked for
  UnixNanos received_at = 0;
  bool any_time = false;    // metric points of any age were taken (retention had no bound); Prometheus only
  bool parse_text = false;  // logs: what the text of a record tells was taken out of it (wire/logtext)
  bool held = false;        // traces: stored when it is decided which of its spans are (Sampler)
  ItemLimits item_limits;   // it was decoded with
  // Points that were refused for their series, of those that the body decodes to (model::remove_points); "": none.
  std::string refused;
  Shipment shipment;  // of an agent: it is stored once, however late it comes again
  std::string body;   // as received: the content encoding is not undone
};

// What every way in asks of the limits of tenants, around decoding. Empty functions: there are none.
struct Gate {
  // Before: resource_exhausted with retry_after_ms, or ok, and it sets Incoming::item_limits.
  std::function<Status(Incoming&)> enter;
  // After, unless decoding failed: may take rows out of the batch, and notes which (Incoming::refused).
  std::function<void(Incoming&, model::Batch&)> settle;
};

// Whose data a request is about, as the header X-Scope-OrgID says it; "" without one. An error unless it is 1 to 150
// letters, digits and !-_.*'() as in other systems that have this header.
Result<std::string> tenant_of(const http::Headers& headers);

// A request of a cut, decoded.
struct StoredBatch {
  const model::Batch* batch = nullptr;
  UnixNanos received_at = 0;
  std::string_view tenant;
  model::Kept kept = {};  // which of its spans are stored
};

// Which spans of a held cut are stored: a code for each (model::Kept), in the order of its requests and their spans.
struct Verdicts {
  std::vector<uint8_t> codes;
  std::vector<uint64_t> thresholds;
};

// Decides on whole traces. Spans of held requests wait in the journal and in memory while theirs come in; what is
// decided is durable before anything of it is sent. What waited when the process died is stored whole.
class Sampler {
 public:
  virtual ~Sampler() = default;
  // Any thread.
  virtual bool holds(const Incoming& incoming) = 0;
  virtual int64_t wait_ms() const = 0;          // from the cut of a request to its decision
  virtual uint64_t held_bytes_max() const = 0;  // decoded batches without a decision; beyond it the oldest are decided
  // One thread: cuts are observed in their order, and decided, each once, after that.
  virtual void observe(const std::vector<StoredBatch>& cut) = 0;
  virtual bool crowded() const = 0;  // as many traces wait as may: the oldest are to be decided
  virtual Verdicts decide(const std::vector<StoredBatch>& cut, bool early) = 0;
};

// Rows of one table and one partition that the engine takes whole or not at all.
struct Block {
  std::string table, partition;
  std::string token;  // the same for the same rows, for ever: the engine takes one block of a token
  uint64_t rows = 0;
  // A fact is stored once, always with the same rows. Other blocks (dictionaries) may be stored again without harm and
  // may differ at the next encode(): the engine is never asked whether it has them.
  bool fact = true;
  std::string bytes;  // in the engine's format
};

// The store, as ingest sees it. Thread-safe; calls block. Two homes: store/ in production, a model in the tests.
class Sink {
 public:
  virtual ~Sink() = default;
  // One block per (table, partition), the same blocks for the same input, always. Every row carries `cut`.
  virtual Result<std::vector<Block>> encode(const std::vector<StoredBatch>& batches, uint64_t cut) = 0;
  // ok: the rows are in and durable, or the engine knew the token already: after a failed insert of it that tells
  // nothing of its rows. unavailable, deadline_exceeded, resource_exhausted, internal: they may or may not be in; it
  // will be tried again with the same rows. Any other code: the engine refuses them for good.
  virtual Status insert(const Block& block) = 0;
  // All rows of the block are known to be in. Told of each block, before the cut is done.
  virtual void stored(const Block&) {}
  // Blocks of an encode() were given up before all of them were in; the cut will be encoded again. Who leaves out of a
  // block what was told before must tell it again.
  virtual void abandoned() = 0;
  // The process stops: calls under way end soon with unavailable, later ones at once.
  virtual void stop() = 0;
  // Are rows of `cut` in this table and partition? Must not answer before an insert of a former process has ended.
  virtual Result<bool> has_cut(const std::string& table, const std::string& partition, uint64_t cut) = 0;
  // Is an insert of this token still running, so that its rows may come yet?
  virtual Result<bool> is_under_way(const std::string& token) = 0;
};

}  // namespace hs::ingest
