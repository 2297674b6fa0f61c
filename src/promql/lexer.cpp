#include "promql/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "promql/quote.h"
#include "promql/utf8.h"

namespace hs::promql {
namespace {

bool space(char32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool digit(char32_t c) { return c >= '0' && c <= '9'; }
bool alpha(char32_t c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool alnum(char32_t c) { return alpha(c) || digit(c); }

// Go's %q of a character; the end of input is no character.
std::string quoted_rune(char32_t c) {
  if (c > 0x10ffff) c = 0xfffd;
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  std::string bytes;
  append_rune(bytes, c);
  const std::string inner = quote(bytes);
  return "'" + inner.substr(1, inner.size() - 2) + "'";
}

// Go's %#U of a character.
std::string code_point(char32_t c) {
  std::string bytes;
  append_rune(bytes, c);
  return fmt::format("U+{:04X} '{}'", static_cast<uint32_t>(c), bytes);
}

std::string lower(std::string_view word) {
  std::string out(word);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  return out;
}

// The keyword that `word` is in any case; Tok::end_of_input when it is none.
Tok keyword(std::string_view word) {
  const std::string name = lower(word);
  if (name == "inf" || name == "nan") return Tok::number;
  for (auto t = static_cast<uint8_t>(Tok::land); t <= static_cast<uint8_t>(Tok::min_of); ++t) {
    if (text_of(static_cast<Tok>(t)) == name) return static_cast<Tok>(t);
  }
  return Tok::end_of_input;
}

int digit_value(char32_t c) {
  if (digit(c)) return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<int>(c - 'A' + 10);
  return 16;
}

}  // namespace

char32_t Lexer::advance() {
  if (pos_ >= input_.size()) {
    width_ = 0;
    return eof;
  }
  const Rune rune = decode_rune(input_.substr(pos_));
  width_ = rune.size;
  pos_ += width_;
  return rune.code;
}

char32_t Lexer::peek() {
  const char32_t c = advance();
  back();
  return c;
}

bool Lexer::is(std::string_view set) {
  const char32_t c = peek();
  return c < 0x80 && set.find(static_cast<char>(c)) != std::string_view::npos;
}

bool Lexer::accept(std::string_view set) {
  if (!is(set)) return false;
  advance();
  return true;
}

Token Lexer::emit(Tok type) {
  Token token{type, static_cast<int>(start_), std::string(pending())};
  start_ = pos_;
  return token;
}

Token Lexer::error(std::string message) {
  failed_ = true;
  return {Tok::error, static_cast<int>(start_), std::move(message)};
}

void Lexer::skip_spaces() {
  while (space(peek())) advance();
  start_ = pos_;
}

void Lexer::skip_comment() {
  while (pos_ < input_.size() && input_[pos_] != '\n' && input_[pos_] != '\r') ++pos_;
  start_ = pos_;
}

Token Lexer::next() {
  if (failed_) {
    start_ = pos_;
    return emit(Tok::end_of_input);
  }
  if (in_duration_) return duration_start();
  for (;;) {
    skip_spaces();
    if (pos_ >= input_.size() || input_[pos_] != '#') break;
    skip_comment();
  }
  return brace_open_ ? inside_braces() : statement();
}

Token Lexer::statement() {
  const char32_t c = advance();
  if (c == eof) {
    if (parens_ != 0) return error("unclosed left parenthesis");
    if (bracket_open_) return error("unclosed left bracket");
    return emit(Tok::end_of_input);
  }
  if (digit(c) || (c == '.' && digit(peek()))) {
    back();
    return number_or_duration();
  }
  if (c == '"' || c == '\'') return quoted(c);
  if (c == '`') return raw_quoted();
  if (alpha(c) || c == ':') return bracket_open_ ? bracketed_word(c) : (back(), word());
  return symbol(c);
}

Token Lexer::symbol(char32_t c) {
  const auto either = [&](Tok plain, Tok with_equal, Tok with_slash) {
    if (accept("=")) return emit(with_equal);
    return accept("/") ? emit(with_slash) : emit(plain);
  };
  switch (c) {
    case ',':
      return emit(Tok::comma);
    case '*':
      return emit(Tok::mul);
    case '/':
      return emit(Tok::div);
    case '%':
      return emit(Tok::mod);
    case '+':
      return emit(Tok::add);
    case '-':
      return emit(Tok::sub);
    case '^':
      return emit(Tok::pow);
    case '@':
      return emit(Tok::at);
    case '=':
      return equal_sign();
    case '<':
      return either(Tok::less, Tok::less_equal, Tok::trim_upper);
    case '>':
      return either(Tok::greater, Tok::greater_equal, Tok::trim_lower);
    case '(':
      ++parens_;
      return emit(Tok::left_paren);
    case ')':
      return close_paren();
    case '{':
      brace_open_ = true;
      return emit(Tok::left_brace);
    default:
      break;
  }
  if (c == '!') {
    const char32_t then = advance();
    return then == '=' ? emit(Tok::not_equal) : error("unexpected character after '!': " + quoted_rune(then));
  }
  if (c == '[') {
    if (bracket_open_) return error("unexpected left bracket '['");
    got_colon_ = false;
    bracket_open_ = in_duration_ = true;
    return emit(Tok::left_bracket);
  }
  if (c == ']') {
    if (!bracket_open_) return error("unexpected right bracket ']'");
    bracket_open_ = false;
    return emit(Tok::right_bracket);
  }
  return error("unexpected character: " + quoted_rune(c));
}

Token Lexer::equal_sign() {
  const char32_t then = peek();
  if (then == '~') return error("unexpected character after '=': '~'");
  if (then == '=') {
    advance();
    return emit(Tok::equal_equal);
  }
  return emit(Tok::equal);
}

Token Lexer::close_paren() {
  Token token = emit(Tok::right_paren);
  return --parens_ < 0 ? error("unexpected right parenthesis ')'") : token;
}

Token Lexer::bracketed_word(char32_t c) {
  if (c == ':') {
    if (got_colon_) return error("unexpected colon ':'");
    got_colon_ = true;
    return emit(Tok::colon);
  }
  if (const Tok t = duration_keyword(); t != Tok::end_of_input) return emit(t);
  return error(fmt::format("unexpected character: {}, expected ':'", quoted_rune(c)));
}

// A word whose first character was read: step, range, max_of, min_of?
Tok Lexer::duration_keyword() {
  while (alpha(peek())) advance();
  const Tok t = keyword(pending());
  return t == Tok::step || t == Tok::range || t == Tok::max_of || t == Tok::min_of ? t : Tok::end_of_input;
}

Token Lexer::inside_braces() {
  const char32_t c = advance();
  if (c == eof) return error("unexpected end of input inside braces");
  if (alpha(c)) {
    while (alnum(peek())) advance();
    return emit(Tok::identifier);
  }
  switch (c) {
    case ',':
      return emit(Tok::comma);
    case '"':
    case '\'':
      return quoted(c);
    case '`':
      return raw_quoted();
    case '=':
    case '!':
      return brace_operator(c);
    case '{':
      return error("unexpected left brace '{'");
    case '}':
      brace_open_ = false;
      return emit(Tok::right_brace);
    default:
      return error("unexpected character inside braces: " + quoted_rune(c));
  }
}

Token Lexer::brace_operator(char32_t c) {
  if (c == '=') return accept("~") ? emit(Tok::equal_regex) : emit(Tok::equal);
  const char32_t then = advance();
  if (then == '~') return emit(Tok::not_equal_regex);
  if (then == '=') return emit(Tok::not_equal);
  return error("unexpected character after '!' inside braces: " + quoted_rune(then));
}

Token Lexer::duration_start() {
  skip_spaces();
  const char32_t c = advance();
  switch (c) {
    case eof:
      return error("unexpected end of input in duration expression");
    case ']':
      in_duration_ = bracket_open_ = got_colon_ = false;
      return emit(Tok::right_bracket);
    case '(':
      ++parens_;
      return emit(Tok::left_paren);
    case ')':
      return close_paren();
    case '+':
      return emit(Tok::add);
    case '-':
      return emit(Tok::sub);
    case '*':
      return emit(Tok::mul);
    case '/':
      return emit(Tok::div);
    case '%':
      return emit(Tok::mod);
    case '^':
      return emit(Tok::pow);
    case ',':
      return emit(Tok::comma);
    default:
      break;
  }
  if (c == ':') {
    Token token = emit(Tok::colon);
    if (!got_duration_) return error("unexpected colon before duration in duration expression");
    if (got_colon_) return error("unexpected repeated colon in duration expression");
    got_colon_ = true;
    return token;
  }
  if (digit(c) || (c == '.' && digit(peek()))) {
    back();
    got_duration_ = true;
    in_duration_ = false;
    return number_or_duration();
  }
  if (const std::string_view starts = "srmSRM"; c < 0x80 && starts.find(char(c)) != std::string_view::npos) {
    if (const Tok t = duration_keyword(); t != Tok::end_of_input) return emit(t);
  }
  return error("unexpected character in duration expression: " + quoted_rune(c));
}

Token Lexer::quoted(char32_t quote) {
  for (;;) {
    const size_t at = pos_;
    const char32_t c = advance();
    if (c == '\\') {
      std::string problem;
      if (!escape(quote, problem)) return error(std::move(problem));
    } else if (c == 0xfffd && (width_ == 1 || input_.substr(at, 3) == "\xef\xbf\xbd")) {
      return error("invalid UTF-8 rune");
    } else if (c == eof || c == '\n') {
      return error("unterminated quoted string");
    } else if (c == quote) {
      return emit(Tok::string);
    }
  }
}

Token Lexer::raw_quoted() {
  for (;;) {
    const char32_t c = advance();
    if (c == 0xfffd) return error("invalid UTF-8 rune");
    if (c == eof) return error("unterminated raw string");
    if (c == '`') return emit(Tok::string);
  }
}

bool Lexer::escape(char32_t quote, std::string& problem) {
  const char32_t c = advance();
  if (c == quote || (c < 0x80 && std::string_view("abfnrtv\\").find(char(c)) != std::string_view::npos)) return true;
  if (c >= '0' && c <= '7') return numeric_escape(c, 3, 8, 255, problem);
  if (c == 'x') return numeric_escape(advance(), 2, 16, 255, problem);
  if (c == 'u') return numeric_escape(advance(), 4, 16, 0x10ffff, problem);
  if (c == 'U') return numeric_escape(advance(), 8, 16, 0x10ffff, problem);
  problem = c == eof ? "escape sequence not terminated" : "unknown escape sequence " + code_point(c);
  return false;
}

bool Lexer::numeric_escape(char32_t c, int digits, uint32_t base, uint32_t max, std::string& problem) {
  uint32_t value = 0;
  for (int n = digits; n > 0; --n) {
    const auto d = static_cast<uint32_t>(digit_value(c));
    if (d >= base) {
      problem = c == eof ? "escape sequence not terminated"
                         : fmt::format("illegal character {} in escape sequence", code_point(c));
      return false;
    }
    value = value * base + d;
    if (n > 1) c = advance();
  }
  if (value <= max && (value < 0xd800 || value >= 0xe000)) return true;
  problem = "escape sequence is an invalid Unicode code point";
  return false;
}

Token Lexer::number_or_duration() {
  if (number()) return emit(Tok::number);
  if (duration()) return emit(Tok::duration);
  return error("bad number or duration syntax: " + quote(pending()));
}

// The rest of a duration whose first digits were read as a number.
bool Lexer::duration() {
  if (!accept("smhdwy")) return false;
  accept("s");
  while (accept("0123456789")) {
    while (accept("0123456789")) {
    }
    if (!accept("smhdw")) return false;
    accept("s");
  }
  if (alnum(advance())) return false;
  back();
  return true;
}

bool Lexer::number() {
  const size_t first = pos_;
  std::string_view digits = "0123456789";
  if (accept("0") && accept("xX")) {
    accept("_");
    digits = "0123456789abcdefABCDEF";
  }
  accept(".");
  accept(digits);
  if (!number_tail(digits)) return false;
  return pos_ != first && !alnum(peek());
}

bool Lexer::number_tail(std::string_view digits) {
  bool dot = false;
  bool exponent = false;
  const std::string all = std::string(digits) + "._eE";
  while (is(all)) {
    if (dot && accept(".")) return false;
    if (exponent && accept("eE")) return false;
    if (accept(".")) {
      dot = true;
      if (accept("_.") || digits.size() > 10) return false;
    } else if (accept("eE")) {
      exponent = true;
      accept("+-");
      if (accept("._eE") || peek() == eof) return false;
    } else if (accept("_")) {
      if (accept("._eE") || peek() == eof) return false;
    } else {
      while (accept(digits)) {
      }
    }
  }
  return true;
}

Token Lexer::word() {
  while (alnum(peek()) || peek() == ':') advance();
  const Tok t = keyword(pending());
  if (t == Tok::fill || t == Tok::fill_left || t == Tok::fill_right) {
    return emit(paren_follows() ? t : Tok::identifier);
  }
  if (t != Tok::end_of_input) return emit(t);
  return emit(pending().find(':') == std::string_view::npos ? Tok::identifier : Tok::metric_identifier);
}

bool Lexer::paren_follows() {
  const size_t at = input_.find_first_not_of(" \t\n\r", pos_);
  return at != std::string_view::npos && input_[at] == '(';
}

}  // namespace hs::promql
