#include "base/http_message.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace hs::http {
namespace {

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Response with_type(int status, std::string body, std::string_view type) {
  Response r{.status = status, .headers = {}, .body = std::move(body)};
  r.headers.set("Content-Type", type);
  return r;
}

}  // namespace

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : items)
    if (same_name(key, name)) return value;
  return {};
}

void Headers::set(std::string_view name, std::string_view value) {
  for (auto& [key, old] : items)
    if (same_name(key, name)) {
      old = value;
      return;
    }
  items.emplace_back(name, value);
}

std::string_view Request::query_value(std::string_view name, std::string_view fallback) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return fallback;
}

std::string_view Request::param(std::string_view name) const {
  for (const auto& [key, value] : params)
    if (key == name) return value;
  return {};
}

Response Response::text(int status, std::string body) {
  return with_type(status, std::move(body), "text/plain; charset=utf-8");
}
Response Response::json(int status, std::string body) { return with_type(status, std::move(body), "application/json"); }
Response Response::html(int status, std::string body) {
  return with_type(status, std::move(body), "text/html; charset=utf-8");
}

Response Response::error(const Error& error) {
  const nlohmann::json body = {{"error", {{"code", name_of(error.code)}, {"message", printable(error.message)}}}};
  Response r = json(http_status(error.code), body.dump());
  if (error.retry_after_ms > 0) r.headers.set("Retry-After", fmt::format("{}", (error.retry_after_ms + 999) / 1000));
  return r;
}

Handler answer(std::function<Response(const Request&)> f) {
  return [f = std::move(f)](const Request& request, const Done& done) { done(f(request)); };
}

Result<std::string> url_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return fail(Code::invalid_argument, "the URL has an invalid percent escape");
      out += *byte;
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

std::string url_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

Result<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!text.empty()) {
    const size_t amp = std::min(text.find('&'), text.size());
    const std::string_view part = text.substr(0, amp);
    text.remove_prefix(std::min(amp + 1, text.size()));
    if (part.empty()) continue;
    const size_t eq = std::min(part.find('='), part.size());
    HS_ASSIGN(std::string key, url_decode(part.substr(0, eq), true));
    HS_ASSIGN(std::string value, url_decode(part.substr(std::min(eq + 1, part.size())), true));
    out.emplace_back(std::move(key), std::move(value));
  }
  return out;
}

}  // namespace hs::http
