#pragma once
// Sends what is in the queue, oldest first, until the receiver has it: OTLP/HTTP.

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/queue.h"
#include "agent/verdict.h"
#include "io/clock.h"
#include "io/http.h"
#include "io/random.h"

namespace hs::agent {

struct ForwardOptions {
  io::Endpoint to;
  std::string path;       // before /v1/traces; "" or "/otlp"
  http::Headers headers;  // of every request
  int connections = 2;    // requests under way; below Queue::window
  int64_t timeout_ms = 30'000;
  int64_t backoff_max_ms = 60'000;
};

// The address of a receiver: "http://host:4318", "https://host/otlp", "unix:/path". Errors name the setting.
struct Destination {
  io::Endpoint endpoint;
  std::string path;
  bool https = false;
};
Result<Destination> parse_destination(std::string_view url);

struct ForwardState {
  std::string problem;  // why nothing goes out right now; "": it does, or there is nothing to send
  int64_t waits_ms = 0;
};

// What it uses outlives it. Destroying it ends requests under way: they are sent again in the next life.
class Forwarder {
 public:
  Forwarder(ForwardOptions options, Queue& queue, io::Http& http, io::Clock& clock, io::Random& random);
  ForwardState state();

 private:
  void run(const std::stop_token& stop);
  void deliver(const Item& item, const std::stop_token& stop);
  Verdict attempt(const Item& item, const std::stop_token& stop);
  bool settled(const Item& item, const Verdict& verdict, int attempts);
  void back_off(const Verdict& verdict, MonoNanos began);
  bool wait_for_gate(const std::stop_token& stop);

  const ForwardOptions options_;
  Queue& queue_;
  io::Http& http_;
  io::Clock& clock_;
  io::Random& random_;

  std::mutex mutex_;  // guards what follows
  std::condition_variable_any wake_;
  MonoNanos gate_ = 0;  // nothing is sent before: what one thread was told holds for all
  int failures_ = 0;    // in a row
  std::string problem_;

  std::vector<std::jthread> threads_;  // last: they stop first
};

}  // namespace hs::agent
