#pragma once
// Tokens of PromQL.

#include <cstdint>
#include <string>
#include <string_view>

namespace hs::promql {

enum class Tok : uint8_t {
  end_of_input,
  error,
  comment,
  identifier,
  metric_identifier,
  string,
  number,
  duration,
  left_paren,
  right_paren,
  left_brace,
  right_brace,
  left_bracket,
  right_bracket,
  comma,
  equal,
  colon,
  // operators
  sub,
  add,
  mul,
  mod,
  div,
  equal_equal,
  not_equal,
  less_equal,
  less,
  greater_equal,
  greater,
  trim_upper,
  trim_lower,
  equal_regex,
  not_equal_regex,
  pow,
  at,
  land,
  lor,
  lunless,
  atan2,
  // aggregators
  avg,
  bottomk,
  count,
  count_values,
  group,
  max,
  min,
  quantile,
  stddev,
  stdvar,
  sum,
  topk,
  limitk,
  limit_ratio,
  // keywords
  bool_,
  by,
  group_left,
  group_right,
  fill,
  fill_left,
  fill_right,
  ignoring,
  offset,
  smoothed,
  anchored,
  on,
  without,
  // preprocessors
  start,
  end,
  step,
  range,
  max_of,
  min_of,
};

inline bool is_operator(Tok t) { return t >= Tok::sub && t <= Tok::atan2; }
inline bool is_aggregator(Tok t) { return t >= Tok::avg && t <= Tok::limit_ratio; }
inline bool is_keyword(Tok t) { return t >= Tok::bool_ && t <= Tok::without; }
bool is_aggregator_with_param(Tok t);
bool is_comparison(Tok t);
bool is_set_operator(Tok t);

// The text of tokens that have one ("+", "sum"); "" for the others.
std::string_view text_of(Tok t);

struct Token {
  Tok type = Tok::end_of_input;
  int pos = 0;       // byte of the query
  std::string text;  // as written; of an error its message

  int end() const { return pos + static_cast<int>(text.size()); }
  // As it appears in messages: `identifier "foo"`, `<op:+>`, `end of input`.
  std::string describe() const;
};

}  // namespace hs::promql
