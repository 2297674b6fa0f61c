#include "rules/template_functions.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <map>
#include <unordered_map>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <re2/re2.h>

#include "base/http_message.h"
#include "promql/unquote.h"
#include "rules/template_tree.h"

namespace hs::rules {
namespace {

using Values = std::vector<Value>;

struct Call {
  const Values& arguments;
  const TemplateData& data;

  Result<std::string> text(size_t i) const {
    if (const auto* s = arguments[i].get<std::string>()) return *s;
    return fail(Code::invalid_argument,
                fmt::format("wrong type for value; expected string; got {}", type_name(arguments[i])));
  }
  Result<double> number(size_t i) const { return to_float(arguments[i]); }
};

using Function = std::function<Result<Value>(const Call&)>;
struct Entry {
  int least = 0, most = 0;  // arguments; most -1: any number
  Function call;
};

tl::unexpected<Error> bad(std::string what) { return fail(Code::invalid_argument, std::move(what)); }

Result<int> compare(const Value& a, const Value& b) {
  const auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  if (const auto *x = a.get<int64_t>(), *y = b.get<int64_t>(); x != nullptr && y != nullptr) return order(*x, *y);
  if (const auto *x = a.get<double>(), *y = b.get<double>(); x != nullptr && y != nullptr) return order(*x, *y);
  if (const auto *x = a.get<std::string>(), *y = b.get<std::string>(); x != nullptr && y != nullptr)
    return order(*x, *y);
  return bad(fmt::format("incompatible types for comparison ({} and {}; write 1.0 to compare with a float)",
                         type_name(a), type_name(b)));
}

Result<Value> equal(const Call& call) {
  const Value& a = call.arguments[0];
  for (size_t i = 1; i < call.arguments.size(); ++i) {
    const Value& b = call.arguments[i];
    if (const auto *x = a.get<bool>(), *y = b.get<bool>(); x != nullptr && y != nullptr) {
      if (*x == *y) return Value{true};
      continue;
    }
    const double *x = a.get<double>(), *y = b.get<double>();
    if (x != nullptr && y != nullptr && std::isnan(*x + *y)) continue;
    HS_ASSIGN(const int order, compare(a, b));
    if (order == 0) return Value{true};
  }
  return Value{false};
}

Function ordered(bool (*holds)(int)) {
  return [holds](const Call& call) -> Result<Value> {
    const double *x = call.arguments[0].get<double>(), *y = call.arguments[1].get<double>();
    if (x != nullptr && y != nullptr && (std::isnan(*x) || std::isnan(*y))) return Value{false};
    HS_ASSIGN(const int order, compare(call.arguments[0], call.arguments[1]));
    return Value{holds(order)};
  };
}

Result<Value> length(const Call& call) {
  const Value& v = call.arguments[0];
  if (const auto* s = v.get<std::string>()) return Value{static_cast<int64_t>(s->size())};
  if (const auto* s = v.get<Samples>()) return Value{static_cast<int64_t>(s->size())};
  if (const auto* l = v.get<promql::Labels>()) return Value{static_cast<int64_t>(l->size())};
  if (const auto* a = v.get<Arguments>()) return Value{static_cast<int64_t>((*a)->size())};
  return bad(fmt::format("len of type {}", type_name(v)));
}

Result<Value> index(const Call& call) {
  Value v = call.arguments[0];
  for (size_t i = 1; i < call.arguments.size(); ++i) {
    const Value& key = call.arguments[i];
    if (const auto* samples = v.get<Samples>()) {
      const auto* n = key.get<int64_t>();
      if (n == nullptr || *n < 0 || static_cast<size_t>(*n) >= samples->size()) return bad("index out of range");
      v = Value{SamplePtr((*samples)[static_cast<size_t>(*n)])};
      continue;
    }
    const auto* name = key.get<std::string>();
    if (name == nullptr || (v.get<promql::Labels>() == nullptr && v.get<Arguments>() == nullptr))
      return bad(fmt::format("can't index item of type {} with {}", type_name(v), type_name(key)));
    HS_ASSIGN(v, field_of(v, *name));
  }
  return v;
}

Result<Value> query(const Call& call) {
  HS_ASSIGN(const std::string expr, call.text(0));
  if (!call.data.query) return bad("there is nothing to ask here");
  HS_ASSIGN(promql::Vector vector, call.data.query(expr));
  Samples out;
  for (promql::Sample& sample : vector) out.push_back(std::make_shared<promql::Sample>(std::move(sample)));
  return Value{std::move(out)};
}

Result<SamplePtr> sample_of(const Value& value) {
  if (const auto* s = value.get<SamplePtr>(); s != nullptr && *s != nullptr) return *s;
  return bad(fmt::format("wrong type for value; expected *sample; got {}", type_name(value)));
}

Result<Value> first(const Call& call) {
  const auto* samples = call.arguments[0].get<Samples>();
  if (samples == nullptr)
    return bad(fmt::format("wrong type for value; expected queryResult; got {}", type_name(call.arguments[0])));
  if (samples->empty()) return bad("first() called on vector with no elements");
  return Value{samples->front()};
}

Result<Value> label(const Call& call) {
  HS_ASSIGN(const std::string name, call.text(0));
  HS_ASSIGN(const SamplePtr sample, sample_of(call.arguments[1]));
  return Value{std::string(sample->labels.get(name))};
}

Result<Value> sort_by_label(const Call& call) {
  HS_ASSIGN(const std::string name, call.text(0));
  const auto* samples = call.arguments[1].get<Samples>();
  if (samples == nullptr)
    return bad(fmt::format("wrong type for value; expected queryResult; got {}", type_name(call.arguments[1])));
  std::multimap<std::string_view, SamplePtr> by_label;  // equal ones stay in their order
  for (const SamplePtr& sample : *samples) by_label.emplace(sample->labels.get(name), sample);
  Samples sorted;
  for (const auto& [value, sample] : by_label) sorted.push_back(sample);
  return Value{std::move(sorted)};
}

Result<Value> arguments_map(const Call& call) {
  auto out = std::make_shared<std::map<std::string, Value>>();
  for (size_t i = 0; i < call.arguments.size(); ++i) out->emplace(fmt::format("arg{}", i), call.arguments[i]);
  return Value{Arguments(std::move(out))};
}

// $1, ${1} and $name of Go's regexp become RE2's \1; a backslash stands for itself.
std::string rewrite_of(const std::string& replacement, const re2::RE2& regex) {
  std::string out;
  for (size_t i = 0; i < replacement.size(); ++i) {
    if (replacement[i] == '\\') out += "\\\\";
    if (replacement[i] == '\\' || replacement[i] != '$') {
      if (replacement[i] != '\\') out += replacement[i];
      continue;
    }
    if (i + 1 < replacement.size() && replacement[i + 1] == '$') {
      out += '$', ++i;
      continue;
    }
    const bool braced = i + 1 < replacement.size() && replacement[i + 1] == '{';
    size_t end = i + (braced ? 2 : 1);
    std::string name;
    while (end < replacement.size() &&
           (std::isalnum(static_cast<unsigned char>(replacement[end])) != 0 || replacement[end] == '_'))
      name += replacement[end++];
    if (name.empty()) {
      out += '$';
      continue;
    }
    i = braced && end < replacement.size() && replacement[end] == '}' ? end : end - 1;
    const auto named = regex.NamedCapturingGroups().find(name);
    const bool digit = name.size() == 1 && std::isdigit(static_cast<unsigned char>(name[0])) != 0;
    const int group = digit ? name[0] - '0' : named == regex.NamedCapturingGroups().end() ? -1 : named->second;
    if (group >= 0 && group <= std::min(regex.NumberOfCapturingGroups(), 9)) out += fmt::format("\\{}", group);
  }
  return out;
}

Result<Value> replace_all(const Call& call) {
  HS_ASSIGN(const std::string pattern, call.text(0));
  HS_ASSIGN(const std::string replacement, call.text(1));
  HS_ASSIGN(std::string text, call.text(2));
  const re2::RE2 regex(pattern, re2::RE2::Quiet);
  if (!regex.ok()) return bad("regexp: " + regex.error());
  re2::RE2::GlobalReplace(&text, regex, rewrite_of(replacement, regex));
  return Value{std::move(text)};
}

Result<Value> match(const Call& call) {
  HS_ASSIGN(const std::string pattern, call.text(0));
  HS_ASSIGN(const std::string text, call.text(1));
  const re2::RE2 regex(pattern, re2::RE2::Quiet);
  if (!regex.ok()) return bad("regexp: " + regex.error());
  return Value{re2::RE2::PartialMatch(text, regex)};
}

Function cased(int (*change)(int)) {
  return [change](const Call& call) -> Result<Value> {
    HS_ASSIGN(std::string text, call.text(0));
    for (char& c : text)
      if (static_cast<signed char>(c) >= 0) c = static_cast<char>(change(c));
    return Value{std::move(text)};
  };
}

Result<Value> title(const Call& call) {
  HS_ASSIGN(std::string text, call.text(0));
  bool begins = true;
  for (char& c : text) {
    const bool letter =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<signed char>(c) < 0 || c == '\'' || c == '_';
    if (begins && letter && static_cast<signed char>(c) >= 0) c = static_cast<char>(std::toupper(c));
    begins = !letter;
  }
  return Value{std::move(text)};
}

struct HostPort {
  std::string host, port;
  bool split = false;
};
HostPort split_host_port(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {text, "", false};
  std::string host = text.substr(0, colon);
  const bool brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (!brackets && host.find(':') != std::string::npos) return {text, "", false};
  return {brackets ? host.substr(1, host.size() - 2) : host, text.substr(colon + 1), true};
}

bool is_ip(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1 || inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

Result<Value> strip_port(const Call& call) {
  HS_ASSIGN(const std::string text, call.text(0));
  return Value{split_host_port(text).host};
}

Result<Value> strip_domain(const Call& call) {
  HS_ASSIGN(const std::string text, call.text(0));
  const HostPort parts = split_host_port(text);
  if (is_ip(parts.host)) return Value{text};
  const std::string host = parts.host.substr(0, parts.host.find('.'));
  return Value{parts.port.empty() ? host : host + ":" + parts.port};
}

Function humanized(std::string (*f)(double)) {
  return [f](const Call& call) -> Result<Value> {
    HS_ASSIGN(const double v, call.number(0));
    return Value{f(v)};
  };
}

Result<Value> parse_duration(const Call& call) {
  HS_ASSIGN(const std::string text, call.text(0));
  const bool negative = text.starts_with('-');
  HS_ASSIGN(const int64_t ms, promql::parse_duration_ms(std::string_view(text).substr(negative ? 1 : 0)));
  return Value{static_cast<double>(negative ? -ms : ms) / 1000};
}

Result<int64_t> nanos(const Call& call) {
  HS_ASSIGN(const double seconds, call.number(0));
  if (!std::isfinite(seconds) || std::abs(seconds) > 9.2e9) return bad("value is out of the range of nanoseconds");
  return static_cast<int64_t>(seconds * 1e9);
}

std::string escaped_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&#34;";
    else if (c == '\'')
      out += "&#39;";
    else
      out += c;
  }
  return out;
}

// Go's print: a blank between two values that are both no texts.
Result<Value> print_all(const Call& call) {
  std::string out;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    const auto is_text = [&](size_t n) { return call.arguments[n].get<std::string>() != nullptr; };
    if (i > 0 && !is_text(i) && !is_text(i - 1)) out += ' ';
    out += print(call.arguments[i]);
  }
  return Value{std::move(out)};
}

