#pragma once
// Prometheus' envelope of answers and errors.
// https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview

#include <string>
#include <vector>

#include "base/http_message.h"
#include "promql/engine.h"

namespace hs::api::prometheus {

struct Answer {
  std::string data;  // JSON
  std::vector<std::string> warnings = {}, infos = {};
};

// What went wrong, as Prometheus classifies it.
using Reply = promql::QueryResult<Answer>;

inline tl::unexpected<promql::QueryError> bad_data(std::string message) {
  return tl::unexpected(promql::QueryError{promql::ErrorKind::bad_data, std::move(message)});
}
// invalid parameter "name": why
tl::unexpected<promql::QueryError> bad_parameter(std::string_view name, std::string_view why);
// A failure of the store.
promql::QueryError query_error(const Error& error);

// Compressed when the client takes gzip and the answer is worth it.
http::Response respond(const http::Request& request, const Reply& reply);

}  // namespace hs::api::prometheus

// Declares `decl` from the Result `expr` of the store, or returns its error as Prometheus': HS_STORED(auto x, f());
#define HS_STORED(decl, expr) HS_STORED_IMPL(HS_ASSIGN_CAT(hs_stored_, __LINE__), decl, expr)
#define HS_STORED_IMPL(tmp, decl, expr)                                               \
  auto tmp = (expr);                                                                  \
  if (!tmp) return ::tl::unexpected(::hs::api::prometheus::query_error(tmp.error())); \
  decl = std::move(*tmp)
