#pragma once
// Experiments that this process runs for whoever asks over HTTP (docs/api.md). One at a time: two would disturb each
// other's steady state.
//
//   POST   /v1/chaos/experiments        the experiment; 201 {"id", "status": "running"}, 409 while another one runs
//   GET    /v1/chaos/experiments        {"experiments": [{"id", "title", "status", "started", "ended"}]}, newest first
//   GET    /v1/chaos/experiments/{id}   the same with "lines" and, once it has ended, "journal" (Chaos Toolkit's form)
//   DELETE /v1/chaos/experiments/{id}   asks it to stop: it rolls back and ends as "interrupted"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/http_message.h"
#include "chaos/experiment.h"
#include "chaos/faults.h"
#include "io/clock.h"
#include "io/http.h"

namespace hs::chaos {

inline constexpr size_t experiments_kept_max = 20;  // results; a journal has up to some megabytes
inline constexpr size_t lines_kept_max = 500;       // of what one says while it runs

// Thread-safe.
class Experiments {
 public:
  // `hosts`: chaos.hosts, asked at each start. All references outlive it.
  Experiments(io::Http& http, io::Clock& clock, Faults& faults, std::function<std::vector<std::string>()> hosts);
  // Asks the running one to stop and waits for its rollbacks, `rollbacks_ms` at most; then its HTTP calls are cut off
  // (its faults are cleared in every case).
  ~Experiments();
  static constexpr int64_t rollbacks_ms = 500;  // a part of the time that serve has to stop in

  // The id. invalid_argument: what is wrong with it; conflict: another one runs. Text from outside never reads this
  // process's environment: variables of type env are refused.
  Result<std::string> start(std::string_view text);
  Status stop(std::string_view id);
  json::Json list() const;
  Result<json::Json> find(std::string_view id) const;

 private:
  struct Entry {
    std::string id, title, status = "running";
    UnixNanos started = 0, ended = 0;
    std::vector<std::string> lines;
    json::Json journal;
  };
  void run_one(const Experiment& experiment, const std::string& id, const std::stop_token& stop);
  Entry* entry(std::string_view id);
  static json::Json summary(const Entry& entry);

  io::Http& http_;
  io::Clock& clock_;
  Faults& faults_;
  const std::function<std::vector<std::string>()> hosts_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Entry> entries_;  // the oldest first
  uint64_t ids_ = 0;
  bool running_ = false;
  std::stop_source cut_off_;
  std::jthread thread_;  // last: stops first
};

// POST and DELETE are control: the guard wants the operator's token. Refused while `enabled` says no.
http::Routes routes(Experiments& experiments, std::function<bool()> enabled);

}  // namespace hs::chaos
