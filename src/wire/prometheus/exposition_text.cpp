// The text formats: lines of samples, and comments that mean something.

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "wire/prometheus/exposition_builder.h"

namespace hs::wire::prometheus {
namespace {

using model::Attribute;
using FamilyType = WriteEncoder::FamilyType;

struct TypeName {
  std::string_view name;
  FamilyType type;
};
constexpr TypeName type_names[] = {
    {"counter", FamilyType::counter},     {"gauge", FamilyType::gauge},
    {"histogram", FamilyType::histogram}, {"gaugehistogram", FamilyType::gauge_histogram},
    {"summary", FamilyType::summary},     {"info", FamilyType::info},
    {"stateset", FamilyType::stateset},   {"unknown", FamilyType::unknown},
    {"untyped", FamilyType::unknown}};

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool starts_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':'; }
bool in_name(char c) { return starts_name(c) || (c >= '0' && c <= '9'); }

// As Go reads it, without hexadecimal and underscores.
std::optional<double> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || text.front() == '+' || text.find('(') != text.npos) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(text).c_str(), nullptr);  // too small is 0
    if (std::isinf(value)) return std::nullopt;
  } else if (error != std::errc()) {
    return std::nullopt;
  }
  return std::isnan(value) ? std::numeric_limits<double>::quiet_NaN() : value;
}

class TextReader {
 public:
  TextReader(std::string_view body, bool open_metrics, ExpositionBuilder& builder)
      : body_(body), open_metrics_(open_metrics), b_(builder) {}

  Status read() {
    while (at_ < body_.size()) {
      ++line_number_;
      const size_t end = std::min(body_.find('\n', at_), body_.size());
      const bool whole = end < body_.size();
      line_ = body_.substr(at_, end - at_);
      pos_ = 0;
      at_ = end + 1;
      if (open_metrics_ && ended_) return bad("text after # EOF");
      if (open_metrics_ && !whole && line_ != "# EOF") return bad("a line without its end");
      if (!open_metrics_ && line_.ends_with('\r')) line_.remove_suffix(1);
      HS_TRY(read_line());
      if (!b_.within_budget()) return {};  // parse_exposition says so
    }
    if (open_metrics_ && !ended_) return bad("# EOF is missing: the answer is cut");
    return {};
  }

 private:
  tl::unexpected<Error> bad(std::string_view why) const {
    constexpr size_t shown = 80;
    return fail(Code::invalid_argument,
                fmt::format("line {}: {}: '{}'", line_number_, why, printable(line_.substr(0, shown))));
  }
  bool at_end() const { return pos_ >= line_.size(); }
  char peek() const { return at_end() ? '\0' : line_[pos_]; }
  bool take(char c) {
    if (peek() != c || at_end()) return false;
    ++pos_;
    return true;
  }
  void skip_blanks() {
    while (!at_end() && is_blank(peek())) ++pos_;
  }
  std::string_view word() {
    const size_t from = pos_;
    while (!at_end() && !is_blank(peek())) ++pos_;
    return line_.substr(from, pos_ - from);
  }
  std::string_view name() {
    const size_t from = pos_;
    if (starts_name(peek()))
      while (!at_end() && in_name(peek())) ++pos_;
    return line_.substr(from, pos_ - from);
  }

  Status read_line() {
    skip_blanks();
    if (at_end()) return open_metrics_ ? Status(bad("a blank line")) : Status();
    return peek() == '#' ? read_comment() : read_sample();
  }

  Status read_comment() {
    if (open_metrics_ && line_ == "# EOF") {
      ended_ = true;
      return {};
    }
    ++pos_;
    skip_blanks();
    const std::string_view what = word();
    if (what != "HELP" && what != "TYPE" && (what != "UNIT" || !open_metrics_))
      return open_metrics_ ? Status(bad("a comment other than HELP, TYPE, UNIT and EOF")) : Status();
    skip_blanks();
    HS_ASSIGN(const std::string_view family_name, peek() == '"' ? quoted() : Result<std::string_view>(name()));
    if (family_name.empty()) return bad("a metric's name is expected");
    if (!at_end() && !is_blank(peek())) return bad("a metric's name has a letter that it cannot have");
    skip_blanks();
    return describe(what, b_.family(family_name), line_.substr(pos_));
  }

