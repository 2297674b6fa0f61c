#include "promql/parser.h"

#include <fmt/format.h>

#include "promql/parser_impl.h"
#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

constexpr int pow_precedence = 6;

int precedence(Tok op) {
  switch (op) {
    case Tok::lor:
      return 1;
    case Tok::land:
    case Tok::lunless:
      return 2;
    case Tok::equal_equal:
    case Tok::not_equal:
    case Tok::less_equal:
    case Tok::less:
    case Tok::greater_equal:
    case Tok::greater:
    case Tok::trim_upper:
    case Tok::trim_lower:
      return 3;
    case Tok::add:
    case Tok::sub:
      return 4;
    case Tok::mul:
    case Tok::div:
    case Tok::mod:
    case Tok::atan2:
      return 5;
    case Tok::pow:
      return pow_precedence;
    default:
      return 0;
  }
}

// Keywords that are metric names where an expression starts.
bool names_metric(Tok t) {
  switch (t) {
    case Tok::identifier:
    case Tok::metric_identifier:
    case Tok::by:
    case Tok::fill:
    case Tok::fill_left:
    case Tok::fill_right:
    case Tok::land:
    case Tok::lor:
    case Tok::lunless:
    case Tok::offset:
    case Tok::without:
    case Tok::anchored:
    case Tok::smoothed:
      return true;
    default:
      return is_aggregator(t) || (t >= Tok::start && t <= Tok::min_of);
  }
}

// Keywords that are label names in grouping lists.
bool names_label(Tok t) {
  return t == Tok::identifier || t == Tok::metric_identifier || is_aggregator(t) ||
         (is_keyword(t) && t != Tok::without) || is_set_operator(t) || t == Tok::atan2 ||
         (t >= Tok::start && t <= Tok::min_of);
}

bool names_function(Tok t) { return t == Tok::identifier || (t >= Tok::start && t <= Tok::min_of); }

}  // namespace

std::string position_text(std::string_view query, int pos) {
  if (query.empty()) return "unknown position";
  if (pos < 0 || static_cast<size_t>(pos) > query.size()) return "invalid position";
  int line = 1;
  int last_break = -1;
  for (int i = 0; i < pos; ++i) {
    if (query[static_cast<size_t>(i)] == '\n') {
      last_break = i;
      ++line;
    }
  }
  return fmt::format("{}:{}", line, pos - last_break);
}

void Parser::advance() {
  last_end_ = token_.end();
  token_ = lexer_.next();
}

bool Parser::take(Tok type) {
  if (failed_ || !at(type)) return false;
  advance();
  return true;
}

bool Parser::expect(Tok type) {
  if (take(type)) return true;
  syntax_error();
  return false;
}

std::nullptr_t Parser::fail_at(int pos, const std::string& message) {
  if (!error_) error_ = {ErrorKind::bad_data, position_text(text_, pos) + ": parse error: " + message};
  failed_ = true;
  return nullptr;
}

void Parser::settle() {
  if (at(Tok::error)) fail_at(lexer_.error_position(), token_.text);
}

std::nullptr_t Parser::syntax_error() {
  settle();
  if (!failed_) pending_ = true;
  failed_ = true;
  return nullptr;
}

std::nullptr_t Parser::unexpected(std::string_view context, std::string_view expected) {
  if (!failed_) syntax_error();
  if (!pending_) return nullptr;
  pending_ = false;
  std::string message = "unexpected " + token_.describe();
  if (!context.empty()) message += fmt::format(" in {}", context);
  if (!expected.empty()) message += fmt::format(", expected {}", expected);
  return fail_at(token_.pos, message);
}

bool Parser::enter() {
  if (++nesting_ <= limits_.max_depth) return true;
  fail_at(token_.pos, fmt::format("the expression nests deeper than {}", limits_.max_depth));
  return false;
}

ExprPtr Parser::parse_query() {
  if (at(Tok::end_of_input)) return fail_at(0, "no expression found in input");
  ExprPtr expr = parse_binary(1);
  if (!failed_ && !at(Tok::end_of_input)) syntax_error();
  if (failed_) return unexpected("", "");
  return expr;
}

std::unique_ptr<VectorSelector> Parser::parse_only_selector() {
  std::optional<Token> name;
  if (names_metric(token_.type)) {
    name = token_;
    advance();
  } else if (!at(Tok::left_brace)) {
    syntax_error();
  }
  auto selector = failed_ ? nullptr : parse_selector(name);
  if (!failed_ && !at(Tok::end_of_input)) syntax_error();
  if (failed_) return unexpected("", "");
  return selector;
}

