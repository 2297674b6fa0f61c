#pragma once
// What the ledger keeps of a decision, as JSON: every field that a person needs to judge it.

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "base/error.h"
#include "loop/decide/choose.h"
#include "loop/events.h"
#include "loop/types.h"

namespace hs::loop {

nlohmann::json to_json(const config::Value& value);
Result<config::Value> value_from(const nlohmann::json& from);
nlohmann::json to_json(const Change& change);
Result<Change> change_from(const nlohmann::json& from);
nlohmann::json to_json(const Verdict& verdict);
Verdict verdict_from(const nlohmann::json& from);
nlohmann::json to_json(const Option& option);

Action record(std::string kind, const nlohmann::json& what);

}  // namespace hs::loop
