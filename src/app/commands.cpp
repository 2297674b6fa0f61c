#include "app/commands.h"

#include <fmt/format.h>

#include "app/version.h"
#include "base/log.h"

namespace hs::app {

Result<std::shared_ptr<const config::Snapshot>> Common::load() const {
  config::Source with_flags = source;
  if (!data.empty()) with_flags.overrides.push_back("data=" + data);
  if (insecure_bind) with_flags.overrides.push_back("security.insecure_bind=true");
  return config::load(with_flags);
}

void configure_log(const config::Settings& settings) {
  const std::string level = settings.text("log.level");
  const log::Level least = level == "debug"   ? log::Level::debug
                           : level == "warn"  ? log::Level::warn
                           : level == "error" ? log::Level::error
                                              : log::Level::info;
  log::configure(least, settings.text("log.format") == "json" ? log::Format::json : log::Format::logfmt);
}

int check_config(const Common& common, bool print_reference) {
  if (print_reference) {
    fmt::print("{}", config::reference_page());
    return 0;
  }
  const auto loaded = common.load();
  if (!loaded) {
    fmt::print(stderr, "{}\n", loaded.error().message);
    return 1;
  }
  const config::Declarations& d = (*loaded)->declarations;
  fmt::print("ok: {} objectives, {} KPIs, {} knobs, {} probes, {} fault proxies\n", d.objectives.size(), d.kpis.size(),
             d.knobs.size(), d.probes.size(), d.proxies.size());
  return 0;
}

int version() {
  fmt::print("homeostat {}\n", version_text);
  return 0;
}

}  // namespace hs::app
