#include "promql/token.h"

#include <algorithm>

#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

constexpr std::string_view texts[] = {"",           "",
                                      "",           "",
                                      "",           "",
                                      "",           "",
                                      "(",          ")",
                                      "{",          "}",
                                      "[",          "]",
                                      ",",          "=",
                                      ":",          "-",
                                      "+",          "*",
                                      "%",          "/",
                                      "==",         "!=",
                                      "<=",         "<",
                                      ">=",         ">",
                                      "</",         ">/",
                                      "=~",         "!~",
                                      "^",          "@",
                                      "and",        "or",
                                      "unless",     "atan2",
                                      "avg",        "bottomk",
                                      "count",      "count_values",
                                      "group",      "max",
                                      "min",        "quantile",
                                      "stddev",     "stdvar",
                                      "sum",        "topk",
                                      "limitk",     "limit_ratio",
                                      "bool",       "by",
                                      "group_left", "group_right",
                                      "fill",       "fill_left",
                                      "fill_right", "ignoring",
                                      "offset",     "smoothed",
                                      "anchored",   "on",
                                      "without",    "start",
                                      "end",        "step",
                                      "range",      "max_of",
                                      "min_of"};
static_assert(std::size(texts) == static_cast<size_t>(Tok::min_of) + 1);

// Quotes at most the first ten characters.
std::string quote_start(const std::string& text) {
  size_t at = 0;
  for (int n = 0; n < 10 && at < text.size(); ++n) at += decode_rune(std::string_view(text).substr(at)).size;
  return quote(text.substr(0, at)) + "...";
}

std::string kind_name(Tok type) {
  switch (type) {
    case Tok::error:
      return "error";
    case Tok::end_of_input:
      return "end of input";
    case Tok::comment:
      return "comment";
    case Tok::identifier:
      return "identifier";
    case Tok::metric_identifier:
      return "metric identifier";
    case Tok::string:
      return "string";
    case Tok::number:
      return "number";
    case Tok::duration:
      return "duration";
    default:
      return quote(text_of(type));
  }
}

std::string item_text(const Token& token) {
  if (token.type == Tok::end_of_input) return "EOF";
  if (token.type == Tok::error) return token.text;
  if (token.type == Tok::identifier || token.type == Tok::metric_identifier) return quote(token.text);
  if (is_keyword(token.type)) return "<" + token.text + ">";
  if (is_operator(token.type)) return "<op:" + token.text + ">";
  if (is_aggregator(token.type)) return "<aggr:" + token.text + ">";
  return token.text.size() > 10 ? quote_start(token.text) : quote(token.text);
}

}  // namespace

std::string_view text_of(Tok t) { return texts[static_cast<size_t>(t)]; }

bool is_aggregator_with_param(Tok t) {
  return t == Tok::topk || t == Tok::bottomk || t == Tok::count_values || t == Tok::quantile || t == Tok::limitk ||
         t == Tok::limit_ratio;
}

bool is_comparison(Tok t) {
  return t == Tok::equal_equal || t == Tok::not_equal || t == Tok::less_equal || t == Tok::less ||
         t == Tok::greater_equal || t == Tok::greater;
}

bool is_set_operator(Tok t) { return t == Tok::land || t == Tok::lor || t == Tok::lunless; }

std::string Token::describe() const {
  if (type == Tok::end_of_input) return "end of input";
  if (!text_of(type).empty()) return item_text(*this);
  return kind_name(type) + " " + item_text(*this);
}

}  // namespace hs::promql
