#pragma once
// The loop over HTTP: what it sees and does, and a human's word to it (docs/api.md).
//
//   GET  /v1/incidents ?limit ?cursor ?state      POST /v1/stop            {"who", "why"}
//   GET  /v1/incidents/{id}                       POST /v1/resume          {"who", "why"}
//   GET  /v1/changes ?limit ?cursor ?state        POST /v1/knobs/reset     {"key" (or all), "who", "why"}
//   GET  /v1/knobs  /v1/kpis  /v1/objectives      POST /v1/changes/told    {"service", "kind", "detail", "at"}
//   GET  /v1/status                               GET  /v1/ledger ?limit ?cursor, /v1/ledger/head
//
// POSTs need the operator's token: the guard (security/) sees to that.

#include <functional>
#include <string>

#include "api/loop/snapshot.h"
#include "base/http_message.h"
#include "ledger/ledger.h"

namespace hs::api::loop {

enum class OrderKind : uint8_t {
  stop,         // no more changes; what is in flight is reverted
  resume,       //
  reset_knobs,  // `knob` (or all, when "") back to the base, promoted values included
  told_change,  // somebody deployed, restarted or configured something
};

struct Order {
  OrderKind kind = OrderKind::stop;
  std::string who, why;    // at most text_bytes_max each, printable
  std::string credential;  // who really asked, as the guard knows them
  std::string knob;
  std::string service, change_kind, detail;  // told_change; change_kind: deploy | restart | config
  UnixNanos at = 0;                          // told_change; 0 = now
};
inline constexpr size_t text_bytes_max = 1'000;
inline constexpr size_t order_body_bytes_max = 16 * 1024;
inline constexpr size_t page_max = 1'000;

struct Sources {
  std::function<SnapshotPtr()> snapshot;  // nullptr until the loop's first step: 503
  std::function<void(Order, http::Done)> order;
  const ledger::Ledger* ledger = nullptr;  // nullptr: 404 on its paths, or 503 with the problem
  std::string ledger_problem = {};
};

http::Routes routes(Sources sources);

}  // namespace hs::api::loop
