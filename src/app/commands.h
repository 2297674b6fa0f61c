#pragma once
// The subcommands of the binary. Each returns the process's exit code: 0 done, 1 failed, 2 wrong usage.

#include <string>
#include <vector>

#include "config/config.h"

namespace hs::app {

// What every command that reads the configuration takes.
struct Common {
  config::Source source;
  std::string data;  // --data; "" = the setting
  bool insecure_bind = false;
  // The configuration with the flags applied; errors go to stderr by the caller.
  Result<std::shared_ptr<const config::Snapshot>> load() const;
};

// log.level and log.format; once, before other threads start.
void configure_log(const config::Settings& settings);

int check_config(const Common& common, bool print_reference);
int version();

}  // namespace hs::app