ExprPtr Parser::parse_binary(int min_precedence) {
  if (!enter()) return nullptr;
  ExprPtr lhs = parse_unary();
  while (!failed_ && precedence(token_.type) >= min_precedence) {
    auto node = std::make_unique<BinaryExpr>();
    node->op = token_.type;
    const int own = precedence(token_.type);
    advance();
    Modifiers modifiers;
    if (!parse_modifiers(modifiers)) return nullptr;
    node->lhs = std::move(lhs);
    node->rhs = parse_binary(own == pow_precedence ? own : own + 1);
    if (failed_) return nullptr;
    node->range.start = node->lhs->range.start;
    const bool fills = modifiers.matching.fill_left || modifiers.matching.fill_right;
    if (fills && !features_.fill_modifiers) {
      return fail_at(node->range.start, "binop fill modifiers are experimental and not enabled");
    }
    node->matching = std::move(modifiers.matching);
    node->return_bool = modifiers.return_bool;
    const int end = node->rhs->range.end;
    lhs = finish(std::move(node));
    if (lhs) lhs->range.end = end;
  }
  --nesting_;
  return failed_ ? nullptr : std::move(lhs);
}

ExprPtr Parser::parse_unary() {
  if (!at(Tok::add) && !at(Tok::sub)) return parse_postfix(parse_primary());
  const Token op = token_;
  advance();
  ExprPtr operand = parse_binary(pow_precedence);
  if (failed_) return nullptr;
  if (operand->kind == Expr::Kind::number) {
    if (op.type == Tok::sub) as<NumberLiteral>(*operand).value *= -1;
    operand->range.start = op.pos;
    return operand;
  }
  auto node = std::make_unique<UnaryExpr>();
  node->op = op.type;
  node->range.start = op.pos;
  const int end = operand->range.end;
  node->expr = std::move(operand);
  ExprPtr done = finish(std::move(node));
  if (done) done->range.end = end;
  return done;
}

ExprPtr Parser::parse_primary() {
  switch (token_.type) {
    case Tok::number:
    case Tok::duration:
      return parse_number();
    case Tok::string:
      return parse_string();
    case Tok::left_paren:
      return parse_paren();
    case Tok::left_brace:
      return parse_selector(std::nullopt);
    default:
      return names_metric(token_.type) ? parse_word() : syntax_error();
  }
}

ExprPtr Parser::parse_word() {
  Token word = token_;
  advance();
  if (failed_) return nullptr;
  if (is_aggregator(word.type) && (at(Tok::left_paren) || at(Tok::by) || at(Tok::without))) {
    ExprPtr node = parse_aggregate(std::move(word));
    return failed_ ? unexpected("aggregation", "") : std::move(node);
  }
  if (names_function(word.type) && at(Tok::left_paren)) return parse_call(std::move(word));
  return parse_selector(std::move(word));
}

ExprPtr Parser::parse_paren() {
  auto node = std::make_unique<ParenExpr>();
  node->range.start = token_.pos;
  advance();
  node->expr = parse_binary(1);
  if (failed_ || !expect(Tok::right_paren)) return nullptr;
  return finish(std::move(node));
}

bool Parser::starts_expression() const {
  switch (token_.type) {
    case Tok::number:
    case Tok::duration:
    case Tok::string:
    case Tok::left_paren:
    case Tok::left_brace:
    case Tok::add:
    case Tok::sub:
      return true;
    default:
      return names_metric(token_.type);
  }
}

bool Parser::parse_arguments(std::vector<ExprPtr>& arguments) {
  if (!expect(Tok::left_paren)) return false;
  if (take(Tok::right_paren)) return true;
  for (;;) {
    arguments.push_back(parse_binary(1));
    if (failed_) return false;
    const int comma = token_.pos;
    if (!take(Tok::comma)) break;
    settle();
    if (failed_) return false;
    if (!starts_expression()) {
      fail_at(comma, "trailing commas not allowed in function call args");
      return false;
    }
  }
  return expect(Tok::right_paren);
}

ExprPtr Parser::parse_call(Token name) {
  auto node = std::make_unique<CallExpr>();
  node->range.start = name.pos;
  if (!parse_arguments(node->arguments)) return nullptr;
  node->function = find_function(name.text);
  if (node->function == nullptr) return fail_at(name.pos, "unknown function with name " + quote(name.text));
  if (node->function->experimental && !features_.experimental_functions) {
    return fail_at(name.pos, fmt::format("function {} is not enabled", quote(name.text)));
  }
  return finish(std::move(node));
}

ExprPtr Parser::parse_aggregate(Token op) {
  auto node = std::make_unique<AggregateExpr>();
  node->op = op.type;
  node->range.start = op.pos;
  const auto modifier = [&] {
    node->without = at(Tok::without);
    advance();
    return parse_grouping(node->grouping);
  };
  const bool first = at(Tok::by) || at(Tok::without);
  if (first && !modifier()) return nullptr;
  std::vector<ExprPtr> arguments;
  if (!parse_arguments(arguments)) return nullptr;
  if (!first) settle();
  if (!first && (at(Tok::by) || at(Tok::without)) && !modifier()) return nullptr;
  if (failed_) return nullptr;
  return complete_aggregate(std::move(node), std::move(arguments));
}

