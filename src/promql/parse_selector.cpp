#include <charconv>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "promql/parser_impl.h"
#include "promql/quote.h"
#include "promql/unquote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

bool match_type(Tok t, MatchType& out) {
  switch (t) {
    case Tok::equal:
      out = MatchType::equal;
      return true;
    case Tok::not_equal:
      out = MatchType::not_equal;
      return true;
    case Tok::equal_regex:
      out = MatchType::regex;
      return true;
    case Tok::not_equal_regex:
      out = MatchType::not_regex;
      return true;
    default:
      return false;
  }
}

}  // namespace

void set_duration(ExprPtr duration, int64_t& ms, std::unique_ptr<DurationExpr>& expression) {
  if (duration->kind == Expr::Kind::number) {
    ms = static_cast<int64_t>(std::trunc(std::round(as<NumberLiteral>(*duration).value * 1e9) / 1e6));
  } else {
    expression.reset(static_cast<DurationExpr*>(duration.release()));
  }
}

std::optional<double> Parser::number_of(const Token& token) {
  if (token.type == Tok::duration) {
    const auto ms = parse_duration_ms(token.text);
    if (!ms) return fail_at(token.pos, ms.error().message), std::nullopt;
    return static_cast<double>(*ms) / 1000;
  }
  const auto value = parse_go_number(token.text);
  if (!value) return fail_at(token.pos, "error parsing number: " + value.error().message), std::nullopt;
  return *value;
}

std::optional<std::string> Parser::unquoted(const Token& token) {
  auto text = unquote(token.text);
  if (!text) {
    fail_at(token.pos, fmt::format("error unquoting string {}: {}", quote(token.text), text.error().message));
    return std::nullopt;
  }
  return std::move(*text);
}

std::unique_ptr<NumberLiteral> Parser::parse_number() {
  auto node = std::make_unique<NumberLiteral>();
  node->range = {token_.pos, token_.end()};
  node->is_duration = at(Tok::duration);
  const auto value = number_of(token_);
  if (!value) return nullptr;
  node->value = *value;
  advance();
  return failed_ ? nullptr : std::move(node);
}

ExprPtr Parser::parse_string() {
  auto node = std::make_unique<StringLiteral>();
  node->range = {token_.pos, token_.end()};
  auto text = unquoted(token_);
  if (!text) return nullptr;
  node->value = std::move(*text);
  advance();
  return finish(std::move(node));
}

std::unique_ptr<VectorSelector> Parser::parse_selector(std::optional<Token> name) {
  auto node = std::make_unique<VectorSelector>();
  node->range.start = name ? name->pos : token_.pos;
  node->range.end = name ? name->end() : token_.end();
  if (at(Tok::left_brace)) {
    if (!parse_matchers(*node)) return nullptr;
    node->range.end = last_end_;
  }
  if (failed_) return nullptr;
  if (name) {
    node->name = name->text;
    node->matchers.push_back(*Matcher::make(MatchType::equal, std::string(metric_name_label), name->text));
  }
  return node;
}

bool Parser::parse_matchers(VectorSelector& selector) {
  advance();
  if (take(Tok::right_brace)) return true;
  for (;;) {
    if (!parse_matcher(selector)) return false;
    if (take(Tok::right_brace)) return true;
    if (!take(Tok::comma)) return unexpected("label matching", "\",\" or \"}\""), false;
    if (take(Tok::right_brace)) return true;
  }
}

bool Parser::parse_matcher(VectorSelector& selector) {
  if (failed_ || (!at(Tok::identifier) && !at(Tok::string))) {
    return unexpected("label matching", "identifier or \"}\""), false;
  }
  const Token first = token_;
  std::string name = first.text;
  if (first.type == Tok::string) {
    auto text = unquoted(first);
    if (!text) return false;
    name = std::move(*text);
  }
  advance();
  MatchType type = MatchType::equal;
  if (failed_ || !match_type(token_.type, type)) {
    if (first.type != Tok::string || failed_) return unexpected("label matching", "label matching operator"), false;
    selector.matchers.push_back(*Matcher::make(MatchType::equal, std::string(metric_name_label), name));
    return true;
  }
  advance();
  if (failed_ || !at(Tok::string)) return unexpected("label matching", "string"), false;
  auto value = unquoted(token_);
  if (!value) return false;
  auto matcher = Matcher::make(type, std::move(name), std::move(*value));
  if (!matcher) return fail_at(first.pos, matcher.error().message), false;
  selector.matchers.push_back(std::move(*matcher));
  advance();
  return !failed_;
}

ExprPtr Parser::parse_postfix(ExprPtr expr) {
  while (!failed_) {
    const Tok t = token_.type;
    if (t == Tok::left_bracket) {
      expr = parse_bracket(std::move(expr));
    } else if (t == Tok::offset) {
      expr = parse_offset(std::move(expr));
    } else if (t == Tok::at) {
      expr = parse_at(std::move(expr));
    } else if (t == Tok::anchored || t == Tok::smoothed) {
      expr = parse_extension(std::move(expr));
    } else {
      break;
    }
  }
  return failed_ ? nullptr : std::move(expr);
}

TimeModifier* Parser::time_of(Expr& expr, std::string_view what) {
  switch (expr.kind) {
    case Expr::Kind::vector_selector:
      return &as<VectorSelector>(expr).time;
    case Expr::Kind::subquery:
      return &as<SubqueryExpr>(expr).time;
    case Expr::Kind::matrix_selector:
      return &as<VectorSelector>(*as<MatrixSelector>(expr).selector).time;
    default:
      break;
  }
  return fail_at(expr.range.start, fmt::format("{} modifier must be preceded by an instant vector selector or range "
                                               "vector selector or a subquery",
                                               what));
}

