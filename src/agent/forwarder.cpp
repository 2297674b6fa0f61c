#include "agent/forwarder.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "ingest/coding.h"
#include "ingest/shipment.h"
#include "wire/otlp/otlp.h"

namespace hs::agent {
namespace {

constexpr int64_t idle_ms = 1'000;
constexpr int64_t backoff_min_ms = 500;
constexpr int failed_attempts_max = 5;  // of a request that the receiver answers with errors of its own
constexpr size_t answer_bytes_max = 1 << 20;
constexpr std::string_view attempts_help = "Attempts to send a request that did not succeed, by what was answered.";
constexpr std::string_view dropped_help = "What was given up because the receiver does not want it, by the answer.";

struct Metrics {
  metrics::Counter requests{"homeostat_agent_sent_requests_total", "Requests that the receiver has taken."};
  metrics::Counter items{"homeostat_agent_sent_items_total", "Spans, points and records that the receiver has taken."};
  metrics::Counter bytes{"homeostat_agent_sent_bytes_total", "Bodies of these requests, as sent."};
  metrics::Counter rejected{"homeostat_agent_rejected_items_total",
                            "Items of taken requests that the receiver did not take (partial success)."};
  metrics::Counter busy{"homeostat_agent_failed_attempts_total", attempts_help, R"(reason="busy")"};
  metrics::Counter misconfigured{"homeostat_agent_failed_attempts_total", attempts_help, R"(reason="misconfigured")"};
  metrics::Counter failed{"homeostat_agent_failed_attempts_total", attempts_help, R"(reason="failed")"};
  metrics::Counter dropped_requests{"homeostat_agent_dropped_requests_total", dropped_help};
  metrics::Counter dropped_items{"homeostat_agent_dropped_items_total", dropped_help};
  metrics::Counter& attempts(Verdict::Kind kind) {
    return kind == Verdict::Kind::busy ? busy : kind == Verdict::Kind::failed ? failed : misconfigured;
  }
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

}  // namespace

Result<Destination> parse_destination(std::string_view url) {
  Destination out;
  std::string plain(url);
  out.https = url.starts_with("https://");
  if (out.https) {
    plain = "http://" + plain.substr(8);
    const size_t end = std::min(plain.find('/', 7), plain.size());
    const std::string_view host = std::string_view(plain).substr(7, end - 7);
    if (host.rfind(':') == std::string_view::npos || host.ends_with(']')) plain.insert(end, ":443");
  }
  const auto parsed = io::parse_url(plain);
  if (!parsed || parsed->target.find('?') != std::string::npos)
    return fail(Code::invalid_argument,
                fmt::format("agent.forward.url: {}; write the receiver's OTLP/HTTP address, such as "
                            "http://10.0.0.1:4318 or https://telemetry.example.com/otlp",
                            parsed ? "it must not have a query" : parsed.error().message));
  out.endpoint = parsed->endpoint;
  out.path = parsed->target;
  while (out.path.ends_with('/')) out.path.pop_back();
  return out;
}

Forwarder::Forwarder(ForwardOptions options, Queue& queue, io::Http& http, io::Clock& clock, io::Random& random)
    : options_(std::move(options)), queue_(queue), http_(http), clock_(clock), random_(random) {
  for (int i = 0; i < options_.connections; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { run(stop); });
}

ForwardState Forwarder::state() {
  const std::lock_guard lock(mutex_);
  const MonoNanos now = clock_.mono();
  return {problem_, problem_.empty() ? 0 : std::max<int64_t>(0, gate_ - now) / nanos_per_ms};
}

void Forwarder::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const uint64_t ticket = queue_.ticket();
    const auto item = queue_.take();
    if (!item) log::error("agent: the queue cannot be read", {{"why", item.error().message}});
    if (item && *item)
      deliver(**item, stop);
    else
      queue_.wait_for_work(ticket, stop, idle_ms);
  }
}

bool Forwarder::wait_for_gate(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  for (;;) {
    const int64_t left_ns = gate_ - clock_.mono();
    if (stop.stop_requested()) return false;
    if (left_ns <= 0) return true;
    wake_.wait_for(lock, stop, std::chrono::nanoseconds(left_ns), [] { return false; });
  }
}

