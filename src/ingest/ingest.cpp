#include "ingest/ingest.h"

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "ingest/parts.h"

namespace hs::ingest {
namespace {

constexpr int64_t idle_ms = 1000;           // threads look around this often when nobody wakes them
constexpr int64_t engine_wait_min_ms = 50;  // between attempts while the engine is away: doubled up to the maximum
constexpr int64_t engine_wait_max_ms = 2000;
constexpr int64_t cut_wait_min_ms = 500;  // between attempts of a cut that has trouble of its own
constexpr int64_t cut_wait_max_ms = 60'000;
constexpr uint64_t segments_per_journal = 8;  // at least: a small journal has small segments
// Each segment begins with the retry window, 24 bytes an entry: together at most an eighth of the journal.
constexpr uint64_t journal_bytes_per_seen = 8 * 24 * segments_per_journal;
constexpr uint64_t journal_bytes_per_stream = 8 * 64 * segments_per_journal;  // the same of agents' streams

int64_t doubled(int64_t first, int times, int64_t most) { return std::min(first << std::min(times, 20), most); }

Options sane(Options options) {
  const auto at_most = [&](uint64_t& bound, uint64_t sixteenths) {
    bound = std::min(bound, options.memory_max_bytes / 16 * sixteenths);
  };
  at_most(options.in_flight_max_bytes, 4);
  at_most(options.waiting_max_bytes, 6);
  at_most(options.tee_max_bytes, 1);
  at_most(options.cut_max_bytes, 3);  // its blocks take a third of that
  options.segment_bytes = std::min(options.segment_bytes, options.journal_max_bytes / segments_per_journal + 1);
  options.retry_window_max_entries =
      std::min(options.retry_window_max_entries, options.journal_max_bytes / journal_bytes_per_seen + 1);
  options.agent_streams_max =
      std::min(options.agent_streams_max, options.journal_max_bytes / journal_bytes_per_stream + 1);
  return options;
}

}  // namespace

Ingest::Parts::Parts(Options chosen, Outside given)
    : options(sane(std::move(chosen))),
      outside(std::move(given)),
      quarantine(options.data_directory + "/quarantine", options.quarantine_max_bytes, outside.disk, outside.clock),
      memory(options.memory_max_bytes),
      admission({options.in_flight_max_bytes, options.in_flight_max_requests, options.journal_max_bytes}),
      window(options.retry_window_ms, options.retry_window_max_entries),
      shipments(options.agent_streams_max),
      backlog({options.cut_max_rows, options.cut_max_bytes, options.cut_max_age_ms, options.waiting_max_bytes},
              admission),
      tee_queue(options.tee_max_batches) {}

// Batches take three times the memory of their blocks: with theirs gone, more of what waits need not be decoded again.
Delivery Ingest::Parts::new_delivery() {
  return Delivery({*journal, outside.sink, quarantine, memory, outside.decode, [this](Cut& cut) {
                     std::vector<Pending> released;
                     const std::lock_guard lock(mutex);
                     released = backlog.release_batches(cut);
                   }});
}

Status Ingest::Parts::open() {
  HS_TRY(outside.disk.make_directories(options.data_directory));
  HS_TRY(quarantine.open());
  const auto visit = [this](const SegmentReader::Record& record, Location at) { restore(record, at); };
  HS_ASSIGN(journal, Journal::open({options.data_directory + "/journal", options.data_directory + "/quarantine",
                                    options.segment_bytes},
                                   outside.disk, outside.clock, outside.random, visit, report));
  journal->set_snapshot([this] {
    const std::lock_guard lock(mutex);
    return std::vector<std::pair<RecordType, std::string>>{{RecordType::seen, window.snapshot(outside.clock.wall())},
                                                           {RecordType::shipments, shipments.snapshot()}};
  });
  replay_through = flush_through = last_durable;
  release_due = true;
  cranked.emplace(new_delivery());
  log::info("ingest: journal read", {{"segments", report.segments},
                                     {"records", report.records},
                                     {"torn_tails", report.torn_tails},
                                     {"corrupt_segments", report.corrupt_segments},
                                     {"closed_in_order", report.closed_in_order},
                                     {"undelivered_rows", backlog.rows()},
                                     {"undelivered_cuts", backlog.cuts()}});
  return {};
}

// While the journal is read; no other thread is there yet. A record whose checksum is right but whose content is not
// was written by us so: it cannot be delivered, the sender's cut counts it as missing.
void Ingest::Parts::restore(const SegmentReader::Record& record, Location at) {
  switch (record.header.type) {
    case RecordType::request:
      return restore_request(record, at);
    case RecordType::cut:
      if (const auto range = parse_cut(record.payload))
        backlog.cut(record.header.sequence, *range, true, outside.clock.mono());
      return;
    case RecordType::done:
      if (const auto cuts = parse_done(record.payload))
        for (const uint64_t cut : *cuts) backlog.finish(cut);
      return;
    case RecordType::decided:
      if (const auto cut = parse_decided_cut(record.payload)) backlog.decide(*cut, std::string(record.payload));
      return;
    case RecordType::seen:
      if (const auto seen = parse_seen(record.payload))
        for (const SeenRequest& s : *seen) window.restore(s);
      return;
    case RecordType::shipments:
      return shipments.restore(record.payload);
    case RecordType::end:
      return;
  }
}

void Ingest::Parts::restore_request(const SegmentReader::Record& record, Location at) {
  const auto request = parse_request(record.payload);
  Pending pending;
  pending.sequence = last_durable = record.header.sequence;
  pending.at = at;
  pending.journal_bytes = record_bytes(record.header.length);
  pending.born = outside.clock.mono();
  if (request) {
    const Incoming& incoming = request->incoming;
    if (incoming.shipment.known())
      shipments.add(incoming.tenant, incoming.shipment, incoming.received_at);
    else
      window.restore({request_hash(incoming), incoming.received_at});
    pending.rows = request->rows;
    pending.memory_bytes = request->memory_bytes;
    pending.received_at = request->incoming.received_at;
    pending.tenant = request->incoming.tenant;
    pending.held = request->incoming.held;
  }
  pending.account = &admission.account(pending.tenant);
  backlog.add(std::move(pending));
}

bool Ingest::Parts::send_once(Delivery& delivery) {
  {
    const std::lock_guard lock(mutex);
    const MonoNanos now = outside.clock.mono();
    if (now < engine_gate) return false;
    if (!delivery.busy()) {
      auto cut = backlog.take(now);
      if (!cut) return false;
      delivery.start(std::move(cut));
    }
  }
  const Delivery::Outcome outcome = delivery.attempt();
  const std::lock_guard lock(mutex);
  const MonoNanos now = outside.clock.mono();
  Cut& cut = delivery.cut();
  if (outcome == Delivery::Outcome::done) {
    if (done_cuts.empty()) done_since = now;
    done_cuts.push_back(cut.id);
    backlog.finish(cut.id);
    delivery.drop();
    if (engine_failures > 0) log::info("ingest: the engine answers again", {{"failures", engine_failures}});
    engine_failures = 0;
    release_due = true;
    poke_commit();
    return true;
  }
  if (outcome == Delivery::Outcome::no_room) {  // another delivery gives some back
    backlog.give_back(cut, now + engine_wait_min_ms * nanos_per_ms);
    delivery.drop();
    return true;
  }
  const bool away = outcome == Delivery::Outcome::engine_away;
  const int failures = away ? engine_failures : cut.attempts;
  if (!stopping && std::has_single_bit(static_cast<unsigned>(failures) + 1))  // the 1st, 2nd, 4th, 8th ... time
    log::warn(away ? "ingest: the engine does not answer" : "ingest: a delivery must be repeated",
              {{"cut", cut.id}, {"failures", failures + 1}, {"error", delivery.error().message}});
  if (away) {
    engine_gate = now + doubled(engine_wait_min_ms, engine_failures++, engine_wait_max_ms) * nanos_per_ms;
    return true;
  }
  backlog.give_back(cut, now + doubled(cut_wait_min_ms, cut.attempts++, cut_wait_max_ms) * nanos_per_ms);
  delivery.drop();
  return true;
}

bool Ingest::Parts::tee_once(int64_t wait_ms) {
  auto item = tee_queue.pop_for(wait_ms);
  if (!item) return false;
  tee_bytes -= item->bytes;
  outside.tee(std::move(item->batch), item->incoming);
  return true;
}

void Ingest::Parts::commit_loop() {
  for (;;) {
    if (commit_once()) continue;
    std::unique_lock lock(mutex);
    if (stopping) return;
    if (commit_poked) continue;
    // The next cut by age is at most that far away; everything else notifies.
    const int64_t wait_ms = backlog.has_uncut() ? std::clamp<int64_t>(options.cut_max_age_ms / 4, 5, 250) : idle_ms;
    commit_wanted.wait_for(lock, std::chrono::milliseconds(wait_ms));
  }
}

void Ingest::Parts::send_loop() {
  Delivery delivery = new_delivery();
  for (;;) {
    {
      const std::lock_guard lock(mutex);
      if (stopping) return;
    }
    if (send_once(delivery)) continue;
    std::unique_lock lock(mutex);
    if (stopping) return;
    const bool work = delivery.busy() || backlog.cuts() > 0;
    send_wanted.wait_for(lock, std::chrono::milliseconds(work ? engine_wait_min_ms : idle_ms));
  }
}

void Ingest::Parts::tee_loop() {
  while (tee_once(idle_ms) || !tee_queue.closed()) {
  }
}

void Ingest::Parts::start_threads() {
  if (options.sender_threads == 0) return;
  threads.emplace_back([this] { commit_loop(); });
  for (int i = 0; i < options.sender_threads; ++i) threads.emplace_back([this] { send_loop(); });
  if (outside.tee) threads.emplace_back([this] { tee_loop(); });
  if (outside.sampler != nullptr) threads.emplace_back([this] { hold_loop(); });
}

void Ingest::Parts::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  commit_wanted.notify_all();
  send_wanted.notify_all();
  hold_wanted.notify_all();
  tee_queue.close();
  outside.sink.stop();  // what is under way may have arrived: the next life asks
  for (std::thread& thread : threads) thread.join();
  while (commit_once()) {
  }
  journal->close();
}

