#pragma once
// Configuration: a YAML file in which every key is optional, overridden by --set. Unknown keys are refused with the
// nearest known name. A snapshot is immutable; a reload makes a new one or fails whole.

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "config/declarations.h"
#include "config/limits_section.h"
#include "config/scrape.h"
#include "config/settings.h"

namespace hs::config {

struct Snapshot {
  Settings settings;
  Declarations declarations;
  std::vector<ScrapeJob> scrapes;  // scrape_configs
  std::vector<TenantLimits> tenant_limits;
};

struct Source {
  std::string file;                    // "" = none
  std::vector<std::string> overrides;  // "key=value" in order; value is YAML: listen.http=127.0.0.1:0
};

// Errors name the file or override, the line where known, the key and the fix.
Result<std::shared_ptr<const Snapshot>> load(const Source& source);
// The same from text; `name` stands in messages.
Result<std::shared_ptr<const Snapshot>> parse(const std::string& yaml, const std::string& name,
                                              const std::vector<std::string>& overrides = {});

// An error when `next` changes what only a restart can change, naming it.
Status check_reload(const Snapshot& now, const Snapshot& next);

// The reference page, in Markdown, from the tables.
std::string reference_page();

}  // namespace hs::config