  Status describe(std::string_view what, Exposition::Family& family, std::string_view rest) {
    if (what == "HELP") {
      family.help = unescape(rest, false);
      return {};
    }
    while (!rest.empty() && is_blank(rest.back())) rest.remove_suffix(1);
    if (what == "UNIT") {
      family.unit = rest;
      return {};
    }
    for (const TypeName& t : type_names)
      if (t.name == rest) {
        family.type = t.type;
        return {};
      }
    return bad("an unknown type of metric");
  }

  // The content of a quoted text, whose opening quote comes next.
  Result<std::string_view> quoted() {
    if (!take('"')) return bad("a quoted text is expected");
    const size_t from = pos_;
    bool escaped = false;
    for (; !at_end() && peek() != '"'; ++pos_) {
      if (peek() != '\\') continue;
      escaped = true;
      if (++pos_ >= line_.size()) break;
    }
    if (at_end()) return bad("a quoted text without its end");
    const std::string_view raw = line_.substr(from, pos_ - from);
    ++pos_;
    return escaped ? unescape(raw, true) : raw;
  }

  // \\ and \n, and \" in quoted texts; any other backslash is one.
  std::string_view unescape(std::string_view raw, bool quotes) {
    if (raw.find('\\') == raw.npos) return raw;
    std::string out;
    for (size_t i = 0; i < raw.size(); ++i) {
      const char next = raw[i] == '\\' && i + 1 < raw.size() ? raw[i + 1] : '\0';
      const bool known = next == '\\' || next == 'n' || (next == '"' && quotes);
      out += known ? (next == 'n' ? '\n' : next) : raw[i];
      i += known ? 1 : 0;
    }
    return b_.out.arena.copy(out);
  }

  // {a="b","quoted.name"="c"}; a quoted text alone is the metric's name.
  Status read_labels(std::vector<Attribute>& labels, std::string_view* metric) {
    while (true) {
      skip_blanks();
      if (take('}')) return {};
      const bool is_quoted = peek() == '"';
      HS_ASSIGN(const std::string_view key, is_quoted ? quoted() : Result<std::string_view>(name()));
      skip_blanks();
      if (take('=')) {
        skip_blanks();
        HS_ASSIGN(const std::string_view value, quoted());
        if (key.empty() || (!is_quoted && key.find(':') != key.npos)) return bad("a label's name is expected");
        labels.push_back({key, value});
      } else if (is_quoted && metric != nullptr && metric->empty() && !key.empty()) {
        *metric = key;
      } else {
        return bad("a label is NAME=\"VALUE\"");
      }
      if (labels.size() > b_.limits().labels_per_sample_max) return bad("more labels than any sample may have");
      skip_blanks();
      if (!take(',') && peek() != '}') return bad("labels are separated by commas and end with }");
    }
  }

  Result<int64_t> read_time() {
    const std::string_view text = word();
    if (!open_metrics_) {
      int64_t ms = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
      if (error == std::errc() && end == text.data() + text.size()) return ms;
      return bad("a timestamp is a whole number of milliseconds");
    }
    const auto seconds = number_of(text);
    constexpr double seconds_max = 9e15;  // in milliseconds still an int64
    if (!seconds || !(std::abs(*seconds) < seconds_max)) return bad("a timestamp is a number of seconds");
    return static_cast<int64_t>(*seconds * 1000);
  }

