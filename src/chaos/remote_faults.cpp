#include "chaos/remote_faults.h"

#include <fmt/format.h>

#include "base/text.h"
#include "chaos/api.h"

namespace hs::chaos {
namespace {

using json::Json;

constexpr int64_t timeout_ms = 5'000;
constexpr size_t answer_bytes_max = 1024 * 1024;

// The error of an answer, with the server's own words.
Error error_of(const http::Response& response) {
  const auto body = json::parse(response.body, "the answer");
  const Json* error = body ? json::find(*body, "error") : nullptr;
  const std::string text(error != nullptr ? json::text(*error, "message").value_or("") : "");
  const Code code = response.status == 404   ? Code::not_found
                    : response.status == 401 ? Code::unauthenticated
                    : response.status == 403 ? Code::permission_denied
                    : response.status < 500  ? Code::invalid_argument
                                             : Code::unavailable;
  return {code, text.empty() ? fmt::format("the server answers {}", response.status) : printable(text), 0};
}

}  // namespace

Result<Json> RemoteFaults::call(std::string_view method, std::string target, std::string_view body) {
  io::HttpRequest request{.method = std::string(method), .target = std::move(target), .body = body};
  request.headers.set("Authorization", "Bearer " + token_);
  if (!body.empty()) request.headers.set("Content-Type", "application/json");
  io::HttpLimits limits;
  limits.timeout_ms = timeout_ms;
  limits.body_bytes_max = answer_bytes_max;
  HS_ASSIGN(const http::Response response, http_.request(server_, request, limits));
  if (response.status / 100 != 2) return tl::unexpected(error_of(response));
  return json::parse(response.body, "the answer");
}

Result<std::string> RemoteFaults::inject(const Fault& fault) {
  Json fields = to_json(fault, 0);
  for (const char* given : {"id", "started", "left_ms"}) fields.erase(given);
  HS_ASSIGN(const Json answer, call("POST", "/v1/chaos/faults", json::dump(fields)));
  const auto id = json::text(answer, "id");
  if (!id) return fail(Code::internal, "the answer has no id");
  return std::string(*id);
}

Status RemoteFaults::clear(std::string_view id) {
  HS_TRY(call("DELETE", "/v1/chaos/faults/" + http::url_encode(id), ""));
  return {};
}

Result<Json> RemoteFaults::clear_all() { return call("DELETE", "/v1/chaos/faults", ""); }
Result<Json> RemoteFaults::list() { return call("GET", "/v1/chaos/faults", ""); }

Result<std::vector<config::Proxy>> RemoteFaults::proxies() {
  HS_ASSIGN(const Json answer, call("GET", "/v1/chaos/proxies", ""));
  if (json::boolean(answer, "enabled") != true) return tl::unexpected(disabled());
  std::vector<config::Proxy> out;
  const Json* list = json::find(answer, "proxies");
  for (const Json& one : list != nullptr ? *list : Json::array()) {
    const auto text = [&](std::string_view key) { return std::string(json::text(one, key).value_or("")); };
    out.push_back({text("name"), text("listen"), text("upstream"), text("protocol")});
  }
  return out;
}

}  // namespace hs::chaos
