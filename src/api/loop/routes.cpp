#include "api/loop/routes.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"
#include "ledger/verify.h"

namespace hs::api::loop {
namespace {

using http::Request;
using http::Response;
using json::Json;

constexpr size_t page_default = 50;

Response refuse(Code code, std::string message, int64_t retry_after_ms = 0) {
  return Response::error({code, std::move(message), retry_after_ms});
}

Result<uint64_t> number_of(const Request& request, std::string_view name, uint64_t fallback, uint64_t most) {
  const std::string_view text = request.query_value(name);
  if (text.empty()) return fallback;
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > most)
    return fail(Code::invalid_argument, fmt::format("{} must be a number of at most {}", name, most));
  return value;
}

// Answers from the newest snapshot.
http::Handler from_snapshot(const Sources& sources, std::function<Response(const Request&, const Snapshot&)> f) {
  return http::answer([get = sources.snapshot, f = std::move(f)](const Request& request) {
    const SnapshotPtr snapshot = get();
    if (!snapshot) return refuse(Code::unavailable, "the loop has not made its first step yet", 1'000);
    Response response = f(request, *snapshot);
    response.headers.set("Homeostat-At", format_rfc3339(snapshot->at));  // how old this is, for whoever polls
    response.headers.set("Cache-Control", "no-store");
    return response;
  });
}

// {"<name>": [...], "next": cursor when there is more}. The cursor is the last id of the page before.
Response page(const Request& request, std::string_view name, const std::vector<ItemPtr>& items) {
  const auto limit = number_of(request, "limit", page_default, page_max);
  if (!limit) return Response::error(limit.error());
  const std::string_view cursor = request.query_value("cursor");
  const std::string_view state = request.query_value("state");
  auto at = items.begin();
  if (!cursor.empty()) {
    at = std::find_if(items.begin(), items.end(), [&](const ItemPtr& i) { return i->id == cursor; });
    if (at == items.end()) return refuse(Code::invalid_argument, "the cursor is of a list that is gone; start again");
    ++at;
  }
  std::string body = fmt::format("{{\"{}\":[", name);
  uint64_t count = 0;
  const Item* last = nullptr;
  for (; at != items.end() && count < *limit; ++at) {
    if (!state.empty() && (*at)->state != state) continue;
    if (count++ > 0) body += ',';
    body += (*at)->json;
    last = at->get();
  }
  body += ']';
  if (at != items.end() && last != nullptr) body += fmt::format(",\"next\":{}", json::dump(last->id));
  return Response::json(200, body + '}');
}

Response one(const Request& request, const std::vector<ItemPtr>& items) {
  const std::string_view id = request.param("id");
  for (const ItemPtr& item : items)
    if (item->id == id) return Response::json(200, item->json);
  return refuse(Code::not_found, "there is none of this id; older ones are in the ledger");
}

std::string text_of(const Json& body, std::string_view key) {
  return printable(json::text(body, key).value_or(""), text_bytes_max);
}

Result<Order> order_of(const Request& request, OrderKind kind) {
  if (request.body.size() > order_body_bytes_max) return fail(Code::too_large, "an order has at most 16 KiB");
  Json body = Json::object();
  if (!request.body.empty()) {
    HS_ASSIGN(body, json::parse(request.body, "the body"));
  }
  if (!body.is_object()) return fail(Code::invalid_argument, "the body must be a JSON object");
  Order order{kind, text_of(body, "who"), text_of(body, "why"), request.credential, text_of(body, "key"), {}, {}, {},
              0};
  if (kind != OrderKind::told_change) return order;
  order.service = text_of(body, "service");
  order.change_kind = text_of(body, "kind");
  order.detail = text_of(body, "detail");
  if (order.service.empty()) return fail(Code::invalid_argument, "\"service\" is missing: what was changed?");
  if (order.change_kind != "deploy" && order.change_kind != "restart" && order.change_kind != "config")
    return fail(Code::invalid_argument, "\"kind\" must be deploy, restart or config");
  if (const Json* at = json::find(body, "at")) {
    if (at->is_string()) {
      HS_ASSIGN(order.at, parse_time(*at->get_ptr<const std::string*>()));
    } else {
      order.at = json::integer(body, "at").value_or(0);
    }
  }
  return order;
}

http::Route post(const Sources& sources, std::string path, OrderKind kind) {
  return {"POST", std::move(path), [give = sources.order, kind](const Request& request, const http::Done& done) {
            auto order = order_of(request, kind);
            if (!order) return done(Response::error(order.error()));
            give(std::move(*order), done);
          }};
}

Json to_json(const ledger::Entry& entry) {
  return {{"index", entry.index},
          {"at", format_rfc3339(entry.time)},
          {"kind", entry.kind},
          {"incident", ledger::incident_of(entry)},
          {"words", ledger::payload_words(entry)},
          {"payload", entry.payload}};
}

// Newest first; the cursor is an index: entries before it.
Response ledger_page(const Request& request, const ledger::Ledger& ledger) {
  const auto limit = number_of(request, "limit", page_default, page_max);
  const auto before = number_of(request, "cursor", ledger.size(), UINT64_MAX);
  if (!limit || !before) return Response::error(!limit ? limit.error() : before.error());
  const uint64_t end = std::min(*before, ledger.size());
  const uint64_t first = std::min(ledger.first(), end);  // what is older was dropped
  const uint64_t begin = end - std::min(end - first, *limit);
  const auto entries = ledger.read(begin, end - begin);
  if (!entries) return Response::error(entries.error());
  Json list = Json::array();
  for (auto entry = entries->rbegin(); entry != entries->rend(); ++entry) list.push_back(to_json(*entry));
  Json body = {{"entries", std::move(list)}, {"size", ledger.size()}};
  if (begin > first) body["next"] = std::to_string(begin);
  return Response::json(200, json::dump(body));
}

Response ledger_head(const ledger::Ledger& ledger) {
  const ledger::SignedHead head = ledger.head();
  if (head.note.empty()) return refuse(Code::not_found, "nothing was signed yet");
  return Response::json(200, json::dump({{"origin", head.head.origin},
                                         {"size", head.head.size},
                                         {"root", to_base64(security::view(head.head.root))},
                                         {"note", head.note},
                                         {"at", format_rfc3339(head.at)},
                                         {"vkey", ledger.verifier_key().text()}}));
}

http::Handler from_ledger(const Sources& sources, Response (*f)(const Request&, const ledger::Ledger&)) {
  return http::answer([ledger = sources.ledger, problem = sources.ledger_problem, f](const Request& request) {
    if (ledger != nullptr) return f(request, *ledger);
    return problem.empty() ? refuse(Code::not_found, "there is no ledger") : refuse(Code::unavailable, problem);
  });
}

}  // namespace

http::Routes routes(Sources sources) {
  const auto get = [&](std::string path, auto f) {
    return http::Route{"GET", std::move(path), from_snapshot(sources, std::move(f))};
  };
  const auto whole = [&](std::string path, std::string Snapshot::* member) {
    return get(std::move(path), [member](const Request&, const Snapshot& s) { return Response::json(200, s.*member); });
  };
  return {
      get("/v1/incidents", [](const Request& r, const Snapshot& s) { return page(r, "incidents", s.incidents); }),
      get("/v1/incidents/{id}", [](const Request& r, const Snapshot& s) { return one(r, s.incidents); }),
      get("/v1/changes", [](const Request& r, const Snapshot& s) { return page(r, "changes", s.changes); }),
      get("/v1/changes/{id}", [](const Request& r, const Snapshot& s) { return one(r, s.changes); }),
      whole("/v1/knobs", &Snapshot::knobs),
      whole("/v1/kpis", &Snapshot::kpis),
      whole("/v1/objectives", &Snapshot::objectives),
      whole("/v1/status", &Snapshot::status),
      post(sources, "/v1/stop", OrderKind::stop),
      post(sources, "/v1/resume", OrderKind::resume),
      post(sources, "/v1/knobs/reset", OrderKind::reset_knobs),
      post(sources, "/v1/changes/told", OrderKind::told_change),
      {"GET", "/v1/ledger", from_ledger(sources, ledger_page)},
      {"GET", "/v1/ledger/head",
       from_ledger(sources, [](const Request&, const ledger::Ledger& l) { return ledger_head(l); })},
  };
}

}  // namespace hs::api::loop
