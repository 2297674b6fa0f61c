#pragma once
// homeostat check-rules and test-rules: rule files and their unit tests, without a server. Exit codes as promtool's:
// 0 good, 1 something is wrong, 2 wrong usage, 3 duplicates with --lint-fatal.

#include <CLI/CLI.hpp>

namespace hs::app {

void add_rules(CLI::App& app, int& code);

}  // namespace hs::app
