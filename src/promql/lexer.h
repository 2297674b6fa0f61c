#pragma once
// Query text into tokens, with the messages and positions of Prometheus' lexer.

#include <string_view>

#include "promql/token.h"

namespace hs::promql {

class Lexer {
 public:
  explicit Lexer(std::string_view input) : input_(input) {}

  // After an error or the end: the end, again and again. Comments are left out.
  Token next();
  // Where an error token stands; the byte after it when its token was complete already.
  int error_position() const { return static_cast<int>(start_); }

 private:
  static constexpr char32_t eof = 0xffffffff;

  char32_t advance();
  char32_t peek();
  void back() { pos_ -= width_; }
  bool accept(std::string_view set);
  bool is(std::string_view set);
  Token emit(Tok type);
  Token error(std::string message);
  void skip_spaces();
  void skip_comment();
  std::string_view pending() const { return input_.substr(start_, pos_ - start_); }

  Token statement();
  Token symbol(char32_t c);
  Token equal_sign();
  Token inside_braces();
  Token brace_operator(char32_t c);
  Token duration_start();
  Token bracketed_word(char32_t c);
  Token close_paren();
  Token quoted(char32_t quote);
  Token raw_quoted();
  bool escape(char32_t quote, std::string& problem);
  bool numeric_escape(char32_t c, int digits, uint32_t base, uint32_t max, std::string& problem);
  Token number_or_duration();
  bool number();
  bool number_tail(std::string_view digits);
  bool duration();
  Tok duration_keyword();
  Token word();
  bool paren_follows();

  std::string_view input_;
  size_t pos_ = 0;
  size_t start_ = 0;
  size_t width_ = 0;
  int parens_ = 0;
  bool brace_open_ = false;
  bool bracket_open_ = false;
  bool got_colon_ = false;
  bool got_duration_ = false;
  bool in_duration_ = false;  // directly after [, before its first number
  bool failed_ = false;
};

}  // namespace hs::promql
