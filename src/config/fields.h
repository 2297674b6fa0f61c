#pragma once
// How a section's entry is read: a table of fields, each with its name, its meaning and what reads it. Inside config/.

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "base/time.h"

namespace hs::config::fields {

template <class T>
struct Field {
  std::string_view name;
  std::string_view type;
  bool required;
  std::string_view help;
  std::function<Status(T&, const YAML::Node&)> read;
};

inline Result<std::string> text_of(const YAML::Node& node) {
  if (!node.IsScalar()) return fail(Code::invalid_argument, "takes a single value");
  return node.Scalar();
}

template <class T>
auto text(std::string T::* member) {
  return [member](T& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(out.*member, text_of(node));
    return {};
  };
}

template <class T>
auto real(double T::* member, double min, double max) {
  return [=](T& out, const YAML::Node& node) -> Status {
    double value = 0;
    if (!YAML::convert<double>::decode(node, value) || !(value >= min && value <= max))
      return fail(Code::invalid_argument, fmt::format("takes a number from {} to {}", min, max));
    out.*member = value;
    return {};
  };
}

template <class T>
auto optional_real(std::optional<double> T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    double value = 0;
    if (!YAML::convert<double>::decode(node, value)) return fail(Code::invalid_argument, "takes a number");
    out.*member = value;
    return {};
  };
}

template <class T>
auto duration(int64_t T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(const std::string written, text_of(node));
    HS_ASSIGN(out.*member, parse_duration_ms(written));
    return {};
  };
}

// Milliseconds as a plain number (the field's name ends in _ms), or a duration with its unit.
template <class T>
auto millis(int64_t T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    if (YAML::convert<int64_t>::decode(node, out.*member) && out.*member >= 0) return {};
    return duration(member)(out, node);
  };
}

template <class T, class E, size_t n>
auto choice(E T::* member, const std::string_view (&names)[n]) {
  return [member, &names](T& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(const std::string written, text_of(node));
    for (size_t i = 0; i < n; ++i)
      if (names[i] == written) {
        out.*member = static_cast<E>(i);
        return {};
      }
    return fail(Code::invalid_argument, fmt::format("'{}' is not one of {}", written, fmt::join(names, ", ")));
  };
}

template <class T>
auto boolean(bool T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    if (!YAML::convert<bool>::decode(node, out.*member)) return fail(Code::invalid_argument, "takes true or false");
    return {};
  };
}

template <class T>
auto texts(std::vector<std::string> T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    if (node.IsScalar()) {
      (out.*member).push_back(node.Scalar());
      return {};
    }
    if (!node.IsSequence()) return fail(Code::invalid_argument, "takes a list of names");
    for (const YAML::Node& item : node) {
      HS_ASSIGN(std::string name, text_of(item));
      (out.*member).push_back(std::move(name));
    }
    return {};
  };
}

template <class T>
Status read_fields(const std::vector<Field<T>>& fields, const YAML::Node& node, T& out) {
  if (!node.IsMap()) return fail(Code::invalid_argument, "each entry is a mapping of fields");
  std::vector<std::string_view> names;
  for (const auto& field : fields) names.push_back(field.name);
  for (const auto& entry : node) {
    const std::string key = entry.first.Scalar();
    const auto at = std::find(names.begin(), names.end(), key);
    if (at == names.end()) {
      const std::string_view near = nearest(key, names);
      return fail(Code::invalid_argument,
                  near.empty() ? fmt::format("unknown field '{}'; known: {}", key, fmt::join(names, ", "))
                               : fmt::format("unknown field '{}'; did you mean '{}'?", key, near));
    }
    const Field<T>& field = fields[static_cast<size_t>(at - names.begin())];
    if (const Status ok = field.read(out, entry.second); !ok)
      return fail(Code::invalid_argument, fmt::format("{}: {}", key, ok.error().message));
  }
  for (const auto& field : fields)
    if (field.required && !node[std::string(field.name)])
      return fail(Code::invalid_argument, fmt::format("needs the field '{}'", field.name));
  return {};
}

template <class T>
Status read_list(std::string_view section, const std::vector<Field<T>>& fields, const YAML::Node& list,
                 std::vector<T>& out) {
  if (list.IsNull()) return {};
  if (!list.IsSequence()) return fail(Code::invalid_argument, fmt::format("{}: takes a list", section));
  for (size_t i = 0; i < list.size(); ++i) {
    T item;
    if (const Status ok = read_fields(fields, list[i], item); !ok)
      return fail(Code::invalid_argument,
                  fmt::format("{}[{}] (line {}): {}", section, i, list[i].Mark().line + 1, ok.error().message));
    out.push_back(std::move(item));
  }
  return {};
}

template <class T>
std::string reference(std::string_view title, const std::vector<Field<T>>& fields) {
  std::string out = fmt::format("\n### {}\n\n| field | type | needed | meaning |\n|---|---|---|---|\n", title);
  for (const auto& f : fields)
    out += fmt::format("| `{}` | {} | {} | {} |\n", f.name, f.type, f.required ? "yes" : "", f.help);
  return out;
}

template <class T, class Name>
Status check_unique(std::string_view section, const std::vector<T>& items, Name name) {
  std::set<std::string> seen;
  for (const T& item : items)
    if (!seen.insert(name(item)).second)
      return fail(Code::invalid_argument, fmt::format("{}: '{}' is declared twice", section, name(item)));
  return {};
}

}  // namespace hs::config::fields
