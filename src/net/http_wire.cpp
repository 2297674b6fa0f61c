#include "net/http_wire.h"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>

namespace hs::net {
namespace {

bool is_token_char(unsigned char c) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         others.find(static_cast<char>(c)) != std::string_view::npos;
}

bool is_safe(std::string_view name, std::string_view value) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_token_char(static_cast<unsigned char>(c)); }) &&
         std::none_of(value.begin(), value.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x >= 'A' && x <= 'Z' ? x + 32 : x) == (y >= 'A' && y <= 'Z' ? y + 32 : y);
         });
}

bool is_ours(std::string_view name) {
  for (const std::string_view ours : {"Connection", "Content-Length", "Transfer-Encoding", "Date", "Host"})
    if (same_name(name, ours)) return true;
  return false;
}

void append_headers(std::string& out, const http::Headers& headers) {
  for (const auto& [name, value] : headers.items)
    if (!is_ours(name) && is_safe(name, value)) fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
}

// One date a second and thread: formatting it costs more than the rest of a small head.
std::string_view cached_date(UnixNanos now) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  if (now / nanos_per_s != second) {
    second = now / nanos_per_s;
    text = http_date(now);
  }
  return text;
}

}  // namespace

std::string http_date(UnixNanos t) {
  constexpr std::array days = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = t / nanos_per_s;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", days.at(static_cast<size_t>(utc.tm_wday)), utc.tm_mday,
                     months.at(static_cast<size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                     utc.tm_sec);
}

bool may_have_body(int status) { return status >= 200 && status != 204 && status != 304; }

std::string answer_head(const http::Response& response, Framing framing, bool keep_alive, UnixNanos now) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status, reason_of(response.status), cached_date(now));
  append_headers(out, response.headers);
  if (framing == Framing::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing == Framing::length && may_have_body(response.status))
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
  out += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return out;
}

std::string request_head(std::string_view method, std::string_view target, std::string_view host,
                         const http::Headers& headers, size_t body_bytes) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", method, target, host);
  append_headers(out, headers);
  if (body_bytes > 0 || method == "POST" || method == "PUT" || method == "PATCH")
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", body_bytes);
  out += "Connection: keep-alive\r\n\r\n";
  return out;
}

std::string_view reason_of(int status) {
  struct Reason {
    int status;
    std::string_view text;
  };
  static constexpr std::array<Reason, 25> reasons = {{{200, "OK"},
                                                      {201, "Created"},
                                                      {202, "Accepted"},
                                                      {204, "No Content"},
                                                      {206, "Partial Content"},
                                                      {301, "Moved Permanently"},
                                                      {302, "Found"},
                                                      {304, "Not Modified"},
                                                      {307, "Temporary Redirect"},
                                                      {400, "Bad Request"},
                                                      {401, "Unauthorized"},
                                                      {403, "Forbidden"},
                                                      {404, "Not Found"},
                                                      {405, "Method Not Allowed"},
                                                      {408, "Request Timeout"},
                                                      {409, "Conflict"},
                                                      {410, "Gone"},
                                                      {413, "Content Too Large"},
                                                      {415, "Unsupported Media Type"},
                                                      {417, "Expectation Failed"},
                                                      {429, "Too Many Requests"},
                                                      {500, "Internal Server Error"},
                                                      {502, "Bad Gateway"},
                                                      {503, "Service Unavailable"},
                                                      {504, "Gateway Timeout"}}};
  const auto* found = std::find_if(reasons.begin(), reasons.end(), [&](const Reason& r) { return r.status == status; });
  return found != reasons.end() ? found->text : "Status";
}

}  // namespace hs::net
