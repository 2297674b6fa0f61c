#include "chaos/variables.h"

#include <fmt/format.h>

#include "base/text.h"

namespace hs::chaos {
namespace {

using json::Json;

// The text of a variable, if the budget has room for it.
std::string take(const Json& variable, size_t& budget, std::vector<std::string>& problems) {
  std::string text = variable.is_string() ? variable.get<std::string>() : json::dump(variable);
  if (text.size() <= budget) {
    budget -= text.size();
    return text;
  }
  if (budget > 0)
    problems.push_back(fmt::format("variables add more than {} bytes to the experiment", filled_in_bytes_max));
  budget = 0;
  return {};
}

std::optional<Json> typed(const std::string& text, std::string_view type) {
  if (type.empty() || type == "str") return Json(text);
  const Json value = Json::parse(text, nullptr, false);
  if (type == "int" && value.is_number_integer()) return value;
  if (type == "float" && value.is_number()) return value;
  if (type == "bool") return Json(text == "1" || text == "true" || text == "True" || text == "yes");
  if (type == "json" && !value.is_discarded()) return value;
  return std::nullopt;
}

void read_env(const std::string& name, const Json& written, const Environment& environment, Variables& out,
              std::vector<std::string>& problems) {
  const auto key = json::text(written, "key");
  if (!key) return problems.push_back(fmt::format("configuration.{}: type env needs a key", name));
  if (!environment) return problems.push_back(fmt::format("configuration.{}: type env is not available here", name));
  const auto text = environment(std::string(*key));
  const Json* fallback = json::find(written, "default");
  if (!text && fallback == nullptr)
    return problems.push_back(
        fmt::format("configuration.{}: the environment has no {}, and there is no default", name, printable(*key, 64)));
  if (!text) {
    out[name] = *fallback;
    return;
  }
  auto value = typed(*text, json::text(written, "env_var_type").value_or(""));
  if (!value)
    return problems.push_back(fmt::format("configuration.{}: the environment's text is not of its type", name));
  out[name] = std::move(*value);
}

// The text with every ${name} replaced by the variable's text.
std::string filled_in(std::string_view text, const Variables& variables, size_t& budget,
                      std::vector<std::string>& problems) {
  std::string out;
  while (!text.empty()) {
    const size_t begin = std::min(text.find("${"), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const size_t end = text.find('}');
    if (text.empty() || end == std::string_view::npos) return out + std::string(text);
    const std::string_view name = text.substr(2, end - 2);
    text.remove_prefix(end + 1);
    const auto found = variables.find(name);
    if (found == variables.end())
      problems.push_back(fmt::format("${{{}}} is not in configuration", printable(name, 64)));
    else
      out += take(found->second, budget, problems);
  }
  return out;
}

}  // namespace

Variables read_variables(const Json& configuration, const Environment& environment,
                         std::vector<std::string>& problems) {
  Variables out;
  if (!configuration.is_object()) {
    if (!configuration.is_null()) problems.emplace_back("configuration: takes an object");
    return out;
  }
  for (const auto& [name, value] : configuration.items()) {
    const auto type = json::text(value, "type");
    if (type == "env")
      read_env(name, value, environment, out, problems);
    else if (type)
      problems.push_back(fmt::format("configuration.{}: type '{}' is not supported; use a value or type env", name,
                                     printable(*type, 64)));
    else
      out[name] = value;
  }
  return out;
}

void substitute(Json& value, const Variables& variables, size_t& budget, std::vector<std::string>& problems) {
  if (value.is_structured()) {
    for (Json& child : value) substitute(child, variables, budget, problems);
    return;
  }
  if (!value.is_string()) return;
  const std::string text = value.get<std::string>();
  if (text.find("${") == std::string::npos) return;
  const bool whole = text.starts_with("${") && text.find('}') == text.size() - 1;
  const auto found = whole ? variables.find(text.substr(2, text.size() - 3)) : variables.end();
  if (found == variables.end())
    value = filled_in(text, variables, budget, problems);
  else if (!take(found->second, budget, problems).empty() || found->second == "")
    value = found->second;
}

}  // namespace hs::chaos
