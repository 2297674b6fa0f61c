// The commit thread: everything that waits becomes one write and one fdatasync, then the answers go out.

#include <algorithm>

#include "base/log.h"
#include "base/metrics.h"
#include "ingest/parts.h"

namespace hs::ingest {
namespace {

constexpr int64_t heal_interval_ns = nanos_per_s;   // a disk that failed is tried again this often
constexpr int64_t space_interval_ns = nanos_per_s;  // one statvfs
constexpr int64_t done_interval_ns = nanos_per_s;   // delivered cuts are noted with the next group, or after this

struct Metrics {
  metrics::Counter traces{"homeostat_ingest_requests_total", "Requests made durable.", R"(signal="traces")"};
  metrics::Counter metrics{"homeostat_ingest_requests_total", "Requests made durable.", R"(signal="metrics")"};
  metrics::Counter logs{"homeostat_ingest_requests_total", "Requests made durable.", R"(signal="logs")"};
  metrics::Counter rows{"homeostat_ingest_rows_total", "Spans, points and log records made durable."};
  metrics::Counter failed{"homeostat_ingest_requests_failed_total", "Requests whose write failed; senders retry."};
  metrics::Counter shed{"homeostat_ingest_tee_shed_total", "Batches that the stream was too slow for."};
  metrics::Gauge journal_bytes{"homeostat_journal_bytes", "Journal on disk."};
  metrics::Gauge waiting_cuts{"homeostat_ingest_waiting_cuts", "Deliveries that the engine does not have yet."};
  metrics::Gauge waiting_rows{"homeostat_ingest_waiting_rows", "Rows that the engine does not have yet."};
  metrics::Counter& requests(model::Signal signal) {
    return signal == model::Signal::traces ? traces : signal == model::Signal::metrics ? metrics : logs;
  }
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

}  // namespace

bool Ingest::Parts::has_housekeeping(MonoNanos now) const {
  const bool heal = journal->failed() && now >= heal_at;
  const bool note = !done_cuts.empty() && (now - done_since >= done_interval_ns || stopping);
  return heal || note || release_due || !decided.empty() || backlog.cut_is_due(false, now, flush_through) ||
         backlog.cut_is_due(true, now, flush_through);
}

void Ingest::Parts::check_space(MonoNanos now) {
  if (now < space_checked_at + space_interval_ns && space_checked_at != 0) return;
  space_checked_at = now;
  const auto free = outside.disk.free_bytes(options.data_directory);
  const bool low = free && *free < options.min_free_bytes;
  const std::string was = refusal;
  refusal = journal->failed() ? "the journal cannot be written (see the log)"
            : low             ? "the disk is nearly full (journal.min_free)"
                              : "";
  if (refusal != was && refusal.empty()) log::info("ingest: requests are taken again");
  if (refusal != was && !refusal.empty()) log::error("ingest: requests are refused", {{"why", refusal}});
}

// Under the lock. False: nothing to write.
bool Ingest::Parts::take_group(Group& group, MonoNanos now) {
  if (queue.empty() && !has_housekeeping(now)) return false;
  uint64_t bytes = 0;
  while (!queue.empty() && (group.requests.empty() || bytes < options.group_max_bytes)) {
    bytes += queue.front().incoming.body.size();
    group.requests.push_back(std::move(queue.front()));
    queue.pop_front();
  }
  group.done = std::exchange(done_cuts, {});
  group.decided = std::exchange(decided, {});
  group.cut_rest = backlog.cut_is_due(false, now, flush_through);
  group.cut_held_rest = backlog.cut_is_due(true, now, flush_through);
  return true;
}

void Ingest::Parts::plan_cuts(Group& group, Planners planners, const std::vector<CutRange>& full) {
  const auto cut = [&](const CutRange& range) {
    group.cuts.emplace_back(journal->add(RecordType::cut, encode_cut(range)).sequence, range);
  };
  for (const CutRange& range : full) cut(range);
  for (size_t i = 0; i < group.requests.size(); ++i) {
    const Owed& owed = group.requests[i];
    Pending& pending = group.pending[i];
    const Journal::Place place = journal->add(RecordType::request, owed.prefix, owed.incoming.body, owed.payload_crc);
    pending.sequence = place.sequence;
    pending.at = place.at;
    CutPlanner& planner = pending.held ? planners.held : planners.prompt;
    if (const auto range = planner.add(place.sequence, pending.rows, pending.memory_bytes)) cut(*range);
  }
  const auto cut_rest = [&](CutPlanner& planner) {
    if (const auto range = planner.rest()) cut(*range);
  };
  if (group.cut_rest) cut_rest(planners.prompt);
  if (group.cut_held_rest) cut_rest(planners.held);
}

Status Ingest::Parts::write_group(Group& group) {
  HS_TRY(journal->begin());
  std::vector<CutRange> full;
  const Planners planners = [&] {
    const std::lock_guard lock(mutex);
    return Planners{backlog.planner(false, full), backlog.planner(true, full)};
  }();
  for (const Owed& owed : group.requests) {
    Pending& pending = group.pending.emplace_back();
    pending.rows = owed.rows;
    pending.memory_bytes = owed.batch_bytes;
    pending.journal_bytes = record_bytes(owed.prefix.size() + owed.incoming.body.size());
    pending.received_at = owed.incoming.received_at;
    pending.tenant = owed.incoming.tenant;
    pending.held = owed.incoming.held;
    pending.account = owed.account;
  }
  if (!group.done.empty()) journal->add(RecordType::done, encode_done(group.done));
  for (const CutVerdicts& verdicts : group.decided) journal->add(RecordType::decided, verdicts.payload);
  plan_cuts(group, planners, full);
  return journal->commit();
}

void Ingest::Parts::settle_request(Owed& owed, Pending pending, const Status& written, UnixNanos now,
                                   std::vector<std::pair<Done, Status>>& answers) {
  Status verdict = written;
  if (!verdict) verdict = fail(Code::unavailable, "the journal could not be written: " + written.error().message, 1000);
  const bool shipped = owed.incoming.shipment.known();
  if (shipped && written) shipments.add(owed.incoming.tenant, owed.incoming.shipment, now);
  for (Done& waiting : window.settle(owed.hash, written.has_value() && !shipped, now))
    answers.emplace_back(std::move(waiting), verdict);
  answers.emplace_back(std::move(owed.done), verdict);
  admission.leave(*owed.account, owed.ask);
  if (!written) return counters().failed.add();
  counters().requests(owed.incoming.signal).add();
  counters().rows.add(owed.rows);
  last_durable = pending.sequence;
  owed.incoming.body = {};
  owed.share.resize(owed.batch_bytes);
  const auto batch = share_batch(std::move(owed.batch), std::move(owed.share));
  pending.batch = batch;
  pending.born = outside.clock.mono();
  backlog.add(std::move(pending), held_bytes_max());
  if (outside.tee) show_stream({batch, std::move(owed.incoming), owed.batch_bytes});
}

// The stream may be behind, never in the way: it loses the oldest.
void Ingest::Parts::show_stream(Teed item) {
  tee_bytes += item.bytes;
  const auto shed_oldest = [&] {
    const auto oldest = tee_queue.pop_for(0);
    if (!oldest) return false;
    tee_bytes -= oldest->bytes;
    counters().shed.add();
    return true;
  };
  while ((tee_queue.size() >= options.tee_max_batches || tee_bytes > options.tee_max_bytes) && shed_oldest()) {
  }
  if (const uint64_t bytes = item.bytes; !tee_queue.try_push(std::move(item))) tee_bytes -= bytes;  // closed
}

std::vector<std::pair<Done, Status>> Ingest::Parts::settle_group(Group& group, const Status& written) {
  std::vector<std::pair<Done, Status>> answers;
  std::vector<Pending> released;  // destroyed without the lock
  const MonoNanos now = outside.clock.mono();
  const UnixNanos wall = outside.clock.wall();
  const std::lock_guard lock(mutex);
  group.pending.resize(group.requests.size());
  for (size_t i = 0; i < group.requests.size(); ++i)
    settle_request(group.requests[i], std::move(group.pending[i]), written, wall, answers);
  if (written) {
    for (const auto& [id, range] : group.cuts) backlog.cut(id, range, false, now);
    if (!refusal.empty()) space_checked_at = 0;  // it may be over
  } else {
    if (done_cuts.empty()) done_since = now;
    done_cuts.insert(done_cuts.end(), group.done.begin(), group.done.end());
    heal_at = now + heal_interval_ns;
    space_checked_at = 0;
  }
  settle_decided(group, written.has_value(), released);
  check_space(now);
  collect_flushes(now, answers);
  counters().journal_bytes.set(static_cast<int64_t>(journal->bytes()));
  counters().waiting_cuts.set(static_cast<int64_t>(backlog.cuts()));
  counters().waiting_rows.set(static_cast<int64_t>(backlog.rows()));
  return answers;
}

void Ingest::Parts::settle_decided(Group& group, bool written, std::vector<Pending>& released) {
  if (!written) {  // to be written with the next group
    std::move(group.decided.begin(), group.decided.end(), std::back_inserter(decided));
    return;
  }
  for (CutVerdicts& verdicts : group.decided) {
    std::vector<Pending> more = backlog.decide(verdicts.cut, std::move(verdicts.payload));
    std::move(more.begin(), more.end(), std::back_inserter(released));
  }
}

void Ingest::Parts::collect_flushes(MonoNanos now, std::vector<std::pair<Done, Status>>& answers) {
  const uint64_t needed = backlog.lowest_asked();
  std::erase_if(flushes, [&](Flush& flush) {
    Status status;
    if (needed <= flush.through && stopping)
      status = fail(Code::unavailable, "Homeostat is stopping");
    else if (needed <= flush.through && now >= flush.deadline)
      status = fail(Code::deadline_exceeded, "the engine has not taken everything yet");
    else if (needed <= flush.through)
      return false;
    answers.emplace_back(std::move(flush.done), std::move(status));
    return true;
  });
}

bool Ingest::Parts::commit_once() {
  Group group;
  uint64_t needed = 0;
  bool release = false;
  bool wait = false;
  bool work = false;
  std::vector<std::pair<Done, Status>> answers;
  {
    const std::lock_guard lock(mutex);
    const MonoNanos now = outside.clock.mono();
    check_space(now);
    collect_flushes(now, answers);
    commit_poked = false;
    wait = journal->failed() && now < heal_at;
    work = (!wait || !queue.empty()) && take_group(group, now);
    if (!work && answers.empty()) return false;
    release = work && !wait && std::exchange(release_due, false);
  }
  answer(answers);
  if (!work) return true;
  const Status written =
      wait ? fail(Code::unavailable, "the last write failed less than a second ago") : write_group(group);
  answers = settle_group(group, written);
  answer(answers);
  if (release) {
    const std::lock_guard lock(mutex);
    needed = backlog.lowest_needed();
  }
  if (release) journal->release(needed);
  if (!group.cuts.empty() || !group.decided.empty()) send_wanted.notify_all();
  if (!group.cuts.empty() && outside.sampler != nullptr) hold_wanted.notify_all();
  return true;
}

}  // namespace hs::ingest