Health Ingest::Parts::health() {
  const std::lock_guard lock(mutex);
  Health health;
  health.accepting = refusal.empty() && !stopping;
  health.reason = stopping ? "stopping" : refusal;
  health.engine_answers = engine_failures == 0;
  health.journal_bytes = journal->bytes();
  health.journal_segments = journal->segments();
  health.in_flight_bytes = admission.in_flight_bytes();
  health.in_flight_requests = admission.in_flight_requests();
  health.memory_bytes = memory.used();
  health.waiting_cuts = backlog.cuts();
  health.waiting_rows = backlog.rows();
  health.waiting_memory_bytes = backlog.memory_bytes();
  health.held_rows = backlog.undecided_rows();
  health.held_bytes = backlog.undecided_bytes();
  if (const auto oldest = backlog.oldest())
    health.oldest_waiting_ms = std::max<int64_t>(0, outside.clock.wall() - *oldest) / nanos_per_ms;
  health.replaying = backlog.lowest_needed() <= replay_through;
  health.quarantined_blocks = quarantine.blocks();
  health.quarantined_requests = quarantine.requests();
  health.corrupt_segments = report.corrupt_segments;
  return health;
}

Result<std::unique_ptr<Ingest>> Ingest::open(Options options, Outside outside) {
  auto parts = std::make_unique<Parts>(std::move(options), std::move(outside));
  HS_TRY(parts->open());
  parts->start_threads();
  return std::unique_ptr<Ingest>(new Ingest(std::move(parts)));
}

Ingest::Ingest(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Ingest::~Ingest() { parts_->stop(); }

void Ingest::append(Incoming incoming, model::Batch batch, Done done) {
  parts_->append(std::move(incoming), std::move(batch), std::move(done));
}
Status Ingest::has_room(const Incoming& incoming) const { return parts_->has_room(incoming); }
void Ingest::flush(int64_t timeout_ms, Done done) { parts_->flush(timeout_ms, std::move(done)); }
Health Ingest::health() const { return parts_->health(); }
std::vector<HeldBatch> Ingest::held(const std::string& tenant) const { return parts_->held(tenant); }

bool Ingest::turn(Crank crank) {
  switch (crank) {
    case Crank::commit:
      return parts_->commit_once();
    case Crank::send:
      return parts_->send_once(*parts_->cranked);
    case Crank::tee:
      return parts_->tee_once(0);
    case Crank::hold:
      return parts_->hold_once();
  }
  return false;
}

}  // namespace hs::ingest
