#pragma once
// The declarations of a team (objectives, kpis, knobs, probes, chaos.proxies) as tables of fields:
// inside config/ only.

#include <yaml-cpp/yaml.h>

#include <string>

#include "base/error.h"
#include "config/declarations.h"

namespace hs::config {

// True when `key` (dotted) names a section of declarations.
bool is_section(std::string_view key);
std::vector<std::string_view> section_names();
void clear_section(std::string_view key, Declarations& out);
// Reads the list below `key` into `out`. Errors name the entry and the field.
Status read_section(std::string_view key, const YAML::Node& list, Declarations& out);
// What a single entry cannot know: unique names, knobs whose base is in range.
Status check(const Declarations& declarations);
// Markdown tables of all fields.
std::string section_reference();

}  // namespace hs::config
