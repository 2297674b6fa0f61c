// Text and actions of a template into a tree.

#include <algorithm>
#include <cctype>
#include <cmath>

#include <fmt/format.h>

#include "promql/unquote.h"
#include "rules/template_tree.h"

namespace hs::rules {
namespace {

constexpr std::string_view blanks = " \t\r\n";
constexpr double int_bound = 9223372036854775808.0;  // the first that is no int64

bool is_blank(char c) { return blanks.find(c) != blanks.npos; }
bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Node>> parse() {
    std::vector<Node> nodes;
    const Stop stop = read_nodes(nodes);
    if (error_.empty() && stop == Stop::end) set_error("unexpected {{end}}");
    if (error_.empty() && stop == Stop::otherwise) set_error("unexpected {{else}}");
    if (error_.empty()) return nodes;
    return fail(Code::invalid_argument, fmt::format("{}: {}", place(error_at_), error_));
  }

 private:
  enum class Stop : uint8_t { input, end, otherwise };

  std::string place(size_t at) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t newline = before.rfind('\n');
    return fmt::format("{}:{}", line, newline == before.npos ? at + 1 : at - newline);
  }

  bool set_error(std::string what) {
    if (error_.empty()) error_ = std::move(what), error_at_ = std::min(pos_, text_.size());
    return false;
  }

  // Up to the end of the input, {{end}} or {{else}}; behind `else` or `end` of that action, which is still open.
  Stop read_nodes(std::vector<Node>& out) {
    if (++depth_ > Template::depth_max) set_error("nests too deep");
    while (error_.empty()) {
      const size_t open = text_.find("{{", pos_);
      add_text(out, text_.substr(pos_, open == text_.npos ? text_.npos : open - pos_), open);
      if (open == text_.npos) {
        pos_ = text_.size();
        break;
      }
      pos_ = open + 2;
      if (pos_ + 1 < text_.size() && text_[pos_] == '-' && is_blank(text_[pos_ + 1])) ++pos_;
      skip_blanks();
      if (text_.substr(pos_).starts_with("/*")) {
        read_comment();
        continue;
      }
      if (take_word("end")) return leave(Stop::end);
      if (take_word("else")) return leave(Stop::otherwise);
      read_action(out);
    }
    --depth_;
    return Stop::input;
  }

  Stop leave(Stop stop) {
    --depth_;
    if (stop == Stop::end) close();
    return stop;
  }

  void add_text(std::vector<Node>& out, std::string_view text, size_t open) {
    const bool trim_end = open != text_.npos && text_.substr(open).starts_with("{{-") && open + 3 < text_.size() &&
                          is_blank(text_[open + 3]);
    if (trim_next_) text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    if (trim_end) text = text.substr(0, text.find_last_not_of(blanks) + 1);
    trim_next_ = false;
    if (!text.empty())
      out.push_back({.kind = Node::Kind::text, .text = std::string(text), .pipeline = {}, .body = {}, .otherwise = {}});
  }

  void read_comment() {
    const size_t end = text_.find("*/", pos_);
    if (end == text_.npos) {
      set_error("unclosed comment");
      return;
    }
    pos_ = end + 2;
    close();
  }

  // }} or -}}
  bool close() {
    skip_blanks();
    const bool trims = text_.substr(pos_).starts_with("-}}") && pos_ > 0 && is_blank(text_[pos_ - 1]);
    if (trims) ++pos_;
    if (!text_.substr(pos_).starts_with("}}")) return set_error(unexpected("the end of the action"));
    pos_ += 2;
    trim_next_ = trims;
    return true;
  }

  std::string unexpected(std::string_view wanted) const {
    if (pos_ >= text_.size()) return "unclosed action: }} is missing";
    return fmt::format("unexpected {} where {} should be", promql_quote(text_.substr(pos_, 1)), wanted);
  }
  static std::string promql_quote(std::string_view text) { return fmt::format("\"{}\"", text); }

  void read_action(std::vector<Node>& out) {
    Node node;
    node.kind = Node::Kind::action;
    if (take_word("if"))
      node.kind = Node::Kind::branch;
    else if (take_word("range"))
      node.kind = Node::Kind::loop;
    else if (take_word("with"))
      node.kind = Node::Kind::scope;
    else if (take_word("break"))
      node.kind = Node::Kind::leave;
    else if (take_word("continue"))
      node.kind = Node::Kind::again;
    for (const std::string_view word : {"define", "template", "block"})
      if (take_word(word)) {
        set_error(fmt::format("{{{{{}}}}} is not supported in rules", word));
        return;
      }
    const bool leaves = node.kind == Node::Kind::leave || node.kind == Node::Kind::again;
    if (leaves && loops_ == 0) set_error("{{break}} and {{continue}} stand inside {{range}}");
    const size_t variables = variables_.size();
    if (!leaves && !read_pipeline(node.pipeline, node.kind == Node::Kind::loop)) return;
    if (!close()) return;
    if (node.kind == Node::Kind::branch || node.kind == Node::Kind::loop || node.kind == Node::Kind::scope) {
      read_bodies(node);
      variables_.resize(variables);
    }
    out.push_back(std::move(node));
  }