  Status read_sample() {
    std::string_view metric = name();
    labels_.clear();
    skip_blanks();
    if (take('{')) HS_TRY(read_labels(labels_, &metric));
    if (metric.empty()) return bad("a metric's name is expected");
    skip_blanks();
    const auto value = number_of(word());
    if (!value) return bad("a value is expected after the name and the labels");
    skip_blanks();
    int64_t time_ms = Exposition::no_time;
    if (!at_end() && peek() != '#') {
      HS_ASSIGN(time_ms, read_time());
    }
    add_row(metric, *value, time_ms);
    skip_blanks();
    if (open_metrics_ && take('#')) HS_TRY(read_exemplar());
    if (!at_end()) return bad("text after the sample");
    note_created(metric, *value);
    return {};
  }

  void add_row(std::string_view metric, double value, int64_t time_ms) {
    (void)b_.add_label("__name__", metric);
    for (const Attribute& a : labels_) (void)b_.add_label(a.key, normal_value(metric, a));
    b_.end_sample(value, time_ms);
  }

  // "1" and "1.0" are one bound.
  std::string_view normal_value(std::string_view metric, const Attribute& label) {
    if (b_.out.families.empty()) return label.value;
    const FamilyType type = b_.out.families.back().type;
    const bool bound = (type == FamilyType::summary && label.key == "quantile") ||
                       (type == FamilyType::histogram && label.key == "le" && metric.ends_with("_bucket"));
    const auto number = bound ? number_of(label.value) : std::nullopt;
    return number ? b_.out.arena.copy(open_metrics_float(*number)) : label.value;
  }

  Status read_exemplar() {
    Exposition::Exemplar exemplar;
    skip_blanks();
    if (!take('{')) return bad("an exemplar begins with its labels");
    HS_TRY(read_labels(exemplar.labels, nullptr));
    skip_blanks();
    const auto value = number_of(word());
    if (!value) return bad("an exemplar needs a value");
    exemplar.value = *value;
    skip_blanks();
    if (!at_end()) {
      HS_ASSIGN(exemplar.time_ms, read_time());
      skip_blanks();
    }
    exemplar.sample = static_cast<uint32_t>(b_.out.size() - 1);
    b_.add_exemplar(std::move(exemplar));
    return {};
  }

  // x_created of a counter, histogram or summary x tells when the samples before it, of the same labels, began.
  void note_created(std::string_view metric, double seconds) {
    if (!open_metrics_ || !metric.ends_with("_created") || b_.out.families.empty()) return;
    const Exposition::Family& family = b_.out.families.back();
    const bool counts = family.type == FamilyType::counter || family.type == FamilyType::histogram ||
                        family.type == FamilyType::summary;
    constexpr double seconds_max = 9e12;
    if (!counts || metric.substr(0, metric.size() - 8) != family.name || !(seconds > 0 && seconds < seconds_max))
      return;
    Exposition& out = b_.out;
    for (size_t row = out.size() - 1; row-- > b_.family_first() && same_metric(row);)
      out.start_ms[row] = static_cast<int64_t>(seconds * 1000);
  }

  bool same_metric(size_t row) const {
    size_t found = 0, others = 0;
    for (const Attribute* a = b_.out.labels.begin(row); a != b_.out.labels.end(row); ++a) {
      if (a->key == "__name__" || a->key == "le" || a->key == "quantile") continue;
      ++others;
      for (const Attribute& mine : labels_) found += mine.key == a->key && mine.value == a->value ? 1 : 0;
    }
    return found == labels_.size() && others == labels_.size();
  }

  const std::string_view body_;
  const bool open_metrics_;
  ExpositionBuilder& b_;
  size_t at_ = 0, line_number_ = 0;
  std::string_view line_;
  size_t pos_ = 0;
  bool ended_ = false;
  std::vector<Attribute> labels_;
};

}  // namespace

Status read_text(std::string_view body, bool open_metrics, ExpositionBuilder& builder) {
  return TextReader(body, open_metrics, builder).read();
}

}  // namespace hs::wire::prometheus
