#pragma once
// `homeostat grafana install|uninstall`: the data source, the folder and the dashboards in a running Grafana, through
// its HTTP API (docs/grafana.md).

#include <CLI/CLI.hpp>

namespace hs::app {

void add_grafana(CLI::App& app, int& code);

}  // namespace hs::app