ExprPtr Parser::complete_aggregate(std::unique_ptr<AggregateExpr> node, std::vector<ExprPtr> arguments) {
  const int pos = node->range.start;
  if (arguments.empty()) return fail_at(pos, "no arguments for aggregate expression provided");
  const bool param = is_aggregator_with_param(node->op);
  if ((node->op == Tok::limitk || node->op == Tok::limit_ratio) && !features_.experimental_functions) {
    return fail_at(pos, fmt::format("{}() is experimental and must be enabled with "
                                    "--enable-feature=promql-experimental-functions",
                                    text_of(node->op)));
  }
  const size_t wanted = param ? 2 : 1;
  if (arguments.size() != wanted) {
    return fail_at(pos, fmt::format("wrong number of arguments for aggregate expression provided, expected {}, got {}",
                                    wanted, arguments.size()));
  }
  if (param) node->param = std::move(arguments[0]);
  node->expr = std::move(arguments.back());
  return finish(std::move(node));
}

bool Parser::parse_grouping(std::vector<std::string>& labels) {
  if (!take(Tok::left_paren)) return unexpected("grouping opts", "\"(\""), false;
  if (take(Tok::right_paren)) return true;
  for (;;) {
    if (!parse_grouping_label(labels)) return false;
    if (take(Tok::right_paren)) return true;
    if (!take(Tok::comma)) return unexpected("grouping opts", "\",\" or \")\""), false;
    if (take(Tok::right_paren)) return true;
  }
}

bool Parser::parse_grouping_label(std::vector<std::string>& labels) {
  if (failed_ || (!names_label(token_.type) && !at(Tok::string))) {
    return unexpected("grouping opts", "label"), false;
  }
  std::string name = token_.text;
  if (at(Tok::string)) {
    auto text = unquoted(token_);
    if (!text) return false;
    name = std::move(*text);
  }
  if (name.empty() || !valid_utf8(name)) {
    return fail_at(token_.pos, "invalid label name for grouping: " + quote(name)), false;
  }
  labels.push_back(std::move(name));
  advance();
  return !failed_;
}

bool Parser::parse_modifiers(Modifiers& out) {
  VectorMatching& matching = out.matching;
  out.return_bool = take(Tok::bool_);
  if (at(Tok::on) || at(Tok::ignoring)) {
    matching.on = at(Tok::on);
    advance();
    if (!parse_grouping(matching.labels)) return false;
    if (at(Tok::group_left) || at(Tok::group_right)) {
      matching.card = at(Tok::group_left) ? Cardinality::many_to_one : Cardinality::one_to_many;
      advance();
      const bool fills = at(Tok::fill) || at(Tok::fill_left) || at(Tok::fill_right);
      if ((at(Tok::left_paren) || !(starts_expression() || fills)) && !parse_grouping(matching.include)) return false;
    }
  }
  if (take(Tok::fill)) {
    if (!parse_fill(matching.fill_left)) return false;
    matching.fill_right = matching.fill_left;
  } else if (take(Tok::fill_left)) {
    if (!parse_fill(matching.fill_left)) return false;
    if (take(Tok::fill_right) && !parse_fill(matching.fill_right)) return false;
  } else if (take(Tok::fill_right)) {
    if (!parse_fill(matching.fill_right)) return false;
    if (take(Tok::fill_left) && !parse_fill(matching.fill_left)) return false;
  }
  return !failed_;
}

bool Parser::parse_fill(std::optional<double>& out) {
  if (!expect(Tok::left_paren)) return false;
  const bool negative = at(Tok::sub);
  if (negative || at(Tok::add)) advance();
  if (!at(Tok::number) && !at(Tok::duration)) return syntax_error(), false;
  const auto number = parse_number();
  if (!number || !expect(Tok::right_paren)) return false;
  out = negative ? -number->value : number->value;
  return true;
}

QueryResult<ExprPtr> parse_expr(std::string_view text, const Features& features, const Limits& limits) {
  if (text.size() > limits.max_query_bytes) {
    return tl::unexpected(
        QueryError{ErrorKind::bad_data, fmt::format("the query is longer than {} bytes", limits.max_query_bytes)});
  }
  Parser parser(text, features, limits);
  ExprPtr expr = parser.parse_query();
  if (parser.error()) return tl::unexpected(*parser.error());
  if (auto checked = check_types(text, *expr); !checked) return tl::unexpected(checked.error());
  return expr;
}

QueryResult<std::vector<Matcher>> parse_selector(std::string_view text) {
  const Features features;
  const Limits limits;
  if (text.size() > limits.max_query_bytes) {
    return tl::unexpected(QueryError{ErrorKind::bad_data, "the selector is too long"});
  }
  Parser parser(text, features, limits);
  auto selector = parser.parse_only_selector();
  if (parser.error()) return tl::unexpected(*parser.error());
  return std::move(selector->matchers);
}

QueryResult<std::string> format_query(std::string_view text, const Features& features) {
  auto expr = parse_expr(text, features, Limits{});
  if (!expr) return tl::unexpected(expr.error());
  return to_pretty(**expr);
}

QueryResult<std::string> parse_query(std::string_view text, const Features& features) {
  auto expr = parse_expr(text, features, Limits{});
  if (!expr) return tl::unexpected(expr.error());
  return to_tree_json(**expr);
}

}  // namespace hs::promql
