#include "api/prometheus/params.h"

#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "base/time.h"
#include "promql/unquote.h"

namespace hs::api::prometheus {
namespace {

constexpr size_t form_bytes_max = 4 << 20;  // a query text is at most 1 MiB, three times that when percent-encoded

// Go's texts of the first and the last instant, which clients send for "everything".
constexpr std::string_view first_instant = "-292273086-05-16T16:47:06Z",
                           last_instant = "292277025-08-18T07:12:54.999999999Z";
constexpr int64_t far_ms = INT64_MAX / 1'000'000;  // what nanoseconds can hold

std::optional<double> number_of(std::string_view text) {
  double v = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return v;
}

std::optional<int64_t> ms_of(double seconds) {
  const double ms = std::round(seconds * 1000);
  if (!(std::abs(ms) < 9.2e18)) return std::nullopt;
  return static_cast<int64_t>(ms);
}

// Prometheus writes label names that are no identifiers with this before them, in paths.
constexpr std::string_view escaped_prefix = "U__";

void append_utf8(std::string& out, uint32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

}  // namespace

promql::QueryResult<Params> Params::read(const http::Request& request) {
  Params params;
  const std::string_view type = request.headers.get("Content-Type");
  if (request.method == "POST" && type.starts_with("application/x-www-form-urlencoded")) {
    if (request.body.size() > form_bytes_max)
      return bad_data("error parsing form values: http: request body too large");
    auto form = http::parse_query(request.body);
    if (!form) return bad_data("error parsing form values: " + form.error().message);
    params.items_ = std::move(*form);
  }
  params.items_.insert(params.items_.end(), request.query.begin(), request.query.end());
  return params;
}

std::string_view Params::text(std::string_view name) const {
  for (const auto& [key, value] : items_)
    if (key == name) return value;
  return "";
}

std::vector<std::string_view> Params::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& [key, value] : items_)
    if (key == name) out.push_back(value);
  return out;
}

promql::QueryResult<int64_t> Params::time_ms(std::string_view name) const {
  const std::string_view given = text(name);
  if (const auto seconds = number_of(given))
    if (const auto ms = ms_of(*seconds)) return *ms;
  if (given == first_instant) return -far_ms;
  if (given == last_instant) return far_ms;
  if (given.find('T') != given.npos)
    if (const auto time = parse_time(given)) return *time / nanos_per_ms;
  return bad_parameter(name, fmt::format("cannot parse \"{}\" to a valid timestamp", given));
}

promql::QueryResult<int64_t> Params::time_ms(std::string_view name, int64_t fallback) const {
  if (text(name).empty()) return fallback;
  return time_ms(name);
}

promql::QueryResult<int64_t> Params::duration_ms(std::string_view name, int64_t fallback) const {
  const std::string_view given = text(name);
  if (given.empty()) return fallback;
  if (const auto seconds = number_of(given)) {
    if (const auto ms = ms_of(*seconds)) return *ms;
    return bad_parameter(name, fmt::format("cannot parse \"{}\" to a valid duration. It overflows int64", given));
  }
  if (const auto ms = promql::parse_duration_ms(given)) return *ms;
  return bad_parameter(name, fmt::format("cannot parse \"{}\" to a valid duration", given));
}

promql::QueryResult<size_t> Params::limit(std::string_view name) const {
  const std::string_view given = text(name);
  if (given.empty()) return 0;
  int64_t v = 0;
  const auto [end, error] = std::from_chars(given.data(), given.data() + given.size(), v);
  if (error != std::errc() || end != given.data() + given.size())
    return bad_parameter(name, fmt::format("cannot parse \"{}\" to an integer", given));
  if (v < 0) return bad_parameter(name, "limit must be non-negative");
  return static_cast<size_t>(v);
}

promql::QueryResult<std::vector<std::vector<promql::Matcher>>> Params::selectors() const {
  std::vector<std::vector<promql::Matcher>> out;
  for (const std::string_view text : all("match[]")) {
    auto matchers = promql::parse_selector(text);
    if (!matchers) return bad_parameter("match[]", matchers.error().message);
    bool selective = false;
    for (const promql::Matcher& m : *matchers) selective = selective || !m.matches_empty();
    if (!selective) return bad_parameter("match[]", "match[] must contain at least one non-empty matcher");
    out.push_back(std::move(*matchers));
  }
  return out;
}

std::string unescape_name(std::string_view name) {
  if (!name.starts_with(escaped_prefix)) return std::string(name);
  std::string out;
  for (std::string_view left = name.substr(escaped_prefix.size()); !left.empty();) {
    if (!left.starts_with('_')) {
      out += left.front();
      left.remove_prefix(1);
    } else if (left.starts_with("__")) {
      out += '_';
      left.remove_prefix(2);
    } else {
      const size_t end = left.find('_', 1);
      uint32_t c = 0;
      const auto digits = left.substr(1, end == left.npos ? left.npos : end - 1);
      const auto [at, error] = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
      const bool good = end != left.npos && error == std::errc() && at == digits.data() + digits.size();
      if (!good || c > 0x10FFFF) return std::string(name);
      append_utf8(out, c);
      left.remove_prefix(end + 1);
    }
  }
  return out;
}

}  // namespace hs::api::prometheus
