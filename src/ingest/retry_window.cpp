#include "ingest/retry_window.h"

#include "base/metrics.h"

namespace hs::ingest {
namespace {

metrics::Counter& forgotten_early() {
  static metrics::Counter counter("homeostat_ingest_retry_window_forgotten_total",
                                  "Requests whose retries are no longer recognised because the table was full.");
  return counter;
}

}  // namespace

void RetryWindow::expire(UnixNanos now) {
  while (!order_.empty()) {
    const SeenRequest& oldest = order_.front();
    const bool old = oldest.at < now - window_ns_;
    if (!old && order_.size() <= max_) return;
    const auto found = durable_.find(oldest.hash);
    if (found != durable_.end() && found->second == oldest.at) {
      durable_.erase(found);
      if (!old) forgotten_early().add();
    }
    order_.pop_front();
  }
}

RetryWindow::Seen RetryWindow::find(const Hash128& hash, UnixNanos now) {
  expire(now);
  if (flights_.contains(hash)) return Seen::in_flight;
  return durable_.contains(hash) ? Seen::durable : Seen::never;
}

void RetryWindow::wait(const Hash128& hash, Done done) {
  flights_[hash].push_back(std::move(done));
  ++waiting_;
}

std::vector<RetryWindow::Done> RetryWindow::settle(const Hash128& hash, bool durable, UnixNanos at) {
  std::vector<Done> waiting;
  if (const auto flight = flights_.find(hash); flight != flights_.end()) {
    waiting = std::move(flight->second);
    flights_.erase(flight);
    waiting_ -= waiting.size();
  }
  if (durable) restore({hash, at});
  return waiting;
}

void RetryWindow::restore(const SeenRequest& seen) {
  const auto [entry, is_new] = durable_.try_emplace(seen.hash, seen.at);
  if (!is_new && entry->second == seen.at) return;
  entry->second = seen.at;
  order_.push_back(seen);
  if (order_.size() > max_) expire(seen.at);
}

std::string RetryWindow::snapshot(UnixNanos now) {
  expire(now);
  std::vector<SeenRequest> seen;
  seen.reserve(durable_.size());
  for (const SeenRequest& entry : order_) {
    const auto found = durable_.find(entry.hash);
    if (found != durable_.end() && found->second == entry.at) seen.push_back(entry);
  }
  return encode_seen(seen);
}

}  // namespace hs::ingest
