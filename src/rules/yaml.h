#pragma once
// Reading YAML strictly: each field once, none that nobody knows, each problem with its line. Internal to rules/.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "promql/labels.h"

namespace hs::rules {

class YamlReader {
 public:
  YamlReader(std::string file, bool ignore_unknown, std::vector<std::string>& problems)
      : file_(std::move(file)), ignore_unknown_(ignore_unknown), problems_(problems) {}

  using Field = std::pair<std::string_view, std::function<void(const YAML::Node&)>>;

  // The document, or nothing when it is no YAML. An empty one is a mapping without fields.
  bool load(const std::string& text, YAML::Node& root);
  // Calls the function of each field that is there (and not null).
  void fields(const YAML::Node& mapping, std::string_view what, const std::vector<Field>& known);
  void each(const YAML::Node& list, std::string_view what, const std::function<void(const YAML::Node&)>& item);

  std::string text(const YAML::Node& node, std::string_view field);
  int64_t duration_ms(const YAML::Node& node, std::string_view field);
  size_t count(const YAML::Node& node, std::string_view field);
  double number(const YAML::Node& node, std::string_view field);
  bool flag(const YAML::Node& node, std::string_view field);
  std::vector<promql::Label> texts(const YAML::Node& node, std::string_view field);  // sorted by name

  // file:line: [context] what
  void problem(const YAML::Node& node, std::string_view what);
  void problem(std::string_view what) { problems_.push_back(file_ + ": " + std::string(what)); }
  // Stands between the place and the text of all problems from now on: `group "a", rule 2, "b": `.
  void context(std::string text) { context_ = std::move(text); }

 private:
  std::string file_, context_;
  bool ignore_unknown_;
  std::vector<std::string>& problems_;
};

}  // namespace hs::rules
