#include "config/config.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <sstream>

#include "base/text.h"
#include "config/scrape_section.h"
#include "config/sections.h"

namespace hs::config {
namespace {

// A key of the file may stand as listen: {http: ...} or as listen.http: ...; both become dotted names.
struct Reader {
  std::string name;
  Snapshot& out;

  Error error(const YAML::Node& node, std::string_view what) const {
    const int line = node.Mark().line;
    return {Code::invalid_argument,
            line < 0 ? fmt::format("{}: {}", name, what) : fmt::format("{}:{}: {}", name, line + 1, what)};
  }

  Status read(const std::string& prefix, const YAML::Node& node) {
    for (const auto& entry : node) {
      const std::string key = prefix.empty() ? entry.first.Scalar() : prefix + "." + entry.first.Scalar();
      if (const Status ok = read_entry(key, entry.first, entry.second); !ok) return ok;
    }
    return {};
  }

  Status read_entry(const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
    if (key == scrape_section) return located(key_node, read_scrapes(value, out.scrapes));
    if (key == limits_section) return located(key_node, read_tenant_limits(value, out.tenant_limits));
    if (is_section(key)) return located(key_node, read_section(key, value, out.declarations));
    if (const Setting* setting = find_setting(key)) return located(value, read_setting(*setting, value));
    if (value.IsMap() && is_prefix(key)) return read(key, value);
    return tl::unexpected(error(key_node, unknown(key)));
  }

  Status located(const YAML::Node& node, Status status) const {
    if (status) return status;
    return tl::unexpected(error(node, status.error().message));
  }

  Status read_setting(const Setting& setting, const YAML::Node& value) const {
    if (value.IsNull()) return out.settings.set(setting.name, "");
    if (value.IsScalar()) return out.settings.set(setting.name, value.Scalar());
    std::vector<std::string> items;
    if (value.IsSequence())
      for (const YAML::Node& item : value) items.push_back(item.IsScalar() ? item.Scalar() : "");
    else
      return fail(Code::invalid_argument, fmt::format("{}: takes a value, not a mapping", setting.name));
    return out.settings.set_list(setting.name, std::move(items));
  }

  static bool is_prefix(std::string_view key) {
    const std::string dotted = std::string(key) + ".";
    for (const Setting& s : setting_table())
      if (s.name.starts_with(dotted)) return true;
    for (const std::string_view s : section_names())
      if (s.starts_with(dotted)) return true;
    return false;
  }

  static std::string unknown(const std::string& key) {
    std::vector<std::string_view> known = section_names();
    known.insert(known.end(), {scrape_section, limits_section});
    for (const Setting& s : setting_table()) known.push_back(s.name);
    const std::string_view near = nearest(key, known);
    return near.empty() ? fmt::format("unknown key '{}'; `homeostat check-config --reference` lists all keys", key)
                        : fmt::format("unknown key '{}'; did you mean '{}'?", key, near);
  }
};

Status read_text(const std::string& yaml, const std::string& name, Snapshot& out) {
  try {
    const YAML::Node root = YAML::Load(yaml);
    if (root.IsNull()) return {};
    if (!root.IsMap())
      return fail(Code::invalid_argument, fmt::format("{}: a configuration is a mapping of keys", name));
    return Reader{name, out}.read("", root);
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, fmt::format("{}:{}:{}: {}", name, e.mark.line + 1, e.mark.column + 1, e.msg));
  }
}

Status read_override(const std::string& text, Snapshot& out) {
  const size_t eq = text.find('=');
  if (eq == std::string::npos || eq == 0)
    return fail(Code::invalid_argument, fmt::format("--set {}: write key=value", text));
  const std::string key = text.substr(0, eq);
  try {
    // A plain scalar stays as it is written ("127.0.0.1:4317" is no YAML mapping); lists and mappings are YAML.
    const std::string value = text.substr(eq + 1);
    const bool is_yaml = !value.empty() && (value[0] == '[' || value[0] == '{');
    const YAML::Node node = is_yaml ? YAML::Load(value) : YAML::Node(value);
    if (key == scrape_section) out.scrapes.clear();
    if (key == limits_section) out.tenant_limits.clear();
    if (is_section(key)) clear_section(key, out.declarations);  // an override replaces the file's list
    return Reader{"--set", out}.read_entry(key, YAML::Node(key), node);
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, fmt::format("--set {}: {}", key, e.msg));
  }
}

void name_objectives(Declarations& declarations) {
  for (Objective& o : declarations.objectives)
    if (o.name.empty())
      o.name = fmt::format("{}{}{} {}", o.service, o.operation.empty() ? "" : "/", o.operation,
                           o.kind == ObjectiveKind::latency ? "latency" : "availability");
}

}  // namespace

Result<std::shared_ptr<const Snapshot>> parse(const std::string& yaml, const std::string& name,
                                              const std::vector<std::string>& overrides) {
  auto out = std::make_shared<Snapshot>();
  HS_TRY(read_text(yaml, name, *out));
  for (const std::string& text : overrides) HS_TRY(read_override(text, *out));
  name_objectives(out->declarations);
  Status ok = check(out->declarations);
  if (ok) ok = check_scrapes(out->scrapes);
  if (ok) ok = check_tenant_limits(out->tenant_limits);
  if (!ok) return fail(Code::invalid_argument, fmt::format("{}: {}", name, ok.error().message));
  return std::shared_ptr<const Snapshot>(std::move(out));
}

Result<std::shared_ptr<const Snapshot>> load(const Source& source) {
  if (source.file.empty()) return parse("", "configuration", source.overrides);
  std::ifstream in(source.file, std::ios::binary);
  if (!in) return fail(Code::not_found, fmt::format("cannot read the configuration file '{}'", source.file));
  std::stringstream text;
  text << in.rdbuf();
  return parse(text.str(), source.file, source.overrides);
}

Status check_reload(const Snapshot& now, const Snapshot& next) {
  for (const std::string_view name : now.settings.difference(next.settings))
    if (!find_setting(name)->live)
      return fail(Code::invalid_argument, fmt::format("'{}' changes only with a restart; nothing was applied", name));
  return {};
}

std::string reference_page() {
  std::string out =
      "# Configuration\n\nGenerated by `homeostat check-config --reference`; do not edit.\n\n"
      "Every key is optional. A key may be written nested (`listen: {http: ...}`) or dotted (`listen.http: ...`). "
      "`--set key=value` overrides any key. SIGHUP reloads the file: it applies whole or not at all; keys that are not "
      "marked live need a restart.\n\n## Settings\n\n| key | type | default | live | meaning "
      "|\n|---|---|---|---|---|\n";
  for (const Setting& s : setting_table())
    out += fmt::format("| `{}` | {} | {} | {} | {} |\n", s.name, s.choices.empty() ? name_of(s.type) : s.choices,
                       s.fallback.empty() ? "" : fmt::format("`{}`", s.fallback), s.live ? "yes" : "", s.help);
  out +=
      "\n## Declarations\n\nLists that a team writes about its own application; all are live.\n" + section_reference();
  out += "\n## Limits of one tenant\n\nInstead of those of all, the settings `limits.*`; live too.\n" +
         tenant_limits_reference();
  return out + "\n## Scraping\n\nIn Prometheus' words (docs/prometheus-in.md); live too.\n" + scrape_reference();
}

}  // namespace hs::config
