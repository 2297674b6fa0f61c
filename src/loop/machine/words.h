#pragma once
// What a decision is for people: each entry of the ledger that is about a change or an incident names the incident and
// says itself in one sentence, so that `homeostat ledger show` needs nothing but the ledger. Pure.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "loop/events.h"
#include "loop/machine/changes.h"

namespace hs::loop {

// Adds `incident`, `knob` and `to` (from the change that it is about, when they are missing) and `words`.
void complete(Record& record, const Changes& changes);
// The sentence; "" for a kind that has none.
std::string words_of(std::string_view kind, const nlohmann::json& what);

std::string_view name_of(Order order);

}  // namespace hs::loop
