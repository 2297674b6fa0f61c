#pragma once
// scrape_configs as Prometheus writes them. Inside config/ only.

#include <yaml-cpp/yaml.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/scrape.h"

namespace hs::config {

inline constexpr std::string_view scrape_section = "scrape_configs";
Status read_scrapes(const YAML::Node& list, std::vector<ScrapeJob>& out);
// What fields and entries do not know of each other.
Status check_scrapes(const std::vector<ScrapeJob>& jobs);
std::string scrape_reference();  // Markdown tables

}  // namespace hs::config
