#pragma once
// Targets as service discovery writes them: files of file_sd_configs, answers to http_sd_configs.

#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/scrape.h"

namespace hs::config {

// A list of {targets: [...], labels: {...}}, as JSON or YAML (of which JSON is a part). Errors name the entry.
Result<std::vector<TargetGroup>> parse_target_groups(std::string_view text);

}  // namespace hs::config
