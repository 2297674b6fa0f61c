#include "store/engine/sql_text.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace hs::store {
namespace {

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

bool equal_no_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y));
  });
}

// Walks over words and single punctuation characters; comments vanish, quoted things are one token.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  // The next token, empty at the end.
  std::string_view next() {
    skip_blanks();
    start_ = at_;
    if (at_ >= text_.size()) return {};
    const char c = text_[at_];
    if (c == '\'' || c == '"' || c == '`') {
      skip_quoted(c);
    } else if (is_word(c)) {
      while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    } else {
      ++at_;
    }
    return text_.substr(start_, at_ - start_);
  }
  size_t start() const { return start_; }  // of the last token
  size_t end() const { return at_; }

 private:
  bool looking_at(std::string_view what) const { return text_.substr(at_, what.size()) == what; }
  void skip_to_after(std::string_view what) {
    const size_t found = text_.find(what, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + what.size();
  }
  void skip_blanks() {
    while (at_ < text_.size()) {
      if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
        ++at_;
      } else if (looking_at("--") || looking_at("# ") || looking_at("#!")) {
        skip_to_after("\n");
      } else if (looking_at("/*")) {
        skip_to_after("*/");
      } else {
        return;
      }
    }
  }
  void skip_quoted(char quote) {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == quote) {
        if (at_ + 1 < text_.size() && text_[at_ + 1] == quote) {
          ++at_;  // doubled: a quote inside
        } else {
          ++at_;
          return;
        }
      }
    }
    at_ = std::min(at_, text_.size());
  }

  std::string_view text_;
  size_t at_ = 0, start_ = 0;
};

std::string_view without_end(std::string_view sql) {
  while (!sql.empty() && (std::isspace(static_cast<unsigned char>(sql.back())) != 0 || sql.back() == ';')) {
    sql.remove_suffix(1);
  }
  return sql;
}

// What stands behind "FORMAT Name": one line break separates it from the data, blanks before it do not count.
std::string_view data_after_format(std::string_view sql, size_t at) {
  while (at < sql.size() && (sql[at] == ' ' || sql[at] == '\t' || sql[at] == '\r' || sql[at] == ';')) ++at;
  if (at < sql.size() && sql[at] == '\n') ++at;
  return sql.substr(at);
}

}  // namespace

std::optional<InsertText> split_insert(std::string_view sql) {
  Scanner scan(sql);
  if (!equal_no_case(scan.next(), "insert")) return std::nullopt;
  int depth = 0;
  for (std::string_view token = scan.next(); !token.empty(); token = scan.next()) {
    if (token == "(") ++depth;
    if (token == ")") --depth;
    if (depth != 0) continue;
    if (equal_no_case(token, "select") || equal_no_case(token, "with") || equal_no_case(token, "watch")) {
      return std::nullopt;
    }
    const size_t clause = scan.start();
    if (equal_no_case(token, "values")) {
      return InsertText{std::string(sql.substr(0, clause)), "Values", sql.substr(scan.end())};
    }
    if (equal_no_case(token, "format")) {
      const std::string_view name = scan.next();
      return InsertText{std::string(sql.substr(0, clause)), std::string(name), data_after_format(sql, scan.end())};
    }
  }
  return InsertText{std::string(without_end(sql)), "", {}};
}

std::string_view output_format(std::string_view sql) {
  Scanner scan(sql);
  std::string_view found;
  int depth = 0;
  for (std::string_view token = scan.next(); !token.empty(); token = scan.next()) {
    if (token == "(") ++depth;
    if (token == ")") --depth;
    if (depth == 0 && equal_no_case(token, "format")) found = scan.next();
  }
  return !found.empty() && is_word(found.front()) ? found : std::string_view{};
}

bool is_select(std::string_view sql) {
  const std::string_view first = Scanner(sql).next();
  return first == "(" || equal_no_case(first, "select") || equal_no_case(first, "with");
}

bool is_concatenable(std::string_view format) {
  static constexpr std::array<std::string_view, 12> names = {
      "Native",      "TabSeparated",       "TSV",       "TabSeparatedRaw", "TSVRaw",    "CSV",
      "JSONEachRow", "JSONCompactEachRow", "RowBinary", "LineAsString",    "JSONLines", "NDJSON"};
  return std::find(names.begin(), names.end(), format) != names.end();
}

}  // namespace hs::store