void Forwarder::deliver(const Item& item, const std::stop_token& stop) {
  for (int attempts = 1; wait_for_gate(stop); ++attempts) {
    const MonoNanos began = clock_.mono();
    const Verdict verdict = attempt(item, stop);
    if (stop.stop_requested() && verdict.kind != Verdict::Kind::delivered) return;
    if (settled(item, verdict, attempts)) return queue_.settle(item.number);
    back_off(verdict, began);
  }
}

Verdict Forwarder::attempt(const Item& item, const std::stop_token& stop) {
  const bool json = item.format == ingest::WireFormat::otlp_json;
  io::HttpRequest request{.method = "POST",
                          .target = fmt::format("{}/v1/{}", options_.path, model::name_of(item.signal)),
                          .headers = options_.headers,
                          .body = item.body};
  request.headers.set("Content-Type",
                      wire::otlp::content_type(json ? wire::otlp::Format::json : wire::otlp::Format::protobuf));
  if (const auto coding = name_of(ingest::coding_of(item.encoding)); !coding.empty())
    request.headers.set("Content-Encoding", coding);
  if (!item.tenant.empty()) request.headers.set("X-Scope-OrgID", item.tenant);
  request.headers.set(ingest::shipment_header, ingest::text_of({item.stream, item.number, queue_.oldest()}));
  const io::HttpLimits limits{.timeout_ms = options_.timeout_ms, .body_bytes_max = answer_bytes_max, .cancel = stop};
  return judge(http_.request(options_.to, request, limits), item.format, clock_.wall());
}

// Whether the request is over and done with, one way or the other.
bool Forwarder::settled(const Item& item, const Verdict& verdict, int attempts) {
  if (verdict.kind == Verdict::Kind::delivered) {
    counters().requests.add();
    counters().items.add(item.items - std::min<uint64_t>(item.items, verdict.rejected));
    counters().bytes.add(item.body.size());
    counters().rejected.add(verdict.rejected);
    const std::lock_guard lock(mutex_);
    if (failures_ > 0) log::info("agent: the receiver takes telemetry again", {{"failures", failures_}});
    failures_ = 0;
    problem_.clear();
    return true;
  }
  const bool hopeless = verdict.kind == Verdict::Kind::failed && attempts >= failed_attempts_max;
  if (verdict.kind != Verdict::Kind::refused && !hopeless) return false;
  counters().dropped_requests.add();
  counters().dropped_items.add(item.items);
  const uint64_t dropped = counters().dropped_requests.value();
  if (std::has_single_bit(dropped))  // the 1st, 2nd, 4th, 8th ...
    log::error("agent: the receiver does not want a request, it is dropped", {{"answer", verdict.why},
                                                                              {"signal", model::name_of(item.signal)},
                                                                              {"items", item.items},
                                                                              {"tenant", item.tenant},
                                                                              {"dropped_so_far", dropped}});
  return true;
}

// Doubling, with jitter so that many agents do not come back at once; what the receiver asks for is a lower bound.
void Forwarder::back_off(const Verdict& verdict, MonoNanos began) {
  counters().attempts(verdict.kind).add();
  const std::lock_guard lock(mutex_);
  problem_ = fmt::format("{} ({})", verdict.why, name_of(verdict.kind));
  // Threads that fail together are one failure.
  const bool known = began < gate_ && verdict.retry_after_ms == 0;
  if (known) return;
  const int64_t pause_ms = std::min(backoff_min_ms << std::min(failures_, 20), options_.backoff_max_ms);
  const double share = 0.5 + random_.uniform() / 2;
  const auto own_ms = static_cast<int64_t>(static_cast<double>(pause_ms) * share);
  const auto asked_ms = static_cast<int64_t>(static_cast<double>(verdict.retry_after_ms) * (0.9 + share / 5));
  gate_ = std::max(gate_, clock_.mono() + std::max(own_ms, std::max(asked_ms, verdict.retry_after_ms)) * nanos_per_ms);
  ++failures_;
  if (std::has_single_bit(static_cast<unsigned>(failures_)))
    log::warn("agent: the receiver does not take telemetry; it is kept and tried again",
              {{"why", problem_}, {"failures", failures_}});
}

}  // namespace hs::agent