Result<Value> print_line(const Call& call) {
  std::string out;
  for (const Value& v : call.arguments) out += (out.empty() ? "" : " ") + print(v);
  return Value{out + "\n"};
}

Result<Value> print_f(const Call& call) {
  HS_ASSIGN(const std::string format, call.text(0));
  return Value{print_formatted(format, {call.arguments.begin() + 1, call.arguments.end()})};
}

Result<Value> link(const Call& call, int tab) {
  HS_ASSIGN(const std::string expr, call.text(0));
  return Value{fmt::format("/graph?g0.expr={}&g0.tab={}", http::url_encode(expr), tab)};
}

Function last_argument() {  // what `and` and `or` come to when none of the others decided
  return [](const Call& call) -> Result<Value> { return call.arguments.back(); };
}

std::string path_of(const std::string& url) {
  const size_t scheme = url.find("://");
  const size_t slash = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
  return slash == std::string::npos ? "" : url.substr(slash);
}

void add_language(std::unordered_map<std::string, Entry>& f) {
  f["and"] = f["or"] = {1, -1, last_argument()};
  f["not"] = {1, 1, [](const Call& c) -> Result<Value> { return Value{!truth(c.arguments[0])}; }};
  f["len"] = {1, 1, length};
  f["index"] = {1, -1, index};
  f["eq"] = {2, -1, equal};
  f["ne"] = {2, 2, [](const Call& c) -> Result<Value> {
               HS_ASSIGN(const Value same, equal(c));
               return Value{!truth(same)};
             }};
  f["lt"] = {2, 2, ordered([](int order) { return order < 0; })};
  f["le"] = {2, 2, ordered([](int order) { return order <= 0; })};
  f["gt"] = {2, 2, ordered([](int order) { return order > 0; })};
  f["ge"] = {2, 2, ordered([](int order) { return order >= 0; })};
  f["print"] = {0, -1, print_all};
  f["println"] = {0, -1, print_line};
  f["printf"] = {1, -1, print_f};
  f["html"] = {1, 1, [](const Call& c) -> Result<Value> { return Value{escaped_html(print(c.arguments[0]))}; }};
  f["urlquery"] = f["urlQueryEscape"] = {
      1, 1, [](const Call& c) -> Result<Value> { return Value{http::url_encode(print(c.arguments[0]))}; }};
}

