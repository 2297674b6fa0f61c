#pragma once
// The parser's state; part of parser.cpp and parse_*.cpp only.

#include <optional>
#include <string>

#include "promql/lexer.h"
#include "promql/parser.h"

namespace hs::promql {

// Every parse_ function returns null (or false) after a failure. A syntax error is first only noted; the innermost
// function that knows a better text for its place reports it, the outermost one reports it without.
class Parser {
 public:
  Parser(std::string_view text, const Features& features, const Limits& limits)
      : text_(text), features_(features), limits_(limits), lexer_(text) {
    advance();
  }

  ExprPtr parse_query();
  std::unique_ptr<VectorSelector> parse_only_selector();
  const std::optional<QueryError>& error() const { return error_; }

 private:
  struct Modifiers {
    VectorMatching matching;
    bool return_bool = false;
  };

  // Tokens and errors (parser.cpp).
  void advance();
  bool at(Tok type) const { return token_.type == type; }
  bool take(Tok type);
  bool expect(Tok type);
  std::nullptr_t fail_at(int pos, const std::string& message);
  std::nullptr_t syntax_error();
  std::nullptr_t unexpected(std::string_view context, std::string_view expected);
  bool enter();
  void settle();  // now the next token matters: if it is an error, that is the error
  template <class T>
  std::unique_ptr<Expr> finish(std::unique_ptr<T> node);

  // Expressions (parser.cpp).
  ExprPtr parse_binary(int min_precedence);
  ExprPtr parse_unary();
  ExprPtr parse_primary();
  ExprPtr parse_word();
  ExprPtr parse_paren();
  ExprPtr parse_aggregate(Token op);
  ExprPtr parse_call(Token name);
  bool parse_arguments(std::vector<ExprPtr>& arguments);
  bool parse_modifiers(Modifiers& out);
  bool parse_fill(std::optional<double>& out);
  bool parse_grouping(std::vector<std::string>& labels);
  bool parse_grouping_label(std::vector<std::string>& labels);
  bool starts_expression() const;
  ExprPtr complete_aggregate(std::unique_ptr<AggregateExpr> node, std::vector<ExprPtr> arguments);

  // Selectors, literals, @ and offset (parse_selector.cpp).
  std::unique_ptr<NumberLiteral> parse_number();
  ExprPtr parse_string();
  std::optional<double> number_of(const Token& token);
  std::optional<std::string> unquoted(const Token& token);
  std::unique_ptr<VectorSelector> parse_selector(std::optional<Token> name);
  bool parse_matchers(VectorSelector& selector);
  bool parse_matcher(VectorSelector& selector);
  ExprPtr parse_postfix(ExprPtr expr);
  ExprPtr parse_at(ExprPtr expr);
  ExprPtr parse_offset(ExprPtr expr);
  ExprPtr parse_extension(ExprPtr expr);
  ExprPtr parse_bracket(ExprPtr expr);
  ExprPtr make_matrix(ExprPtr expr, ExprPtr range, const Token& bracket);
  TimeModifier* time_of(Expr& expr, std::string_view what);
  bool set_timestamp(Expr& expr, double seconds);

  // Durations (parse_duration.cpp).
  ExprPtr parse_offset_duration();
  ExprPtr parse_positive_duration();
  ExprPtr parse_duration(int min_precedence);
  ExprPtr parse_duration_operand();
  ExprPtr parse_duration_call(const Token* sign);  // after a sign, when there is one
  ExprPtr apply_sign(const Token& sign, ExprPtr operand);
  ExprPtr combine(Token op, ExprPtr lhs, ExprPtr rhs);
  bool allowed(const Expr& duration);
  bool in_range(const NumberLiteral& number, int pos);

  std::string_view text_;
  const Features& features_;
  const Limits& limits_;
  Lexer lexer_;
  Token token_;       // the next one
  int last_end_ = 0;  // of the token before
  int nesting_ = 0;
  bool failed_ = false;
  bool pending_ = false;  // a syntax error without text yet
  std::optional<QueryError> error_;
};

// A range or offset: milliseconds of a literal, or the expression itself.
void set_duration(ExprPtr duration, int64_t& ms, std::unique_ptr<DurationExpr>& expression);

template <class T>
std::unique_ptr<Expr> Parser::finish(std::unique_ptr<T> node) {
  node->range.end = last_end_;
  int deepest = 0;
  for (const Expr* child : children(*node)) deepest = std::max(deepest, child->depth);
  node->depth = deepest + 1;
  if (node->depth > limits_.max_depth) {
    return fail_at(node->range.start, "the expression nests deeper than " + std::to_string(limits_.max_depth));
  }
  return node;
}

}  // namespace hs::promql
