#include "security/guard.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "base/metrics.h"

namespace hs::security {
namespace {

metrics::Counter foreign_hosts("homeostat_guard_refused_total", "requests refused before their handler",
                               "reason=\"host\"");
metrics::Counter foreign_origins("homeostat_guard_refused_total", "requests refused before their handler",
                                 "reason=\"origin\"");
metrics::Counter no_credentials("homeostat_guard_refused_total", "requests refused before their handler",
                                "reason=\"credential\"");

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// Without the port and without brackets.
std::string_view host_of(std::string_view address) {
  if (address.starts_with('[')) {
    const size_t end = address.find(']');
    return end == std::string_view::npos ? std::string_view{} : address.substr(1, end - 1);
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || address.find(':') != colon) return address;  // none, or a bare IPv6 address
  return address.substr(0, colon);
}

bool is_literal(const std::string& host) {
  in6_addr six{};
  in_addr four{};
  return ::inet_pton(AF_INET, host.c_str(), &four) == 1 || ::inet_pton(AF_INET6, host.c_str(), &six) == 1;
}

bool is_loopback_host(const std::string& host) {
  in_addr four{};
  if (::inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  in6_addr six{};
  if (::inet_pton(AF_INET6, host.c_str(), &six) == 1) return IN6_IS_ADDR_LOOPBACK(&six);
  return host == "localhost" || host.ends_with(".localhost");  // RFC 6761: never leaves the machine
}

bool host_is_ours(const http::Request& request, const Policy& policy) {
  if (request.peer == "unix") return true;  // no browser speaks to a UNIX socket
  const std::string host = lower(host_of(request.headers.get("Host")));
  if (host.empty()) return false;
  if (is_loopback_host(host) || (policy.any_address && is_literal(host))) return true;
  if (!policy.hosts) return false;
  const auto names = policy.hosts();
  return std::any_of(names.begin(), names.end(), [&](const std::string& n) { return lower(n) == host; });
}

bool origin_is_ours(const http::Request& request) {
  const std::string_view origin = request.headers.get("Origin");
  if (origin.empty()) return true;  // not a browser, or a plain link
  const std::string host = lower(request.headers.get("Host"));
  const std::string from = lower(origin);
  return from == "http://" + host || from == "https://" + host;  // https: behind a proxy that ends TLS
}

bool covers(const Rule& rule, std::string_view path) {
  const std::string_view prefix = rule.prefix;
  if (rule.exact || !path.starts_with(prefix)) return path == prefix;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

Access access_of(const http::Request& request, const Policy& policy) {
  const Rule* best = nullptr;
  for (const Rule& rule : policy.rules) {
    const bool method_fits =
        rule.method.empty() || rule.method == request.method || (rule.method == "GET" && request.method == "HEAD");
    if (!method_fits || !covers(rule, request.path)) continue;
    const auto weight = [](const Rule& r) { return std::pair(r.prefix.size(), !r.method.empty()); };
    if (best == nullptr || weight(rule) > weight(*best)) best = &rule;
  }
  if (best != nullptr) return best->access;
  return request.method == "GET" || request.method == "HEAD" ? Access::read : Access::control;
}

// The name of who asks, "" when nobody had to say; an error when it is not enough.
Result<std::string> admit(const http::Request& request, const Policy& policy) {
  const std::string_view authorization = request.headers.get("Authorization");
  const auto as_operator = [&] { return policy.operators->identify(authorization); };
  switch (access_of(request, policy)) {
    case Access::open:
      return std::string();
    case Access::read:
      if (!policy.read_needs_token) return std::string();
      break;
    case Access::sender: {
      if (!policy.senders || policy.senders->empty()) return std::string();
      if (auto name = policy.senders->identify(authorization)) return *name;
      return fail(Code::unauthenticated,
                  "a credential of security.ingest_tokens is needed: Authorization: Bearer TOKEN");
    }
    case Access::control:
      break;
  }
  if (auto name = as_operator()) return *name;
  return fail(Code::unauthenticated,
              "this needs the operator's token (the file `token` in the data directory): Authorization: Bearer TOKEN");
}

http::Response unauthenticated(const Error& error) {
  http::Response response = http::Response::error(error);
  response.headers.set("WWW-Authenticate", "Bearer");
  return response;
}

http::Response finished(http::Response response) {
  auto& items = response.headers.items;
  std::erase_if(items, [](const auto& item) { return lower(item.first).starts_with("access-control-"); });
  response.headers.set("X-Content-Type-Options", "nosniff");
  if (response.headers.get("Cross-Origin-Resource-Policy").empty())
    response.headers.set("Cross-Origin-Resource-Policy", "same-origin");
  return response;
}

}  // namespace

http::Handler guard(http::Handler inner, Policy policy) {
  return [inner = std::move(inner), policy = std::move(policy)](http::Request request, http::Done done) {
    if (!host_is_ours(request, policy)) {
      foreign_hosts.add();
      return done(finished(http::Response::error(
          {Code::permission_denied, "the Host header names another machine; add the name to security.hosts"})));
    }
    if (!origin_is_ours(request)) {
      foreign_origins.add();
      return done(
          finished(http::Response::error({Code::permission_denied, "requests from other web pages are refused"})));
    }
    auto name = admit(request, policy);
    if (!name) {
      no_credentials.add();
      return done(finished(unauthenticated(name.error())));
    }
    request.credential = std::move(*name);
    inner(std::move(request),
          [done = std::move(done)](http::Response response) { done(finished(std::move(response))); });
  };
}

rpc::Methods guard(rpc::Methods inner, std::shared_ptr<const Credentials> senders) {
  rpc::Methods out;
  for (auto& [name, handler] : inner)
    out[name] = [handler = std::move(handler), senders](rpc::Request request, rpc::Done done) {
      if (!senders->empty()) {
        auto sender = senders->identify(request.metadata.get("authorization"));
        if (!sender) {
          no_credentials.add();
          return done(fail(Code::unauthenticated, "set the metadata `authorization` to `Bearer TOKEN` of a sender"));
        }
        request.credential = std::move(*sender);
      }
      handler(std::move(request), std::move(done));
    };
  return out;
}

bool is_loopback(std::string_view address) {
  return address.starts_with("unix:") || is_loopback_host(lower(host_of(address)));
}

Status check_bind(std::string_view setting, std::string_view address, bool has_credential, bool insecure_bind,
                  std::string_view remedy) {
  if (address.empty() || is_loopback(address) || has_credential || insecure_bind) return {};
  return fail(Code::permission_denied,
              fmt::format("{} = {} can be reached from other machines and no credential is configured for it: set {}, "
                          "listen on 127.0.0.1, or say --insecure-bind",
                          setting, address, remedy));
}

}  // namespace hs::security