  void read_bodies(Node& node) {
    loops_ += node.kind == Node::Kind::loop ? 1 : 0;
    const size_t variables = variables_.size();
    const Stop stop = read_nodes(node.body);
    loops_ -= node.kind == Node::Kind::loop ? 1 : 0;
    variables_.resize(variables);
    if (!error_.empty() || stop == Stop::end) return;
    if (stop == Stop::input) {
      set_error("unexpected end: {{end}} is missing");
      return;
    }
    skip_blanks();
    const bool chained = node.kind != Node::Kind::loop && (at_word("if") || at_word("with"));
    if (chained) {  // {{else if}}: the nested action has the {{end}} of both
      read_action(node.otherwise);
      return;
    }
    if (!close()) return;
    const Stop last = read_nodes(node.otherwise);
    variables_.resize(variables);
    if (error_.empty() && last != Stop::end) set_error("unexpected end: {{end}} is missing");
  }

  bool read_pipeline(Pipeline& out, bool loop) {
    if (++depth_ > Template::depth_max) return set_error("nests too deep");
    if (!read_declaration(out, loop)) return false;
    while (error_.empty()) {
      Command command;
      if (!read_command(command)) return false;
      if (!out.commands.empty() && command[0].kind != Operand::Kind::function)
        return set_error("only a function can stand behind |");
      out.commands.push_back(std::move(command));
      skip_blanks();
      if (!take('|')) break;
    }
    for (const std::string& name : out.variables)
      if (out.declares) variables_.push_back(name);
    --depth_;
    return error_.empty();
  }

  // $x :=, $x =, $i, $x := (of a range)
  bool read_declaration(Pipeline& out, bool loop) {
    const size_t start = pos_;
    skip_blanks();
    std::vector<std::string> names;
    while (pos_ < text_.size() && text_[pos_] == '$') {
      names.push_back(variable());
      skip_blanks();
      if (!loop || names.size() == 2 || !take(',')) break;
      skip_blanks();
    }
    const bool declares = text_.substr(pos_).starts_with(":=");
    const bool assigns = !declares && pos_ < text_.size() && text_[pos_] == '=';
    if (names.empty() || (!declares && !assigns)) {
      pos_ = start;
      return true;
    }
    pos_ += declares ? 2 : 1;
    out.declares = declares;
    out.variables = std::move(names);
    for (const std::string& name : out.variables)
      if (assigns && !known(name)) return set_error(fmt::format("undefined variable {}", promql_quote(name)));
    return true;
  }

  bool read_command(Command& out) {
    while (error_.empty()) {
      skip_blanks();
      if (pos_ >= text_.size() || text_[pos_] == '|' || text_[pos_] == ')' || text_[pos_] == '}' ||
          text_.substr(pos_).starts_with("-}}"))
        break;
      Operand operand;
      if (!read_operand(operand)) return false;
      if (!out.empty() && out[0].kind != Operand::Kind::function) return set_error("only a function takes arguments");
      out.push_back(std::move(operand));
    }
    if (error_.empty() && out.empty()) return set_error(pos_ >= text_.size() ? unexpected("") : "a value is missing");
    return error_.empty();
  }

