#include "api/prometheus/answer.h"

#include <fmt/format.h>

#include "base/compress.h"
#include "promql/json.h"

namespace hs::api::prometheus {
namespace {

constexpr size_t compress_from_bytes = 1400;  // below it an answer is one packet anyway
constexpr std::string_view retry_after_s = "1";

void write_list(std::string& out, std::string_view key, const std::vector<std::string>& texts) {
  if (texts.empty()) return;
  out += fmt::format(",\"{}\":[", key);
  for (size_t i = 0; i < texts.size(); ++i) {
    if (i > 0) out += ',';
    promql::write_json_string(out, texts[i]);
  }
  out += ']';
}

std::string success_text(const Answer& answer) {
  std::string out = "{\"status\":\"success\",\"data\":";
  out += answer.data;
  write_list(out, "warnings", answer.warnings);
  write_list(out, "infos", answer.infos);
  return out + "}\n";
}

std::string error_text(const promql::QueryError& error) {
  std::string out = fmt::format("{{\"status\":\"error\",\"errorType\":\"{}\",\"error\":", promql::name_of(error.kind));
  promql::write_json_string(out, error.message);
  return out + "}\n";
}

bool takes_gzip(const http::Request& request) {
  const std::string_view accepted = request.headers.get("Accept-Encoding");
  return accepted.find("gzip") != accepted.npos && accepted.find("gzip;q=0") == accepted.npos;
}

}  // namespace

tl::unexpected<promql::QueryError> bad_parameter(std::string_view name, std::string_view why) {
  return bad_data(fmt::format("invalid parameter \"{}\": {}", name, why));
}

promql::QueryError query_error(const Error& error) {
  using promql::ErrorKind;
  switch (error.code) {
    case Code::invalid_argument:
      return {ErrorKind::bad_data, error.message};
    case Code::resource_exhausted:
    case Code::too_large:
      return {ErrorKind::execution, error.message};
    case Code::deadline_exceeded:
    case Code::unavailable:  // 503 is what tells to try again
      return {ErrorKind::timeout, error.message};
    default:
      return {ErrorKind::internal, error.message};
  }
}

http::Response respond(const http::Request& request, const Reply& reply) {
  http::Response response =
      reply ? http::Response::json(200, success_text(*reply))
            : http::Response::json(promql::http_status(reply.error().kind), error_text(reply.error()));
  if (response.status == 503) response.headers.set("Retry-After", retry_after_s);
  if (response.body.size() < compress_from_bytes || !takes_gzip(request)) return response;
  if (auto packed = compress(Coding::gzip, response.body)) {
    response.body = std::move(*packed);
    response.headers.set("Content-Encoding", "gzip");
    response.headers.set("Vary", "Accept-Encoding");
  }
  return response;
}

}  // namespace hs::api::prometheus