void add_samples(std::unordered_map<std::string, Entry>& f) {
  f["query"] = {1, 1, query};
  f["first"] = {1, 1, first};
  f["label"] = {2, 2, label};
  f["value"] = {1, 1, [](const Call& c) -> Result<Value> {
                  HS_ASSIGN(const SamplePtr sample, sample_of(c.arguments[0]));
                  return sample->h ? Value{sample->h} : Value{sample->f};
                }};
  f["strvalue"] = {1, 1, [](const Call& c) -> Result<Value> {
                     HS_ASSIGN(const SamplePtr sample, sample_of(c.arguments[0]));
                     return Value{std::string(sample->labels.get("__value__"))};
                   }};
  f["sortByLabel"] = {2, 2, sort_by_label};
  f["args"] = {0, -1, arguments_map};
}

void add_texts(std::unordered_map<std::string, Entry>& f) {
  f["reReplaceAll"] = {3, 3, replace_all};
  f["match"] = {2, 2, match};
  f["title"] = {1, 1, title};
  f["toUpper"] = {1, 1, cased(std::toupper)};
  f["toLower"] = {1, 1, cased(std::tolower)};
  f["stripPort"] = {1, 1, strip_port};
  f["stripDomain"] = {1, 1, strip_domain};
  f["safeHtml"] = {1, 1, [](const Call& c) -> Result<Value> {
                     HS_ASSIGN(std::string text, c.text(0));
                     return Value{std::move(text)};
                   }};
  f["graphLink"] = {1, 1, [](const Call& c) { return link(c, 0); }};
  f["tableLink"] = {1, 1, [](const Call& c) { return link(c, 1); }};
  f["externalURL"] = {0, 0, [](const Call& c) -> Result<Value> { return Value{c.data.external_url}; }};
  f["pathPrefix"] = {0, 0, [](const Call& c) -> Result<Value> { return Value{path_of(c.data.external_url)}; }};
}

