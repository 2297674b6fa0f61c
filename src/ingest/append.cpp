// The way in: recognise, admit, queue. Runs on the threads of the receivers.

#include <algorithm>

#include "base/metrics.h"
#include "ingest/lag.h"
#include "ingest/parts.h"
#include "model/memory.h"

namespace hs::ingest {
namespace {

constexpr int64_t retry_soon_ms = 1000;  // the disk is asked again each second

struct Metrics {
  metrics::Counter retries_durable{"homeostat_ingest_retries_recognised_total",
                                   "Requests whose bytes are in the journal already.", R"(first="durable")"};
  metrics::Counter retries_in_flight{"homeostat_ingest_retries_recognised_total",
                                     "Requests whose bytes are in the journal already.", R"(first="in_flight")"};
  metrics::Counter refused_state{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                                 R"(reason="journal_unavailable")"};
  metrics::Counter refused_memory{"homeostat_ingest_refused_total", "Requests refused, by the bound that was met.",
                                  R"(reason="memory")"};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

Status no_room() {
  counters().refused_memory.add();
  return fail(Code::resource_exhausted, "memory for what comes in is full (ingest.memory_max)", retry_soon_ms);
}

}  // namespace

// One request may always come in, whatever its size.
Status Ingest::Parts::has_room(const Incoming& incoming) {
  if (memory.has_room(incoming.body.size())) return {};
  const std::lock_guard lock(mutex);
  if (admission.in_flight_requests() == 0) return {};
  return no_room();
}

Status Ingest::Parts::admit(Owed& owed, std::string_view& reason) {
  if (stopping || !refusal.empty()) {
    counters().refused_state.add();
    reason = "journal_unavailable";
    return fail(Code::unavailable, stopping ? "Homeostat is stopping" : refusal, retry_soon_ms);
  }
  if (admission.in_flight_requests() > 0 && !memory.has_room(owed.ask.memory_bytes)) {
    reason = "memory";
    return no_room();
  }
  owed.account = &admission.account(owed.incoming.tenant);
  return admission.enter(*owed.account, owed.ask, journal->bytes(), reason);
}

// Agents' requests are known by name alone: another one may have the same bytes.
RetryWindow::Seen Ingest::Parts::find(const Owed& owed) {
  const Incoming& incoming = owed.incoming;
  if (incoming.shipment.known() && shipments.is_durable(incoming.tenant, incoming.shipment))
    return RetryWindow::Seen::durable;
  return window.find(owed.hash, outside.clock.wall());
}

void Ingest::Parts::append(Incoming incoming, model::Batch batch, Done done) {
  Owed owed;
  owed.hash = request_hash(incoming);
  owed.rows = static_cast<uint32_t>(std::min<size_t>(batch.size(), UINT32_MAX));
  owed.batch_bytes = model::memory_bytes(batch);
  owed.ask = {owed.batch_bytes + incoming.body.size(), incoming.body.size(),
              outside.in_flight_max ? outside.in_flight_max(incoming.tenant) : 0};
  incoming.held = outside.sampler != nullptr && outside.sampler->holds(incoming);
  owed.incoming = std::move(incoming);
  owed.batch = std::move(batch);
  {
    std::unique_lock lock(mutex);
    const RetryWindow::Seen seen = find(owed);
    if (seen == RetryWindow::Seen::in_flight &&
        admission.in_flight_requests() + window.waiting() < options.in_flight_max_requests) {
      counters().retries_in_flight.add();
      return window.wait(owed.hash, std::move(done));
    }
    Status verdict;  // durable already: ok
    if (seen == RetryWindow::Seen::in_flight)
      verdict = fail(Code::resource_exhausted, "the same request is being written already", retry_soon_ms);
    std::string_view reason;
    if (seen == RetryWindow::Seen::never) verdict = admit(owed, reason);
    if (seen == RetryWindow::Seen::durable) counters().retries_durable.add();
    if (seen != RetryWindow::Seen::never || !verdict) {
      lock.unlock();
      if (outside.refused && !reason.empty()) outside.refused(owed.incoming.tenant, reason);
      return done(std::move(verdict));
    }
    window.begin(owed.hash);
    owed.share = memory.take(owed.ask.memory_bytes);
  }
  count_lag(owed.batch, owed.incoming.received_at);
  owed.done = std::move(done);
  owed.prefix = encode_request_prefix(owed.incoming, owed.rows, owed.batch_bytes);
  owed.payload_crc = crc32c(owed.incoming.body, crc32c(owed.prefix));
  {
    const std::lock_guard lock(mutex);
    queue.push_back(std::move(owed));
    poke_commit();
  }
}

void Ingest::Parts::flush(int64_t timeout_ms, Done done) {
  Status status;
  {
    const std::lock_guard lock(mutex);
    const bool all_delivered = backlog.lowest_asked() > last_durable;
    if (!all_delivered && !stopping) {
      flushes.push_back({last_durable, outside.clock.mono() + timeout_ms * nanos_per_ms, std::move(done)});
      flush_through = last_durable;
      backlog.hurry();
      engine_gate = 0;
      return poke_commit();
    }
    if (!all_delivered) status = fail(Code::unavailable, "Homeostat is stopping");
  }
  done(std::move(status));
}

}  // namespace hs::ingest
