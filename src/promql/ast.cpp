#include "promql/ast.h"

namespace hs::promql {

std::string_view name_of(ValueType type) {
  static constexpr std::string_view names[] = {"none", "scalar", "vector", "matrix", "string"};
  return names[static_cast<size_t>(type)];
}

std::string_view documented_name(ValueType type) {
  if (type == ValueType::vector) return "instant vector";
  return type == ValueType::matrix ? "range vector" : name_of(type);
}

std::string_view name_of(Cardinality cardinality) {
  static constexpr std::string_view names[] = {"one-to-one", "many-to-one", "one-to-many", "many-to-many"};
  return names[static_cast<size_t>(cardinality)];
}

ValueType Expr::type() const {
  switch (kind) {
    case Kind::aggregate:
    case Kind::vector_selector:
      return ValueType::vector;
    case Kind::matrix_selector:
    case Kind::subquery:
      return ValueType::matrix;
    case Kind::number:
    case Kind::duration:
      return ValueType::scalar;
    case Kind::string:
      return ValueType::string;
    case Kind::call:
      return as<CallExpr>(*this).function->result;
    case Kind::paren:
      return as<ParenExpr>(*this).expr->type();
    case Kind::unary:
      return as<UnaryExpr>(*this).expr->type();
    case Kind::binary: {
      const auto& node = as<BinaryExpr>(*this);
      const bool scalar = node.lhs->type() == ValueType::scalar && node.rhs->type() == ValueType::scalar;
      return scalar ? ValueType::scalar : ValueType::vector;
    }
  }
  return ValueType::none;
}

std::vector<Expr*> children(Expr& expr) {
  std::vector<Expr*> out;
  const auto add = [&out](const ExprPtr& child) {
    if (child) out.push_back(child.get());
  };
  switch (expr.kind) {
    case Expr::Kind::aggregate:
      add(as<AggregateExpr>(expr).expr);
      add(as<AggregateExpr>(expr).param);
      break;
    case Expr::Kind::binary:
      add(as<BinaryExpr>(expr).lhs);
      add(as<BinaryExpr>(expr).rhs);
      break;
    case Expr::Kind::call:
      for (const ExprPtr& argument : as<CallExpr>(expr).arguments) add(argument);
      break;
    case Expr::Kind::paren:
      add(as<ParenExpr>(expr).expr);
      break;
    case Expr::Kind::unary:
      add(as<UnaryExpr>(expr).expr);
      break;
    case Expr::Kind::subquery:
      add(as<SubqueryExpr>(expr).expr);
      break;
    case Expr::Kind::matrix_selector:
      add(as<MatrixSelector>(expr).selector);
      break;
    default:
      break;
  }
  return out;
}

const Expr& unwrap(const Expr& expr) {
  const Expr* at = &expr;
  while (at->kind == Expr::Kind::paren) at = as<ParenExpr>(*at).expr.get();
  return *at;
}

}  // namespace hs::promql
