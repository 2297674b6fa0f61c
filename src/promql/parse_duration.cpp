#include <cmath>

#include "promql/parser_impl.h"

namespace hs::promql {
namespace {

// Seconds that still fit into 64 bits of nanoseconds.
constexpr double max_seconds = 9223372036.854775808;
constexpr int unary_operand = 6;

int precedence(Tok op) {
  switch (op) {
    case Tok::add:
    case Tok::sub:
      return 4;
    case Tok::mul:
    case Tok::div:
    case Tok::mod:
      return 5;
    case Tok::pow:
      return 6;
    default:
      return 0;
  }
}

bool is_zero(const Expr& expr) { return expr.kind == Expr::Kind::number && as<NumberLiteral>(expr).value == 0; }

}  // namespace

bool Parser::in_range(const NumberLiteral& number, int pos) {
  if (std::abs(number.value) <= max_seconds || std::isnan(number.value)) return true;
  fail_at(pos, "duration out of range");
  return false;
}

bool Parser::allowed(const Expr& duration) {
  if (features_.duration_expressions) return true;
  fail_at(duration.range.start, "experimental duration expression is not enabled");
  return false;
}

// After `offset` a number or a call ends the duration: `foo offset -2^2` is `(foo offset -2)^2`. Parentheses do not.
ExprPtr Parser::parse_offset_duration() {
  if (failed_ || at(Tok::left_paren)) return parse_duration(1);
  if (!at(Tok::add) && !at(Tok::sub)) return parse_duration_operand();
  const Token sign = token_;
  advance();
  if (at(Tok::add) || at(Tok::sub)) {  // a second sign: an ordinary expression
    ExprPtr operand = parse_duration(unary_operand);
    return failed_ ? nullptr : apply_sign(sign, std::move(operand));
  }
  const bool wrapped = at(Tok::left_paren);
  ExprPtr operand;
  if (wrapped) {
    advance();
    operand = parse_duration(1);
    if (failed_ || !expect(Tok::right_paren)) return nullptr;
    if (operand->kind == Expr::Kind::duration) as<DurationExpr>(*operand).wrapped = true;
  } else {
    const bool number = at(Tok::number) || at(Tok::duration);
    operand = number ? parse_duration_operand() : parse_duration_call(&sign);
  }
  return failed_ ? nullptr : apply_sign(sign, std::move(operand));
}

ExprPtr Parser::parse_positive_duration() {
  ExprPtr duration = parse_duration(1);
  if (failed_) return nullptr;
  if (duration->kind == Expr::Kind::number && as<NumberLiteral>(*duration).value <= 0) {
    return fail_at(duration->range.start, "duration must be greater than 0");
  }
  return duration;
}

ExprPtr Parser::parse_duration(int min_precedence) {
  if (failed_ || !enter()) return nullptr;
  ExprPtr lhs = parse_duration_operand();
  while (!failed_ && precedence(token_.type) >= min_precedence) {
    Token op = token_;
    advance();
    const int own = precedence(op.type);
    ExprPtr rhs = parse_duration(op.type == Tok::pow ? own : own + 1);
    settle();
    if (failed_ || !allowed(*lhs)) return nullptr;
    lhs = combine(std::move(op), std::move(lhs), std::move(rhs));
  }
  --nesting_;
  return failed_ ? nullptr : std::move(lhs);
}

ExprPtr Parser::combine(Token op, ExprPtr lhs, ExprPtr rhs) {
  if (op.type == Tok::div && is_zero(*rhs)) return fail_at(op.pos, "division by zero");
  if (op.type == Tok::mod && is_zero(*rhs)) return fail_at(op.pos, "modulo by zero");
  auto node = std::make_unique<DurationExpr>();
  node->op = op.type;
  node->range = {lhs->range.start, rhs->range.end};
  node->depth = std::max(lhs->depth, rhs->depth) + 1;
  if (node->depth > limits_.max_depth) return fail_at(op.pos, "the duration nests too deep");
  node->lhs = std::move(lhs);
  node->rhs = std::move(rhs);
  return node;
}

ExprPtr Parser::apply_sign(const Token& sign, ExprPtr operand) {
  if (operand->kind == Expr::Kind::number) {
    auto& number = as<NumberLiteral>(*operand);
    if (sign.type == Tok::sub) number.value *= -1;
    if (!in_range(number, sign.pos)) return nullptr;
    number.range.start = sign.pos;
    return operand;
  }
  if (sign.type == Tok::add) return operand;
  auto node = std::make_unique<DurationExpr>();
  node->op = Tok::sub;
  node->range = {sign.pos, operand->range.end};
  node->depth = operand->depth + 1;
  node->rhs = std::move(operand);
  return node;
}

ExprPtr Parser::parse_duration_operand() {
  if (failed_) return nullptr;
  if (at(Tok::number) || at(Tok::duration)) {
    auto number = parse_number();
    if (!number || !in_range(*number, number->range.start)) return nullptr;
    return number;
  }
  if (at(Tok::add) || at(Tok::sub)) {
    const Token sign = token_;
    advance();
    ExprPtr operand = parse_duration(unary_operand);
    return failed_ ? nullptr : apply_sign(sign, std::move(operand));
  }
  if (!at(Tok::left_paren)) return parse_duration_call(nullptr);
  advance();
  ExprPtr inner = parse_duration(1);
  if (failed_ || !expect(Tok::right_paren) || !allowed(*inner)) return nullptr;
  if (inner->kind == Expr::Kind::duration) as<DurationExpr>(*inner).wrapped = true;
  return inner;
}

// step(), range(), min_of(a, b), max_of(a, b).
ExprPtr Parser::parse_duration_call(const Token* sign) {
  const bool two = at(Tok::min_of) || at(Tok::max_of);
  if (!two && !at(Tok::step) && !at(Tok::range)) return syntax_error();
  auto node = std::make_unique<DurationExpr>();
  node->op = token_.type;
  node->range.start = token_.pos;
  advance();
  if (!expect(Tok::left_paren)) return nullptr;
  if (two) {
    node->lhs = parse_duration(1);
    if (failed_ || !expect(Tok::comma)) return nullptr;
    node->rhs = parse_duration(1);
    if (failed_) return nullptr;
    node->range.start = node->lhs->range.start;  // where Prometheus reports it
    node->depth = std::max(node->lhs->depth, node->rhs->depth) + 1;
  }
  if (!expect(Tok::right_paren)) return nullptr;
  node->range.end = last_end_;
  if (sign != nullptr && !features_.duration_expressions) {
    return fail_at(sign->pos, "experimental duration expression is not enabled");
  }
  if (!allowed(*node)) return nullptr;
  return node;
}

}  // namespace hs::promql
