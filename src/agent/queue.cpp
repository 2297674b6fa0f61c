#include "agent/queue.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"

namespace hs::agent {
namespace {

constexpr int64_t retry_soon_ms = 1'000;    // the disk is asked again each second
constexpr int64_t retry_full_ms = 10'000;   // a full queue empties at the speed of the network
constexpr uint64_t segments_at_least = 16;  // room comes back a segment at a time
constexpr uint64_t segment_max_bytes = 16ULL << 20;

struct Metrics {
  metrics::Counter accepted{"homeostat_agent_accepted_requests_total", "Requests that are durable in the queue."};
  metrics::Counter retries{"homeostat_agent_retries_recognised_total",
                           "Requests whose bytes are in the queue already."};
  metrics::Counter full{"homeostat_agent_refused_requests_total", "Requests refused; senders are told to retry.",
                        R"(reason="queue_full")"};
  metrics::Counter busy{"homeostat_agent_refused_requests_total", "Requests refused; senders are told to retry.",
                        R"(reason="busy")"};
  metrics::Counter disk{"homeostat_agent_refused_requests_total", "Requests refused; senders are told to retry.",
                        R"(reason="disk")"};
  metrics::Counter unreadable{"homeostat_agent_unreadable_requests_total",
                              "Requests in the queue that this version cannot read; they are left out."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

Hash128 draw(io::Random& random) {
  const uint64_t high = random.next();
  return {high, random.next()};
}

}  // namespace

Queue::Queue(QueueOptions options, io::Disk& disk, io::Clock& clock, io::Random& random)
    : options_(std::move(options)),
      disk_(disk),
      clock_(clock),
      stream_(draw(random)),
      retries_(options_.retry_window_ms, options_.retry_window_max_entries) {}

Result<std::unique_ptr<Queue>> Queue::open(QueueOptions options, io::Disk& disk, io::Clock& clock, io::Random& random) {
  std::unique_ptr<Queue> queue(new Queue(std::move(options), disk, clock, random));
  const QueueOptions& o = queue->options_;
  ingest::JournalReport report;
  const auto visit = [&](const ingest::SegmentReader::Record& record, ingest::Location) { queue->restore(record); };
  HS_ASSIGN(queue->journal_, ingest::Journal::open({o.directory + "/queue", o.directory + "/quarantine",
                                                    std::min(segment_max_bytes, o.max_bytes / segments_at_least + 1)},
                                                   disk, clock, random, visit, report));
  queue->last_taken_ = queue->found_oldest_ - 1;
  queue->journal_->set_snapshot([q = queue.get()] {
    const std::lock_guard lock(q->mutex_);
    return std::vector<std::pair<ingest::RecordType, std::string>>{
        {ingest::RecordType::seen, q->retries_.snapshot(q->clock_.wall())}};
  });
  queue->cursor_ = std::make_unique<ingest::JournalCursor>(*queue->journal_, disk);
  log::info("agent: queue read", {{"segments", report.segments},
                                  {"bytes", queue->journal_->bytes()},
                                  {"requests", queue->next_number_ - queue->found_oldest_ - queue->found_.size()},
                                  {"torn_tails", report.torn_tails},
                                  {"corrupt_segments", report.corrupt_segments},
                                  {"closed_in_order", report.closed_in_order}});
  if (o.thread) queue->thread_ = std::jthread([q = queue.get()](const std::stop_token& stop) { q->run(stop); });
  return queue;
}

Queue::~Queue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  thread_ = {};
  while (journal_ && commit_once()) {
  }
  if (journal_) journal_->close();
}

// While the journal is read: nothing else runs yet.
void Queue::restore(const ingest::SegmentReader::Record& record) {
  using ingest::RecordType;
  if (record.header.type == RecordType::request) {
    const auto item = parse_item(record.payload);
    if (!item) return;
    retries_.restore({item->hash, item->received_at});
    next_number_ = std::max(next_number_, item->number + 1);
  } else if (record.header.type == RecordType::seen) {
    if (const auto seen = ingest::parse_seen(record.payload))
      for (const ingest::SeenRequest& one : *seen) retries_.restore(one);
  } else if (record.header.type == RecordType::done) {
    const auto note = ingest::parse_done(record.payload);
    if (!note || note->empty()) return;
    found_oldest_ = note->front();
    found_ = {note->begin() + 1, note->end()};
    next_number_ = std::max(next_number_, found_.empty() ? found_oldest_ : *found_.rbegin() + 1);
  }
}

Status Queue::admit(const Item& item) {
  if (stopping_ || !refusal_.empty()) {
    counters().disk.add();
    return fail(Code::unavailable, stopping_ ? "the agent is stopping" : refusal_, retry_soon_ms);
  }
  if (waiting_bytes_ > 0 && waiting_bytes_ + item.body.size() > options_.waiting_max_bytes) {
    counters().busy.add();
    return fail(Code::resource_exhausted, "the agent's disk is slower than what comes in", retry_soon_ms);
  }
  if (journal_->bytes() + waiting_bytes_ + item.body.size() > options_.max_bytes) {
    counters().full.add();
    return fail(Code::resource_exhausted,
                fmt::format("the agent's queue is full: {} bytes (agent.queue.max_bytes)", options_.max_bytes),
                retry_full_ms);
  }
  return {};
}

void Queue::append(Item item, Done done) {
  Status verdict;  // durable already: ok
  {
    const std::lock_guard lock(mutex_);
    const auto seen = retries_.find(item.hash, clock_.wall());
    if (seen != ingest::RetryWindow::Seen::never) counters().retries.add();
    if (seen == ingest::RetryWindow::Seen::in_flight && retries_.waiting() < options_.retry_window_max_entries)
      return retries_.wait(item.hash, std::move(done));
    if (seen == ingest::RetryWindow::Seen::in_flight)
      verdict = fail(Code::resource_exhausted, "the same request is being written already", retry_soon_ms);
    if (seen == ingest::RetryWindow::Seen::never) verdict = admit(item);
    if (seen == ingest::RetryWindow::Seen::never && verdict) {
      retries_.begin(item.hash);
      waiting_bytes_ += item.body.size();
      waiting_.push_back({std::move(item), std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  done(std::move(verdict));
}

void Queue::check_space(MonoNanos now) {
  if (space_checked_at_ != 0 && now < space_checked_at_ + nanos_per_s) return;
  space_checked_at_ = now;
  const auto free = disk_.free_bytes(options_.directory);
  const std::string was = std::exchange(refusal_, "");
  if (journal_->failed())
    refusal_ = "the agent's queue cannot be written (see its log)";
  else if (free && *free < options_.min_free_bytes)
    refusal_ = "the agent's disk is nearly full (agent.queue.min_free)";
  if (refusal_ == was) return;
  if (refusal_.empty())
    log::info("agent: requests are taken again");
  else
    log::error("agent: requests are refused", {{"why", refusal_}});
}

bool Queue::has_housekeeping(MonoNanos now) const {
  const bool note = settled_unnoted_ && (stopping_ || now >= noted_at_ + nanos_per_s);
  return note || (journal_->failed() && now >= heal_at_);
}

uint64_t Queue::oldest_locked() const { return taken_.empty() ? last_taken_ + 1 : taken_.begin()->first; }

// The oldest number that is not settled, then those beyond it that are.
std::vector<uint64_t> Queue::settled_note() const {
  std::vector<uint64_t> note = {oldest_locked()};
  for (uint64_t number = note.front() + 1; number <= last_taken_; ++number)
    if (!taken_.contains(number)) note.push_back(number);
  for (auto one = found_.upper_bound(last_taken_); one != found_.end(); ++one) note.push_back(*one);
  return note;
}

// Under the lock. False: nothing to do.
bool Queue::collect(Group& group) {
  const MonoNanos now = clock_.mono();
  check_space(now);
  if (waiting_.empty() && !has_housekeeping(now)) return false;
  uint64_t bytes = 0;
  while (!waiting_.empty() && (group.requests.empty() || bytes < options_.group_max_bytes)) {
    bytes += waiting_.front().item.body.size();
    group.requests.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  group.first = next_number_;
  group.give_up = journal_->failed() && now < heal_at_;
  if (!group.give_up && std::exchange(settled_unnoted_, false)) group.done_note = ingest::encode_done(settled_note());
  return true;
}

Status Queue::write(Group& group) {
  if (group.give_up) return fail(Code::unavailable, "the last write failed less than a second ago");
  HS_TRY(journal_->begin());
  if (!group.done_note.empty()) journal_->add(ingest::RecordType::done, group.done_note);
  uint64_t number = group.first;
  for (Owed& owed : group.requests) {
    owed.item.stream = stream_;
    owed.item.number = number++;
    const std::string prefix = encode_prefix(owed.item);
    journal_->add(ingest::RecordType::request, prefix, owed.item.body, crc32c(owed.item.body, crc32c(prefix)));
  }
  return journal_->commit();
}

void Queue::settle_group(Group& group, const Status& written) {
  std::vector<std::pair<Done, Status>> answers;
  Status verdict = written;
  if (!verdict)
    verdict =
        fail(Code::unavailable, "the agent's queue could not be written: " + written.error().message, retry_soon_ms);
  {
    const std::lock_guard lock(mutex_);
    const MonoNanos now = clock_.mono();
    for (Owed& owed : group.requests) {
      waiting_bytes_ -= owed.item.body.size();
      for (Done& same : retries_.settle(owed.item.hash, written.has_value(), clock_.wall()))
        answers.emplace_back(std::move(same), verdict);
      answers.emplace_back(std::move(owed.done), verdict);
    }
    if (written) {
      next_number_ += group.requests.size();
      counters().accepted.add(group.requests.size());
      if (!group.done_note.empty()) noted_at_ = now;
      ++ticket_;
      if (!refusal_.empty()) space_checked_at_ = 0, check_space(now);  // it may be over
    } else {
      settled_unnoted_ |= !group.done_note.empty();
      if (!group.give_up) heal_at_ = now + nanos_per_s;
      space_checked_at_ = 0;
      check_space(now);
    }
  }
  for (auto& [done, status] : answers) done(std::move(status));
  if (written) work_.notify_all();
}

bool Queue::commit_once() {
  Group group;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    if (!collect(group)) return false;
    stopping = stopping_;
  }
  const Status written = write(group);
  settle_group(group, written);
  if (!written) return !stopping;  // at the end a disk that fails is not tried for ever
  uint64_t needed = 0;
  {
    const std::lock_guard lock(mutex_);
    needed = taken_.empty() ? last_sequence_ + 1 : taken_.begin()->second.sequence;
  }
  journal_->release(needed);
  return true;
}

void Queue::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (commit_once()) continue;
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, std::chrono::seconds(1), [this] { return !waiting_.empty(); });
  }
}

Result<std::optional<Item>> Queue::take() {
  const std::lock_guard reading(cursor_mutex_);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (last_taken_ + 1 >= oldest_locked() + window) return std::nullopt;
    }
    HS_ASSIGN(const auto record, cursor_->next());
    if (!record) return std::nullopt;
    auto item = parse_item(record->payload);
    const std::lock_guard lock(mutex_);
    last_sequence_ = record->header.sequence;
    if (!item) {
      counters().unreadable.add();
      log::error("agent: a request of the queue is left out", {{"why", item.error().message}});
      continue;
    }
    last_taken_ = std::max(last_taken_, item->number);
    if (item->number < found_oldest_ || found_.erase(item->number) > 0) continue;
    taken_[item->number] = {last_sequence_, item->received_at};
    return std::optional(std::move(*item));
  }
}

void Queue::settle(uint64_t number) {
  const std::lock_guard lock(mutex_);
  taken_.erase(number);
  settled_unnoted_ = true;
  ++ticket_;
  work_.notify_all();  // the window may have room again
}

uint64_t Queue::oldest() {
  const std::lock_guard lock(mutex_);
  return oldest_locked();
}

uint64_t Queue::ticket() {
  const std::lock_guard lock(mutex_);
  return ticket_;
}

void Queue::wait_for_work(uint64_t ticket, const std::stop_token& stop, int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  work_.wait_for(lock, stop, std::chrono::milliseconds(wait_ms), [&] { return ticket_ != ticket; });
}

QueueHealth Queue::health() {
  const std::lock_guard lock(mutex_);
  QueueHealth health;
  health.accepting = refusal_.empty() && !stopping_;
  health.reason = stopping_ ? "stopping" : refusal_;
  health.bytes = journal_->bytes();
  health.requests = next_number_ - last_taken_ - 1 - found_.size() + taken_.size();
  if (!taken_.empty())
    health.oldest_ms = std::max<int64_t>(0, clock_.wall() - taken_.begin()->second.received_at) / nanos_per_ms;
  return health;
}

}  // namespace hs::agent