void add_numbers(std::unordered_map<std::string, Entry>& f) {
  f["humanize"] = {1, 1, humanized(humanize)};
  f["humanize1024"] = {1, 1, humanized(humanize_1024)};
  f["humanizeDuration"] = {1, 1, humanized(humanize_duration)};
  f["humanizePercentage"] = {1, 1, humanized(humanize_percentage)};
  f["humanizeTimestamp"] = {1, 1, [](const Call& c) -> Result<Value> {
                              HS_ASSIGN(const double v, c.number(0));
                              HS_ASSIGN(std::string text, humanize_timestamp(v));
                              return Value{std::move(text)};
                            }};
  f["toTime"] = {1, 1, [](const Call& c) -> Result<Value> {
                   HS_ASSIGN(const int64_t ns, nanos(c));
                   return Value{Moment{ns}};
                 }};
  f["toDuration"] = {1, 1, [](const Call& c) -> Result<Value> {
                       HS_ASSIGN(const int64_t ns, nanos(c));
                       return Value{Span{ns}};
                     }};
  f["now"] = {0, 0, [](const Call& c) -> Result<Value> { return Value{static_cast<double>(c.data.now_ms) / 1000}; }};
  f["parseDuration"] = {1, 1, parse_duration};
}

const std::unordered_map<std::string, Entry>& functions() {
  static const auto table = [] {
    std::unordered_map<std::string, Entry> f;
    add_language(f);
    add_samples(f);
    add_texts(f);
    add_numbers(f);
    return f;
  }();
  return table;
}

}  // namespace

bool is_template_function(std::string_view name) { return functions().contains(std::string(name)); }

Result<Value> call_function(const std::string& name, const std::vector<Value>& arguments, const TemplateData& data) {
  const Entry& entry = functions().at(name);
  const auto n = static_cast<int>(arguments.size());
  if (n < entry.least || (entry.most >= 0 && n > entry.most))
    return bad(fmt::format("wrong number of args for {}: want {}{} got {}", name, entry.most < 0 ? "at least " : "",
                           entry.least, n));
  auto result = entry.call({arguments, data});
  if (result) return result;
  return fail(result.error().code, fmt::format("error calling {}: {}", name, result.error().message));
}

}  // namespace hs::rules
