#pragma once
// The parameters of a request as Prometheus reads them: of the query and of a form body, the body first.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/prometheus/answer.h"
#include "promql/matcher.h"

namespace hs::api::prometheus {

class Params {
 public:
  // Unknown parameters are ignored: clients send their own.
  static promql::QueryResult<Params> read(const http::Request& request);

  std::string_view text(std::string_view name) const;  // the first one; "" when absent
  std::vector<std::string_view> all(std::string_view name) const;
  // Seconds with fractions, or RFC 3339; milliseconds since 1970.
  promql::QueryResult<int64_t> time_ms(std::string_view name) const;
  promql::QueryResult<int64_t> time_ms(std::string_view name, int64_t fallback) const;
  // Seconds with fractions, or Prometheus' form: 5m, 1h30m.
  promql::QueryResult<int64_t> duration_ms(std::string_view name, int64_t fallback) const;
  // A number from 0 on; 0 when absent: no limit.
  promql::QueryResult<size_t> limit(std::string_view name) const;
  // match[], each a selector.
  promql::QueryResult<std::vector<std::vector<promql::Matcher>>> selectors() const;

 private:
  std::vector<std::pair<std::string, std::string>> items_;
};

// Undoes Prometheus 3's escaping of names in paths: "U__a_2e_b" is "a.b". Anything else stays as it is.
std::string unescape_name(std::string_view name);

}  // namespace hs::api::prometheus
