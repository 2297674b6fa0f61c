#include "scrape/fetch.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/compress.h"
#include "base/text.h"
#include "io/files.h"

namespace hs::scrape {
namespace {

using wire::prometheus::ExpositionFormat;

constexpr size_t secret_bytes_max = 64 << 10;
constexpr size_t list_bytes_max = 16 << 20;  // of a service of targets
constexpr int64_t list_timeout_ms = 10'000;
constexpr std::string_view user_agent = "homeostat";

Result<std::string> secret_of(const std::string& text, const std::string& file) {
  if (file.empty()) return text;
  HS_ASSIGN(std::string out, io::read_file(file, secret_bytes_max));
  while (!out.empty() && std::isspace(static_cast<unsigned char>(out.back())) != 0) out.pop_back();
  return out;
}

Status add_access(http::Headers& headers, const config::HttpAccess& access) {
  if (!access.username.empty()) {
    HS_ASSIGN(const std::string password, secret_of(access.password, access.password_file));
    headers.set("Authorization", "Basic " + to_base64(access.username + ":" + password));
  } else if (!access.credentials.empty() || !access.credentials_file.empty()) {
    HS_ASSIGN(const std::string credentials, secret_of(access.credentials, access.credentials_file));
    headers.set("Authorization", access.type + " " + credentials);
  }
  return {};
}

// The preferences of Prometheus 3.
std::string accept_of(const config::ScrapeJob& job) {
  const std::string text =
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/"
      "openmetrics-text;version=0.0.1;"
      "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
  if (!job.scrape_native_histograms) return text;
  return "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
         "escaping=allow-utf-8;q=0.7," +
         text;
}

Result<ExpositionFormat> format_of(std::string_view content_type, const config::ScrapeJob& job) {
  std::string type(content_type);
  std::erase_if(type, [](char c) { return c == ' ' || c == '\t' || c == '"'; });
  std::transform(type.begin(), type.end(), type.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string_view media = std::string_view(type).substr(0, type.find(';'));
  if (media == "application/openmetrics-text") return ExpositionFormat::open_metrics;
  if (media == "text/plain") return ExpositionFormat::text;
  if (media == "application/vnd.google.protobuf") {
    const bool ours =
        type.find("io.prometheus.client.metricfamily") != type.npos && type.find("delimited") != type.npos;
    if (ours) return ExpositionFormat::protobuf;
  }
  if (job.fallback_scrape_protocol.starts_with("OpenMetrics")) return ExpositionFormat::open_metrics;
  if (job.fallback_scrape_protocol == "PrometheusProto") return ExpositionFormat::protobuf;
  if (!job.fallback_scrape_protocol.empty()) return ExpositionFormat::text;
  return fail(Code::unsupported_media,
              fmt::format("received unsupported Content-Type \"{}\" and no fallback_scrape_protocol is set",
                          printable(content_type, 200)));
}

// https URLs differ from http ones in their port.
Result<io::Url> url_of(std::string text, bool& tls) {
  tls = text.starts_with("https://");
  if (tls) text.erase(4, 1);
  const size_t authority = std::min(text.find_first_of("/?", 7), text.size());
  const size_t colon = text.find(':', std::min(text.find(']', 7), text.size()) < authority ? text.find(']', 7) : 7);
  if (tls && colon >= authority) text.insert(authority, ":443");
  return io::parse_url(text);
}

}  // namespace

Result<Answer> fetch(io::Http& http, const Target& target, size_t body_bytes_max, const std::stop_token& stop) {
  const config::ScrapeJob& job = target.job->config;
  if (target.tls && target.job->https == nullptr) return fail(Code::invalid_argument, "https is not spoken here");
  io::Http& asked = target.tls ? *target.job->https : http;
  io::HttpRequest request{.target = target.path};
  request.headers.set("Accept", accept_of(job));
  request.headers.set("Accept-Encoding", job.enable_compression ? "gzip" : "identity");
  request.headers.set("User-Agent", user_agent);
  request.headers.set("X-Prometheus-Scrape-Timeout-Seconds",
                      fmt::format("{}", static_cast<double>(target.timeout_ms) / 1e3));
  HS_TRY(add_access(request.headers, job.access));
  const size_t most =
      job.body_size_limit > 0 ? std::min(body_bytes_max, static_cast<size_t>(job.body_size_limit)) : body_bytes_max;
  HS_ASSIGN(http::Response response,
            asked.request(target.endpoint, request,
                          {.timeout_ms = target.timeout_ms, .body_bytes_max = most, .cancel = stop}));
  if (response.status != 200)
    return fail(Code::unavailable, fmt::format("server returned HTTP status {}", response.status));
  Answer out;
  HS_ASSIGN(out.format, format_of(response.headers.get("Content-Type"), job));
  HS_ASSIGN(out.body, decode_content(response.headers.get("Content-Encoding"), response.body, most));
  return out;
}

Result<std::string> fetch_targets(io::Http& http, const MakeHttps& make_https, const config::HttpDiscovery& discovery,
                                  const std::stop_token& stop) {
  bool tls = false;
  HS_ASSIGN(const io::Url url, url_of(discovery.url, tls));
  const std::shared_ptr<io::Http> https = tls && make_https ? make_https(discovery.access.tls) : nullptr;
  if (tls && https == nullptr) return fail(Code::invalid_argument, "https is not spoken here");
  io::HttpRequest request{.target = url.target};
  request.headers.set("Accept", "application/json");
  request.headers.set("User-Agent", user_agent);
  request.headers.set("X-Prometheus-Refresh-Interval-Seconds",
                      fmt::format("{}", static_cast<double>(discovery.refresh_interval_ms) / 1e3));
  HS_TRY(add_access(request.headers, discovery.access));
  HS_ASSIGN(http::Response response,
            (https ? *https : http)
                .request(url.endpoint, request,
                         {.timeout_ms = list_timeout_ms, .body_bytes_max = list_bytes_max, .cancel = stop}));
  if (response.status != 200)
    return fail(Code::unavailable, fmt::format("server returned HTTP status {}", response.status));
  return std::move(response.body);
}

}  // namespace hs::scrape
