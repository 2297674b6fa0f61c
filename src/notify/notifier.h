#pragma once
// Tells alerts to Alertmanagers and webhooks over HTTP: one thread for each receiver, so that one that hangs holds up
// no other. What a receiver did not take waits in its outbox (bounded) and is tried again.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "io/clock.h"
#include "io/http.h"
#include "notify/outbox.h"

namespace hs::notify {

struct Settings {
  std::vector<std::string> alertmanagers;  // http://host:port[/prefix]; /api/v2/alerts is added
  std::vector<std::string> webhooks;       // URLs
  Origin origin;
  Grouping grouping;

  bool operator==(const Settings& other) const;
};

// An error when a URL cannot be used; it names it.
Status check(const Settings& settings);

class Notifier {
 public:
  static constexpr int64_t timeout_ms = 10'000;                          // of a request, as Prometheus
  static constexpr int64_t pause_min_ms = 1'000, pause_max_ms = 30'000;  // after a receiver was not reached

  // `http` and `clock` outlive it.
  Notifier(io::Http& http, io::Clock& clock);
  ~Notifier();  // ends requests under way; what was not told is told again by the next process's rules

  // Other settings make new, empty outboxes: the rules tell again within rules' resend delay. `checked` before.
  void configure(const Settings& checked);
  void add(const std::vector<rules::Note>& notes);
  std::vector<std::string> alertmanagers() const;  // where they are posted to
  void metrics(std::vector<metrics::Sample>& out) const;

 private:
  class Receiver;
  io::Http& http_;
  io::Clock& clock_;
  mutable std::mutex mutex_;
  Settings settings_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
};

}  // namespace hs::notify
