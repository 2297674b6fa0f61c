#pragma once
// The tree of a parsed expression.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "promql/matcher.h"
#include "promql/token.h"

namespace hs::promql {

enum class ValueType : uint8_t { none, scalar, vector, matrix, string };

std::string_view name_of(ValueType type);          // as in JSON: "vector"
std::string_view documented_name(ValueType type);  // as in messages: "instant vector"

// A function of the language. variadic: 0 = exactly `arguments`; n > 0 = the last one may be left out or come up to n
// times; -1 = any number of times from none.
struct Function {
  std::string_view name;
  std::vector<ValueType> arguments;
  int variadic = 0;
  ValueType result = ValueType::vector;
  bool experimental = false;
};

const Function* find_function(std::string_view name);  // nullptr when there is none

// Bytes of the query text; only `start` appears in messages.
struct Range {
  int start = 0;
  int end = 0;
};

struct Expr {
  enum class Kind : uint8_t {
    aggregate,
    binary,
    call,
    matrix_selector,
    subquery,
    number,
    paren,
    string,
    unary,
    vector_selector,
    duration,
  };
  explicit Expr(Kind k) : kind(k) {}
  virtual ~Expr() = default;

  const Kind kind;
  int depth = 1;  // of the tree below, itself included
  Range range;
  bool step_invariant = false;  // same value at every step; set by prepare()

  ValueType type() const;
};

using ExprPtr = std::unique_ptr<Expr>;

struct NumberLiteral : Expr {
  NumberLiteral() : Expr(Kind::number) {}
  double value = 0;          // seconds of a duration
  bool is_duration = false;  // written as one
};

// Arithmetic of durations: `op` on one (only rhs) or two operands, or step(), range(), min_of(), max_of().
struct DurationExpr : Expr {
  DurationExpr() : Expr(Kind::duration) {}
  Tok op = Tok::end_of_input;
  ExprPtr lhs;
  ExprPtr rhs;
  bool wrapped = false;  // in parentheses
};

struct StringLiteral : Expr {
  StringLiteral() : Expr(Kind::string) {}
  std::string value;
};

struct ParenExpr : Expr {
  ParenExpr() : Expr(Kind::paren) {}
  ExprPtr expr;
};

struct UnaryExpr : Expr {
  UnaryExpr() : Expr(Kind::unary) {}
  Tok op = Tok::sub;
  ExprPtr expr;
};

// `@` and `offset`, of selectors and subqueries.
struct TimeModifier {
  int64_t original_offset_ms = 0;             // as written (or as its expression evaluates)
  std::shared_ptr<DurationExpr> offset_expr;  // when it was an expression
  std::optional<int64_t> timestamp_ms;        // @ 123, or what start() and end() stand for once prepared
  std::optional<Tok> preprocessor;            // @ start() or @ end()
  int64_t offset_ms = 0;                      // to subtract from the evaluation time; set by prepare()
};

struct VectorSelector : Expr {
  VectorSelector() : Expr(Kind::vector_selector) {}
  std::string name;  // when written before the braces
  std::vector<Matcher> matchers;
  TimeModifier time;
  bool anchored = false;
  bool smoothed = false;
  bool may_match_empty = false;  // the second argument of info()
};

struct MatrixSelector : Expr {
  MatrixSelector() : Expr(Kind::matrix_selector) {}
  ExprPtr selector;  // a VectorSelector when the query is valid
  int64_t range_ms = 0;
  std::unique_ptr<DurationExpr> range_expr;
};

struct SubqueryExpr : Expr {
  SubqueryExpr() : Expr(Kind::subquery) {}
  ExprPtr expr;
  int64_t range_ms = 0;
  std::unique_ptr<DurationExpr> range_expr;
  int64_t step_ms = 0;  // 0 = the default
  std::unique_ptr<DurationExpr> step_expr;
  TimeModifier time;
};

struct CallExpr : Expr {
  CallExpr() : Expr(Kind::call) {}
  const Function* function = nullptr;
  std::vector<ExprPtr> arguments;
};

struct AggregateExpr : Expr {
  AggregateExpr() : Expr(Kind::aggregate) {}
  Tok op = Tok::sum;
  ExprPtr expr;
  ExprPtr param;
  std::vector<std::string> grouping;
  bool without = false;
};

enum class Cardinality : uint8_t { one_to_one, many_to_one, one_to_many, many_to_many };

std::string_view name_of(Cardinality cardinality);

struct VectorMatching {
  Cardinality card = Cardinality::one_to_one;
  std::vector<std::string> labels;
  bool on = false;
  std::vector<std::string> include;
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct BinaryExpr : Expr {
  BinaryExpr() : Expr(Kind::binary) {}
  Tok op = Tok::add;
  ExprPtr lhs;
  ExprPtr rhs;
  bool return_bool = false;
  std::optional<VectorMatching> matching;  // only between two vectors once checked
};

template <class T>
T& as(Expr& expr) {
  return static_cast<T&>(expr);
}
template <class T>
const T& as(const Expr& expr) {
  return static_cast<const T&>(expr);
}

// The expressions directly below, in the order of the text; never a duration expression.
std::vector<Expr*> children(Expr& expr);
// Without the parentheses around it.
const Expr& unwrap(const Expr& expr);

// The expression as text that parses to the same tree, on one line, and laid out over several when it is long.
std::string to_text(const Expr& expr);
std::string to_pretty(const Expr& expr);
// The tree as the parse_query endpoint gives it.
std::string to_tree_json(const Expr& expr);

}  // namespace hs::promql
