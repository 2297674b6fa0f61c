#pragma once
// Query text into a tree. Recursive descent; messages and positions are those of Prometheus' grammar.

#include <string_view>

#include "promql/ast.h"
#include "promql/engine.h"

namespace hs::promql {

// Parses and checks types. Only the first error is reported, as by Prometheus.
QueryResult<ExprPtr> parse_expr(std::string_view text, const Features& features, const Limits& limits);

// "1:5" of byte `pos`: line and column, both from one; columns are bytes.
std::string position_text(std::string_view query, int pos);

// The types of all operands and arguments; the first error as "1:5: parse error: ...". Completes the tree too: the
// matching of set operators becomes many-to-many, that of scalar operands goes.
QueryResult<void> check_types(std::string_view text, Expr& expr);

}  // namespace hs::promql
