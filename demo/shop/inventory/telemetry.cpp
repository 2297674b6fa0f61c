#include "telemetry.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

namespace shop {
namespace {

constexpr size_t waiting_max = 20'000;
constexpr int evaluation_ms_max = 100;
constexpr size_t seconds_kept = 180;

std::string random_hex(size_t bytes) {
  static thread_local std::mt19937_64 engine(std::random_device{}());
  std::string out;
  for (size_t i = 0; i < bytes; ++i) {
    const unsigned byte = static_cast<unsigned>(engine() & 255);
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

std::pair<std::string, int> host_port(const std::string& url) {
  const size_t start = url.find("://") == std::string::npos ? 0 : url.find("://") + 3;
  const size_t colon = url.find(':', start);
  return {url.substr(start, colon - start), atoi(url.c_str() + colon + 1)};
}

Json text_attribute(const std::string& key, const std::string& value) {
  return {{"key", key}, {"value", {{"stringValue", value}}}};
}

Json attributes_of(const Json& object) {
  Json list = Json::array();
  for (const auto& [key, value] : object.items()) list.push_back(text_attribute(key, value.get<std::string>()));
  return list;
}

std::string header_lines() {  // OTEL_EXPORTER_OTLP_HEADERS: name=value,name=value with %20 for a space
  std::string text = environment("OTEL_EXPORTER_OTLP_HEADERS"), lines;
  for (size_t at; (at = text.find("%20")) != std::string::npos;) text.replace(at, 3, " ");
  for (size_t start = 0; start < text.size();) {
    const size_t end = std::min(text.find(',', start), text.size());
    std::string pair = text.substr(start, end - start);
    const size_t equals = pair.find('=');
    if (equals != std::string::npos) lines += pair.replace(equals, 1, ": ") + "\r\n";
    start = end + 1;
  }
  return lines;
}

const std::map<std::string, int>& severities() {
  static const std::map<std::string, int> table = {{"debug", 5}, {"info", 9}, {"warn", 13}, {"error", 17}};
  return table;
}

}  // namespace

int64_t unix_nanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string environment(const char* name, const std::string& fallback) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : fallback;
}

std::string named(const std::string& kind, const std::string& name) {
  static const Json names = [] {
    std::ifstream file(environment("SHOP_NAMES", "/nonexistent"));
    return file ? Json::parse(file, nullptr, false) : Json::object();
  }();
  return names.is_object() ? names.value(kind + ":" + name, name) : name;
}

Span server_span(const Request& request, const std::string& name) {
  Span span;
  span.id = random_hex(8);
  span.name = named("operation", name);
  span.start = unix_nanos();
  const auto parent = request.headers.find("traceparent");  // 00-<32 hex>-<16 hex>-<2 hex>
  if (parent != request.headers.end() && parent->second.size() >= 55) {
    span.trace = parent->second.substr(3, 32);
    span.parent = parent->second.substr(36, 16);
    span.sampled = (parent->second[54] & 1) != 0;
    const auto state = request.headers.find("tracestate");
    if (state != request.headers.end()) span.state = state->second;
  } else {
    span.trace = random_hex(16);
  }
  return span;
}

Telemetry::Telemetry()
    : client_(host_port(environment("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")).first,
              host_port(environment("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")).second),
      headers_(header_lines()) {
  resource_ = {{"attributes", attributes_of({{"service.name", environment("OTEL_SERVICE_NAME", "inventory")},
                                             {"service.version", environment("SHOP_VERSION", "1.0.0")},
                                             {"service.instance.id", environment("SHOP_INSTANCE", "inventory-1")},
                                             {"telemetry.sdk.language", "cpp"}})}};
}

void Telemetry::add(const Span& span) {
  if (!span.sampled) return;
  Json events = Json::array();
  for (const Event& e : span.evaluations)
    events.push_back({{"timeUnixNano", std::to_string(e.at)},
                      {"name", "feature_flag.evaluation"},
                      {"attributes", attributes_of(e.attributes)}});
  Json attributes = Json::array({text_attribute("http.route", span.name)});
  attributes.push_back({{"key", "http.response.status_code"}, {"value", {{"intValue", std::to_string(span.status)}}}});
  const std::lock_guard lock(mutex_);
  if (spans_.size() >= waiting_max) {
    ++dropped_;
    return;
  }
  spans_.push_back({{"traceId", span.trace},
                    {"spanId", span.id},
                    {"parentSpanId", span.parent},
                    {"traceState", span.state},
                    {"name", span.name},
                    {"kind", 2},
                    {"startTimeUnixNano", std::to_string(span.start)},
                    {"endTimeUnixNano", std::to_string(span.end)},
                    {"attributes", attributes},
                    {"events", events},
                    {"status", {{"code", span.status >= 500 ? 2 : 0}}}});
}

void Telemetry::log(const std::string& severity, const std::string& text, const Span& span) {
  const int number = severities().at(severity);
  if (number < level_) return;
  const std::string now = std::to_string(unix_nanos());
  const std::lock_guard lock(mutex_);
  if (logs_.size() >= waiting_max) {
    ++dropped_;
    return;
  }
  logs_.push_back({{"timeUnixNano", now},
                   {"observedTimeUnixNano", now},
                   {"severityNumber", number},
                   {"severityText", severity},
                   {"body", {{"stringValue", text}}},
                   {"traceId", span.trace},
                   {"spanId", span.id}});
}

void Telemetry::gauge(const std::string& name, double value) {
  const std::lock_guard lock(mutex_);
  gauges_[named("metric", name)] = value;
}

void Telemetry::set_level(const std::string& name) {
  const auto found = severities().find(name);
  level_ = found == severities().end() ? 9 : found->second;
}

void Telemetry::send(const std::string& path, const char* outer, const char* inner, const char* list, Json records) {
  if (records.empty()) return;
  const Json body = {
      {outer,
       {{{"resource", resource_}, {inner, {{{"scope", {{"name", "shop/inventory"}}}, {list, std::move(records)}}}}}}}};
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (int attempt = 0; attempt < 3; ++attempt) {
    const int status = client_.post(path, headers_, text, 2000).status;
    if (status == 200 || (status >= 400 && status < 500 && status != 429)) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

void Telemetry::run() {
  for (;;) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    std::vector<Json> spans, logs;
    Json points = Json::array();
    {
      const std::lock_guard lock(mutex_);
      spans.swap(spans_);
      logs.swap(logs_);
      for (const auto& [name, value] : gauges_)
        points.push_back(
            {{"name", name},
             {"gauge", {{"dataPoints", {{{"timeUnixNano", std::to_string(unix_nanos())}, {"asDouble", value}}}}}}});
    }
    send("/v1/traces", "resourceSpans", "scopeSpans", "spans", std::move(spans));
    send("/v1/logs", "resourceLogs", "scopeLogs", "logRecords", std::move(logs));
    send("/v1/metrics", "resourceMetrics", "scopeMetrics", "metrics", std::move(points));
  }
}

Knobs::Knobs(std::string instance)
    : client_(host_port(environment("OFREP_ENDPOINT")).first, host_port(environment("OFREP_ENDPOINT")).second),
      path_("/ofrep/v1/evaluate/flags/"),
      instance_(std::move(instance)) {}

Json Knobs::evaluate(const std::string& key, const Json& fallback) {
  const std::string name = named("knob", key);
  const int64_t started = unix_nanos();
  const Json question = {{"context", {{"targetingKey", instance_}}}};
  const Response answer = client_.post(path_ + name, "", question.dump(), evaluation_ms_max);
  Json parsed = answer.status == 200 ? Json::parse(answer.body, nullptr, false) : Json();
  // 5 is read as unsigned, and a default of 3 is signed: both are whole numbers.
  const auto same_type = [&](const Json& v) {
    return v.is_number_integer() ? fallback.is_number_integer() : v.type() == fallback.type();
  };
  const bool good = parsed.is_object() && parsed.contains("value") && same_type(parsed["value"]);
  const Json value = good ? parsed["value"] : fallback;
  const auto text = [&](const char* field) { return good ? parsed.value(field, "") : std::string(); };
  const Json metadata = good ? parsed.value("metadata", Json::object()) : Json::object();
  const Json event = {{"feature_flag.key", name},
                      {"feature_flag.result.variant", text("variant")},
                      {"feature_flag.result.value", value.is_string() ? value.get<std::string>() : value.dump()},
                      {"feature_flag.result.reason", good ? "static" : "error"},
                      {"feature_flag.version", metadata.value("version", "")},
                      {"feature_flag.set.id", "homeostat"},
                      {"feature_flag.context.id", instance_}};
  const int64_t now = unix_nanos();
  const std::lock_guard lock(mutex_);
  latest_[name] = event;
  seen_[now / 1'000'000'000][name] = {{"n", 1},
                                      {"ms_max", static_cast<double>((now - started) / 100'000) / 10},
                                      {"value", event["feature_flag.result.value"]},
                                      {"variant", event["feature_flag.result.variant"]}};
  if (seen_.size() > seconds_kept) seen_.erase(seen_.begin());
  return value;
}

std::string Knobs::evaluations() const {
  const std::lock_guard lock(mutex_);
  Json out = Json::object();
  for (const auto& [second, knobs] : seen_) out[std::to_string(second)] = knobs;
  return out.dump();
}

int64_t Knobs::integer(const std::string& key, int64_t fallback) { return evaluate(key, fallback).get<int64_t>(); }
std::string Knobs::text(const std::string& key, const std::string& fallback) {
  return evaluate(key, fallback).get<std::string>();
}

void Knobs::record(Span& span) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, event] : latest_) span.evaluations.push_back({span.start, event});
}

}  // namespace shop
