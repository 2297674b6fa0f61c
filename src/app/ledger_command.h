#pragma once
// `homeostat ledger verify|show|head`: reads the files only, so it works on a copy on another machine.

#include <string>

#include <CLI/CLI.hpp>

#include "app/commands.h"

namespace hs::app {

// Adds the command and its subcommands; `code` gets the exit code.
void add_ledger(CLI::App& app, Common& common, int& code);
std::string ledger_directory(const std::string& data);

}  // namespace hs::app