  bool read_operand(Operand& out) {
    const char c = text_[pos_];
    if (c == '"' || c == '`') return read_string(out, c);
    if (c == '\'') return read_character(out);
    if (c == '(') return read_parentheses(out);
    if (c == '$') {
      out.kind = Operand::Kind::variable;
      out.name = variable();
      return known(out.name) ? read_path(out) : set_error(fmt::format("undefined variable {}", promql_quote(out.name)));
    }
    if (c == '.' && !(pos_ + 1 < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_ + 1])) != 0)) {
      const bool bare = pos_ + 1 >= text_.size() || !is_word(text_[pos_ + 1]);
      out.kind = bare ? Operand::Kind::dot : Operand::Kind::field;
      if (bare) return ++pos_ > 0;
      return read_path(out);
    }
    if (std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '+' || c == '-') return read_number(out);
    if (is_word(c)) return read_word(out);
    return set_error(unexpected("a value"));
  }

  bool read_path(Operand& out) {
    while (pos_ + 1 < text_.size() && text_[pos_] == '.' && is_word(text_[pos_ + 1])) {
      const size_t start = ++pos_;
      while (pos_ < text_.size() && is_word(text_[pos_])) ++pos_;
      out.path.emplace_back(text_.substr(start, pos_ - start));
    }
    return true;
  }

  bool read_parentheses(Operand& out) {
    ++pos_;
    out.kind = Operand::Kind::pipeline;
    out.pipeline = std::make_shared<Pipeline>();
    if (!read_pipeline(*out.pipeline, false)) return false;
    if (!take(')')) return set_error("unclosed left paren");
    return read_path(out);
  }

  bool read_string(Operand& out, char quote) {
    size_t end = pos_ + 1;
    while (end < text_.size() && text_[end] != quote) end += text_[end] == '\\' && quote == '"' ? 2 : 1;
    if (end >= text_.size()) return set_error("unterminated quoted string");
    const auto text = promql::unquote(text_.substr(pos_, end + 1 - pos_));
    if (!text) return set_error(text.error().message);
    pos_ = end + 1;
    out.constant.v = *text;
    return true;
  }

  bool read_character(Operand& out) {
    const size_t end = text_.find('\'', pos_ + 1);
    const auto text = end == text_.npos ? Result<std::string>(fail(Code::invalid_argument, ""))
                                        : promql::unquote(text_.substr(pos_, end + 1 - pos_));
    if (!text || text->size() != 1) return set_error("a character constant is one ASCII character in quotes");
    pos_ = end + 1;
    out.constant.v = static_cast<int64_t>((*text)[0]);
    return true;
  }

  bool read_number(Operand& out) {
    const size_t start = pos_++;
    while (pos_ < text_.size() && (is_word(text_[pos_]) || text_[pos_] == '.' ||
                                   ((text_[pos_] == '+' || text_[pos_] == '-') && (text_[pos_ - 1] | 32) == 'e')))
      ++pos_;
    const std::string_view digits = text_.substr(start, pos_ - start);
    const auto value = promql::parse_go_number(digits);
    if (!value) {
      pos_ = start;
      return set_error(fmt::format("bad number syntax: {}", promql_quote(digits)));
    }
    const bool hex = digits.find_first_of("xX") != digits.npos;
    const bool whole = hex || digits.find_first_of(".eE") == digits.npos;
    if (whole && std::abs(*value) >= int_bound) {
      pos_ = start;
      return set_error(fmt::format("integer overflow: {}", promql_quote(digits)));
    }
    if (whole)
      out.constant.v = static_cast<int64_t>(*value);
    else
      out.constant.v = *value;
    return true;
  }

  bool read_word(Operand& out) {
    const size_t start = pos_;
    while (pos_ < text_.size() && is_word(text_[pos_])) ++pos_;
    out.name = text_.substr(start, pos_ - start);
    if (out.name == "true" || out.name == "false") {
      out.constant.v = out.name == "true";
      return true;
    }
    if (out.name == "nil") return true;
    out.kind = Operand::Kind::function;
    if (is_template_function(out.name)) return true;
    pos_ = start;
    return set_error(fmt::format("function {} not defined", promql_quote(out.name)));
  }

  std::string variable() {
    const size_t start = pos_++;
    while (pos_ < text_.size() && is_word(text_[pos_])) ++pos_;
    return std::string(text_.substr(start, pos_ - start));
  }

  bool known(const std::string& name) const {
    return std::find(variables_.begin(), variables_.end(), name) != variables_.end();
  }
  void skip_blanks() {
    while (pos_ < text_.size() && is_blank(text_[pos_])) ++pos_;
  }
  bool take(char c) {
    if (pos_ >= text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  bool at_word(std::string_view word) const {
    return text_.substr(pos_).starts_with(word) &&
           (pos_ + word.size() >= text_.size() || !is_word(text_[pos_ + word.size()]));
  }
  bool take_word(std::string_view word) {
    if (!at_word(word)) return false;
    pos_ += word.size();
    return true;
  }

  std::string_view text_;
  size_t pos_ = 0;
  bool trim_next_ = false;
  int depth_ = 0, loops_ = 0;
  std::vector<std::string> variables_ = {"$", "$labels", "$externalLabels", "$externalURL", "$value"};
  std::string error_;
  size_t error_at_ = 0;
};

}  // namespace

Result<Template> Template::parse(std::string_view text) {
  HS_ASSIGN(std::vector<Node> nodes, Parser(text).parse());
  Template out;
  auto tree = std::make_shared<Tree>();
  tree->nodes = std::move(nodes);
  out.tree_ = std::move(tree);
  return out;
}

}  // namespace hs::rules
