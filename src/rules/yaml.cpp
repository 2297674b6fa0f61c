#include "rules/yaml.h"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "promql/unquote.h"

namespace hs::rules {

bool YamlReader::load(const std::string& text, YAML::Node& root) {
  try {
    root = YAML::Load(text);
    return true;
  } catch (const YAML::Exception& e) {
    problems_.push_back(fmt::format("{}:{}:{}: {}", file_, e.mark.line + 1, e.mark.column + 1, e.msg));
    return false;
  }
}

void YamlReader::problem(const YAML::Node& node, std::string_view what) {
  const int line = node.Mark().line;
  const std::string place = line < 0 ? file_ : fmt::format("{}:{}", file_, line + 1);
  problems_.push_back(fmt::format("{}: {}{}", place, context_, what));
}

void YamlReader::fields(const YAML::Node& mapping, std::string_view what, const std::vector<Field>& known) {
  if (mapping.IsNull()) return;
  if (!mapping.IsMap()) return problem(mapping, fmt::format("{} is a mapping of fields", what));
  std::set<std::string> seen;
  for (const auto& entry : mapping) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!seen.insert(key).second) problem(entry.first, fmt::format("the field '{}' stands here twice", key));
    const auto at = std::find_if(known.begin(), known.end(), [&](const Field& f) { return f.first == key; });
    if (at != known.end()) {
      if (!entry.second.IsNull()) at->second(entry.second);
      continue;
    }
    if (ignore_unknown_) continue;
    std::vector<std::string_view> names;
    for (const Field& f : known) names.push_back(f.first);
    const std::string_view near = nearest(key, names);
    problem(entry.first, near.empty() ? fmt::format("unknown field '{}'; {} has: {}", key, what, fmt::join(names, ", "))
                                      : fmt::format("unknown field '{}'; did you mean '{}'?", key, near));
  }
}

void YamlReader::each(const YAML::Node& list, std::string_view what,
                      const std::function<void(const YAML::Node&)>& item) {
  if (list.IsNull()) return;
  if (!list.IsSequence()) return problem(list, fmt::format("'{}' is a list", what));
  for (const YAML::Node& one : list) item(one);
}

std::string YamlReader::text(const YAML::Node& node, std::string_view field) {
  if (node.IsScalar()) return node.Scalar();
  if (!node.IsNull()) problem(node, fmt::format("'{}' is a text", field));
  return "";
}

int64_t YamlReader::duration_ms(const YAML::Node& node, std::string_view field) {
  const std::string written = text(node, field);
  if (written == "0") return 0;
  if (const auto ms = promql::parse_duration_ms(written)) return *ms;
  problem(node, fmt::format("'{}: {}' is no duration; write 30s, 5m or 1h30m", field, written));
  return 0;
}

size_t YamlReader::count(const YAML::Node& node, std::string_view field) {
  const std::string written = text(node, field);
  size_t value = 0;
  const auto [end, ec] = std::from_chars(written.data(), written.data() + written.size(), value);
  if (ec == std::errc() && end == written.data() + written.size()) return value;
  problem(node, fmt::format("'{}: {}' is no whole number", field, written));
  return 0;
}

double YamlReader::number(const YAML::Node& node, std::string_view field) {
  std::string written = text(node, field);
  if (written == ".nan" || written == ".NaN" || written == ".NAN") written = "NaN";
  if (written == ".inf" || written == "+.inf" || written == ".Inf" || written == "+.Inf") written = "+Inf";
  if (written == "-.inf" || written == "-.Inf") written = "-Inf";
  if (const auto value = promql::parse_go_number(written)) return *value;
  problem(node, fmt::format("'{}: {}' is no number", field, written));
  return 0;
}

bool YamlReader::flag(const YAML::Node& node, std::string_view field) {
  const std::string written = text(node, field);
  if (written != "true" && written != "false") problem(node, fmt::format("'{}' is true or false", field));
  return written == "true";
}

std::vector<promql::Label> YamlReader::texts(const YAML::Node& node, std::string_view field) {
  std::vector<promql::Label> out;
  if (!node.IsMap()) {
    if (!node.IsNull()) problem(node, fmt::format("'{}' is a mapping of names to texts", field));
    return out;
  }
  for (const auto& entry : node) {
    promql::Label one{text(entry.first, field), text(entry.second, field)};
    const bool twice = std::any_of(out.begin(), out.end(), [&](const auto& l) { return l.name == one.name; });
    if (twice) problem(entry.first, fmt::format("'{}' has '{}' twice", field, one.name));
    if (!twice) out.push_back(std::move(one));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace hs::rules
