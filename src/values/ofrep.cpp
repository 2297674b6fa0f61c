#include "values/ofrep.h"

#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/metrics_page.h"
#include "base/text.h"

namespace hs::values {
namespace {

using json::Json;

constexpr std::string_view flags_path = "/ofrep/v1/evaluate/flags";
constexpr std::string_view flag_set = "homeostat";

metrics::Counter evaluations("homeostat_values_evaluations_total", "single evaluations answered with a value");
metrics::Counter bulk_evaluations("homeostat_values_bulk_evaluations_total", "bulk evaluations answered, 304 included");
metrics::Counter refusals("homeostat_values_refused_total", "evaluations answered with an error");

// The request's context; the views are into `body`.
struct Asked {
  Json body;
  Context context;
};

http::Response refuse(int status, std::string_view key, std::string_view code, std::string_view details) {
  refusals.add();
  Json body = {{"errorCode", code}, {"errorDetails", details}};
  if (!key.empty()) body["key"] = printable(key);
  return http::Response::json(status, json::dump(body));
}

std::string_view first_text(const Json& context, std::string_view a, std::string_view b) {
  const auto text = json::text(context, a);
  return text ? *text : json::text(context, b).value_or("");
}

// Nothing when the request may be evaluated, else the answer to give.
std::optional<http::Response> read_context(const http::Request& request, std::string_view key, Asked& asked) {
  if (request.method != "POST")
    return http::Response::error({Code::method_not_allowed, "evaluations are POST requests"});
  if (request.body.size() > ofrep_body_bytes_max)
    return http::Response::json(413, R"({"errorDetails":"the body is larger than 1 MiB"})");
  const std::string_view encoding = request.headers.get("Content-Encoding");
  if (!encoding.empty() && encoding != "identity")
    return refuse(415, key, "PARSE_ERROR", "the body must not be compressed");
  if (request.body.empty()) return std::nullopt;
  auto body = json::parse(request.body, "the body");
  if (!body || !body->is_object()) return refuse(400, key, "PARSE_ERROR", "the body is not a JSON object");
  asked.body = std::move(*body);
  const Json* context = json::find(asked.body, "context");
  if (context == nullptr || context->is_null()) return std::nullopt;
  if (!context->is_object()) return refuse(400, key, "INVALID_CONTEXT", "\"context\" is not an object");
  const Json* targeting_key = json::find(*context, "targetingKey");
  if (targeting_key != nullptr && !targeting_key->is_string() && !targeting_key->is_null())
    return refuse(400, key, "INVALID_CONTEXT", "\"targetingKey\" is not a string");
  asked.context = {json::text(*context, "targetingKey").value_or(""),
                   first_text(*context, "service.instance.id", "instance"),
                   first_text(*context, "service.name", "service")};
  return std::nullopt;
}

Json to_json(const KnobState& knob, const Answer& answer) {
  return {{"key", knob.key},
          {"value", std::visit([](const auto& v) { return Json(v); }, *answer.value)},
          {"variant", name_of(answer.variant)},
          {"reason", name_of(answer.reason)},
          {"metadata",
           {{"revision", answer.revision}, {"flagSetId", flag_set}, {"version", std::to_string(answer.revision)}}}};
}

// Of the configuration, the context and the answer itself: a candidate's end changes it without any new configuration.
std::string etag_of(int64_t revision, const http::Request& request, const std::string& answer) {
  return fmt::format("\"{}-{:016x}\"", revision, hash64(answer, hash64(request.body)));
}

}  // namespace

OfrepHandler::OfrepHandler(const Reader& reader, ServedCounts& served, io::Clock& clock, std::string boot_id)
    : reader_(reader), served_(served), clock_(clock), boot_id_(std::move(boot_id)) {}

http::Response OfrepHandler::respond(const http::Request& request) const {
  const std::string_view path = request.path;
  if (path.starts_with(flags_path)) {
    const std::string_view rest = path.substr(flags_path.size());
    if (rest.empty() || rest == "/") return bulk(request);
    if (rest.front() == '/') return single(request, rest.substr(1));
  }
  const bool reading = request.method == "GET" || request.method == "HEAD";
  if (path == "/v1/served" && reading) return served(request);
  if (path == "/healthz" && reading) return health();
  if (path == "/metrics" && reading) return metrics::page();
  return http::Response::error({Code::not_found, "nothing is served here; see docs/knobs.md"});
}

http::Response OfrepHandler::single(const http::Request& request, std::string_view key) const {
  Asked asked;
  if (auto refusal = read_context(request, key, asked)) return std::move(*refusal);
  const auto loaded = reader_.current();
  if (!loaded) return refuse(500, key, "GENERAL", "no state was loaded yet: the code default holds");
  const KnobState* knob = loaded->find(key);
  if (knob == nullptr) return refuse(404, key, "FLAG_NOT_FOUND", "no such knob is declared");
  const Answer answer = evaluate(*knob, asked.context, clock_.mono(), boot_id_);
  served_.add(knob->key, answer.revision, answer.variant, false, clock_.wall());
  evaluations.add();
  return http::Response::json(200, json::dump(to_json(*knob, answer)));
}

http::Response OfrepHandler::bulk(const http::Request& request) const {
  Asked asked;
  if (auto refusal = read_context(request, "", asked)) return std::move(*refusal);
  const auto loaded = reader_.current();
  if (!loaded) return refuse(500, "", "GENERAL", "no state was loaded yet: the code defaults hold");
  const MonoNanos now = clock_.mono();
  const UnixNanos wall = clock_.wall();
  Json flags = Json::array();
  for (const KnobState& knob : loaded->state().knobs) {
    const Answer answer = evaluate(knob, asked.context, now, boot_id_);
    flags.push_back(to_json(knob, answer));
    served_.add(knob.key, answer.revision, answer.variant, true, wall);
  }
  bulk_evaluations.add();
  const int64_t revision = loaded->state().revision;
  const Json body = {{"flags", std::move(flags)}, {"metadata", {{"revision", revision}, {"flagSetId", flag_set}}}};
  http::Response response = http::Response::json(200, json::dump(body));
  const std::string etag = etag_of(revision, request, response.body);
  if (request.headers.get("If-None-Match") == etag) response = {304, {}, ""};
  response.headers.set("ETag", etag);
  return response;
}

http::Response OfrepHandler::served(const http::Request& request) const {
  const std::string_view text = request.query_value("since", "0");
  int64_t since = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), since);
  if (error != std::errc() || end != text.data() + text.size())
    return http::Response::error({Code::invalid_argument, "since must be a Unix second"});
  return http::Response::json(200, encode(served_.report(clock_.wall(), since)));
}

http::Response OfrepHandler::health() const {
  const auto loaded = reader_.current();
  const std::string problem = reader_.problem();
  Json body = {{"status", !loaded ? "no state" : problem.empty() ? "ok" : "serving the last good state"}};
  if (loaded) body["revision"] = loaded->state().revision;
  if (!problem.empty()) body["problem"] = printable(problem);
  return http::Response::json(loaded ? 200 : 503, json::dump(body));
}

}  // namespace hs::values