bool Parser::set_timestamp(Expr& expr, double seconds) {
  constexpr double bound = 9223372036854775808.0;
  if (!std::isfinite(seconds) || seconds >= bound || seconds <= -bound) {
    const std::string text = std::isfinite(seconds) ? fmt::format("{:f}", seconds) : format_g(seconds);
    return fail_at(expr.range.start, "timestamp out of bounds for @ modifier: " + text), false;
  }
  TimeModifier* time = time_of(expr, "@");
  if (time == nullptr) return false;
  if (time->timestamp_ms || time->preprocessor) {
    return fail_at(expr.range.start, "@ <timestamp> may not be set multiple times"), false;
  }
  const double ms = std::round(seconds * 1000);
  time->timestamp_ms = std::abs(ms) < bound ? static_cast<int64_t>(ms) : std::numeric_limits<int64_t>::min();
  return true;
}

ExprPtr Parser::parse_at(ExprPtr expr) {
  advance();
  if (at(Tok::start) || at(Tok::end)) {
    const Tok which = token_.type;
    advance();
    if (!expect(Tok::left_paren) || !expect(Tok::right_paren)) return unexpected("@", "timestamp");
    TimeModifier* time = time_of(*expr, "@");
    if (time == nullptr) return nullptr;
    if (time->timestamp_ms || time->preprocessor) {
      return fail_at(expr->range.start, "@ <timestamp> may not be set multiple times");
    }
    time->preprocessor = which;
  } else {
    const bool negative = at(Tok::sub);
    if (negative || at(Tok::add)) advance();
    if (failed_ || (!at(Tok::number) && !at(Tok::duration))) return unexpected("@", "timestamp");
    const auto value = number_of(token_);
    if (!value) return nullptr;
    advance();
    if (failed_ || !set_timestamp(*expr, negative ? -*value : *value)) return nullptr;
  }
  expr->range.end = last_end_;
  return expr;
}

ExprPtr Parser::parse_offset(ExprPtr expr) {
  advance();
  ExprPtr duration = parse_offset_duration();
  if (failed_) return unexpected("offset", "number, duration, step(), or range()");
  TimeModifier* time = time_of(*expr, "offset");
  if (time == nullptr) return nullptr;
  if (time->original_offset_ms != 0 || time->offset_expr) {
    return fail_at(expr->range.start, "offset may not be set multiple times");
  }
  std::unique_ptr<DurationExpr> expression;
  set_duration(std::move(duration), time->original_offset_ms, expression);
  time->offset_expr = std::move(expression);
  expr->range.end = last_end_;
  return expr;
}

ExprPtr Parser::parse_extension(ExprPtr expr) {
  const bool anchored = at(Tok::anchored);
  const std::string_view what = anchored ? "anchored" : "smoothed";
  advance();
  const int pos = expr->range.start;
  if (!features_.extended_range_selectors) {
    return fail_at(pos, fmt::format("{} modifier is experimental and not enabled", what));
  }
  Expr* selector = expr.get();
  if (expr->kind == Expr::Kind::matrix_selector) selector = as<MatrixSelector>(*expr).selector.get();
  if (selector->kind == Expr::Kind::subquery) {
    return fail_at(pos, fmt::format("{} modifier is not supported for subqueries", what));
  }
  if (selector->kind != Expr::Kind::vector_selector) {
    return fail_at(pos, fmt::format("{} modifier not implemented", what));
  }
  auto& vector = as<VectorSelector>(*selector);
  (anchored ? vector.anchored : vector.smoothed) = true;
  if (vector.anchored && vector.smoothed) {
    return fail_at(pos, "anchored and smoothed modifiers cannot be used together");
  }
  return expr;
}

ExprPtr Parser::parse_bracket(ExprPtr expr) {
  const Token bracket = token_;
  advance();
  ExprPtr range = parse_positive_duration();
  if (failed_) return unexpected("subquery or range selector", "number, duration, step(), or range()");
  if (take(Tok::right_bracket)) return make_matrix(std::move(expr), std::move(range), bracket);
  if (!take(Tok::colon)) return unexpected("subquery or range", "\":\" or \"]\"");
  auto node = std::make_unique<SubqueryExpr>();
  node->range.start = expr->range.start;
  node->expr = std::move(expr);
  set_duration(std::move(range), node->range_ms, node->range_expr);
  if (!take(Tok::right_bracket)) {
    ExprPtr step = parse_positive_duration();
    if (failed_) return unexpected("subquery selector", "number, duration, step(), range(), or \"]\"");
    set_duration(std::move(step), node->step_ms, node->step_expr);
    if (!take(Tok::right_bracket)) return unexpected("subquery selector", "\"]\"");
  }
  return finish(std::move(node));
}

ExprPtr Parser::make_matrix(ExprPtr expr, ExprPtr range, const Token& bracket) {
  if (failed_) return nullptr;
  if (expr->kind != Expr::Kind::vector_selector) {
    return fail_at(bracket.pos, "ranges only allowed for vector selectors");
  }
  const TimeModifier& time = as<VectorSelector>(*expr).time;
  if (time.original_offset_ms != 0 || time.offset_expr) {
    return fail_at(bracket.pos, "no offset modifiers allowed before range");
  }
  if (time.timestamp_ms || time.preprocessor) return fail_at(bracket.pos, "no @ modifiers allowed before range");
  auto node = std::make_unique<MatrixSelector>();
  node->range.start = expr->range.start;
  node->selector = std::move(expr);
  set_duration(std::move(range), node->range_ms, node->range_expr);
  return finish(std::move(node));
}

}  // namespace hs::promql
