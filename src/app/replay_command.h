#pragma once
// `homeostat ledger replay`: feeds a fresh loop what the loop was fed, and compares what it does with the ledger (law
// 4).

#include <string>

#include "io/disk.h"

namespace hs::app {

// Adds what is to be printed to `out`. 0: every decision that is recorded is what the loop does again; 1: not, or
// nothing could be compared.
int run_replay(io::Disk& disk, const std::string& ledger, const std::string& recording, std::string& out);

}  // namespace hs::app
