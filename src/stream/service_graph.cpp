#include "stream/service_graph.h"

#include <utility>

#include "base/flat_table.h"
#include "base/hash.h"
#include "base/text.h"

namespace hs::stream {
namespace {

// 100 ms, doubled 7 times: what Tempo's generator has by default.
constexpr std::array<double, 8> limits = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8};
constexpr std::array<std::string_view, 8> limit_texts = {"0.1", "0.2", "0.4", "0.8", "1.6", "3.2", "6.4", "12.8"};
constexpr std::array<std::string_view, 3> server_names = {"traces_service_graph_request_server_seconds_bucket",
                                                          "traces_service_graph_request_server_seconds_sum",
                                                          "traces_service_graph_request_server_seconds_count"};
constexpr std::array<std::string_view, 3> client_names = {"traces_service_graph_request_client_seconds_bucket",
                                                          "traces_service_graph_request_client_seconds_sum",
                                                          "traces_service_graph_request_client_seconds_count"};
constexpr std::string_view database = "database", messaging_system = "messaging_system", virtual_node = "virtual_node";

constexpr size_t name_bytes_max = 256;  // of a service or a peer: it is whatever a sender wrote

enum Kind : uint8_t { server = 2, client = 3, producer = 4, consumer = 5 };

uint64_t key_of(const model::Batch& batch, size_t row, model::SpanId span) {
  const model::TraceId& trace = batch.spans.trace_id[row];
  return mix(hash64({reinterpret_cast<const char*>(trace.data()), trace.size()}), span);
}

// As Tempo's generator chooses: the service that the client names, its address, the system itself.
std::string_view database_name(const Facts& facts) {
  if (!facts.peer_service.empty()) return facts.peer_service;
  return facts.address.empty() ? facts.db_system : facts.address;
}

}  // namespace

void ServiceGraph::add(const model::Batch& batch, UnixNanos now) {
  for (size_t row = 0; row < batch.spans.size(); ++row) add_span(batch, row, now);
  rotate(now);
}

void ServiceGraph::add_span(const model::Batch& batch, size_t row, UnixNanos now) {
  const model::Spans& spans = batch.spans;
  const uint8_t kind = spans.kind[row];
  if (kind < server || kind > consumer) return;
  Half half{.client = kind == client || kind == producer,
            .failed = spans.status[row] == 2,
            .messaging = kind == producer || kind == consumer,
            .service = std::string(utf8_prefix(batch.resources[spans.resource[row]].service, name_bytes_max)),
            .seconds = static_cast<double>(spans.duration_ns[row]) / 1e9,
            .weight = weight_of(spans, row)};
  if (half.client)
    add_client(batch, row, std::move(half), now);
  else
    add_server(batch, row, std::move(half), now);
}

void ServiceGraph::add_client(const model::Batch& batch, size_t row, Half half, UnixNanos now) {
  const Facts facts = facts_of(batch.spans.attributes.begin(row), batch.spans.attributes.end(row));
  if (!facts.db_system.empty()) {  // a database sends no spans: there is nothing to wait for
    return count({.client = half.service,
                  .server = utf8_prefix(database_name(facts), name_bytes_max),
                  .type = database,
                  .failed = half.failed,
                  .weight = half.weight,
                  .server_seconds = half.seconds,
                  .client_seconds = half.seconds},
                 now);
  }
  half.peer = utf8_prefix(facts.peer_service, name_bytes_max);
  meet(key_of(batch, row, batch.spans.span_id[row]), std::move(half), now);
}

void ServiceGraph::add_server(const model::Batch& batch, size_t row, Half half, UnixNanos now) {
  const model::SpanId parent = batch.spans.parent_id[row];
  if (parent != 0) return meet(key_of(batch, row, parent), std::move(half), now);
  count({.client = "user",
         .server = half.service,
         .type = virtual_node,
         .failed = half.failed,
         .weight = half.weight,
         .server_seconds = half.seconds},
        now);
}

void ServiceGraph::meet(uint64_t key, Half half, UnixNanos now) {
  if (join(young_, key, half, now) || join(old_, key, half, now)) return;
  if (young_.size() + old_.size() >= halves_max)
    ++dropped_;
  else
    young_.insert_or_assign(key, std::move(half));  // of two answers to one call the newer one waits
}

// True when the other side was there: the call is counted.
bool ServiceGraph::join(Halves& halves, uint64_t key, const Half& half, UnixNanos now) {
  const auto other = halves.find(key);
  if (other == halves.end() || other->second.client == half.client) return false;
  const Half& from = half.client ? half : other->second;
  const Half& to = half.client ? other->second : half;
  count({.client = from.service,
         .server = to.service,
         .type = from.messaging || to.messaging ? messaging_system : std::string_view(),
         .failed = from.failed || to.failed,
         .weight = half.weight,
         .server_seconds = to.seconds,
         .client_seconds = from.seconds},
        now);
  halves.erase(other);
  return true;
}

void ServiceGraph::rotate(UnixNanos now) {
  if (rotated_ == 0) rotated_ = now;
  if (now - rotated_ < wait_s * nanos_per_s) return;
  for (const auto& [key, half] : old_) expire(half, now);
  old_ = std::exchange(young_, {});
  rotated_ = now;
}

void ServiceGraph::expire(const Half& half, UnixNanos now) {
  if (!half.client || half.peer.empty()) {
    ++unpaired_;
    return;
  }
  count({.client = half.service,
         .server = half.peer,
         .type = virtual_node,
         .failed = half.failed,
         .weight = half.weight,
         .server_seconds = half.seconds,
         .client_seconds = half.seconds},
        now);
}

void ServiceGraph::count(const Call& call, UnixNanos now) {
  Edge& one = edge(call);
  one.seen = now;
  one.total += call.weight;
  if (call.failed) one.failed += call.weight;
  one.server_seconds.add(limits, call.server_seconds, call.weight);
  one.client_known = one.overflow || call.client_seconds >= 0;
  if (call.client_seconds >= 0) one.client_seconds.add(limits, call.client_seconds, call.weight);
}

ServiceGraph::Edge& ServiceGraph::edge(const Call& call) {
  const uint64_t key = hash64(call.type, hash64(call.server, hash64(call.client)));
  if (const auto known = edges_.find(key); known != edges_.end()) return known->second;
  if (edges_.size() >= edges_max) {
    ++overflowed_;
    Edge& rest = edges_[0];
    rest.overflow = true;
    return rest;
  }
  Edge& made = edges_[key];
  made.client = call.client;
  made.server = call.server;
  made.type = call.type;
  return made;
}

void ServiceGraph::collect(UnixNanos now, const EachSeries& each) {
  rotate(now);
  std::erase_if(edges_, [&](const auto& one) { return now - one.second.seen >= idle_series_s * nanos_per_s; });
  for (auto& [key, one] : edges_) tell(one, each);
}

void ServiceGraph::tell(Edge& one, const EachSeries& each) {
  Teller teller(each, !std::exchange(one.told, true));
  if (one.overflow) teller.label("metric_overflow", "true");
  teller.label("client", one.client);
  teller.label("server", one.server);
  teller.label("connection_type", one.type);
  teller.number("traces_service_graph_request_total", one.total);
  teller.number("traces_service_graph_request_failed_total", one.failed);
  teller.histogram(server_names, limit_texts, one.server_seconds);
  if (one.client_known) teller.histogram(client_names, limit_texts, one.client_seconds);
}

}  // namespace hs::stream
