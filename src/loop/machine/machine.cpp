#include "loop/machine/machine.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "loop/json.h"
#include "loop/machine/record.h"
#include "loop/machine/words.h"

namespace hs::loop {
namespace {

using nlohmann::json;

// What the ledger keeps of an incident's step: the whole incident, as it stood then.
Action record_of(std::string_view news, const std::string& id, const std::string& into,
                 const Understanding& understanding) {
  json what = {{"incident", id}, {"news", news}};
  if (!into.empty()) what["into"] = into;
  if (const auto incident = understanding.incident_json(id)) what["is"] = json::parse(*incident, nullptr, false);
  return record("incident", what);
}

Action record_of(const Receipt& receipt) {
  return record("receipt", {{"change", receipt.change},
                            {"deed", name_of(receipt.deed)},
                            {"ok", receipt.ok},
                            {"revision", receipt.revision},
                            {"error", receipt.error}});
}

bool is_going_on(const Incident& incident) {
  return incident.state != IncidentState::restored && incident.state != IncidentState::closed;
}

}  // namespace

std::vector<Action> Machine::step(const Event& event) {
  std::vector<Action> actions;
  if (const auto* frame = std::get_if<stream::Frame>(&event)) {
    now_ = frame->tick;
    actions = understand(*frame);
  }
  if (const auto* changed = std::get_if<ConfigChanged>(&event)) declarations_ = changed->declarations;
  if (const auto* receipt = std::get_if<Receipt>(&event)) {
    changes_.note(*receipt);
    actions.push_back(record_of(*receipt));
  }
  if (std::holds_alternative<Started>(event) && std::exchange(restored_, false))
    for (const Incident* incident : understanding_.current())
      if (is_going_on(*incident)) actions.push_back(record_of("continued", incident->id, "", understanding_));
  std::vector<Action> decided = control_.step(event, understanding_.current());
  tell(control_.notes());
  changes_.note(decided, now_);
  actions.insert(actions.end(), std::make_move_iterator(decided.begin()), std::make_move_iterator(decided.end()));
  for (Action& action : actions)
    if (auto* entry = std::get_if<Record>(&action)) complete(*entry, changes_);
  return actions;
}

std::vector<Action> Machine::understand(const stream::Frame& frame) {
  std::vector<Action> records;
  const auto step = [&](const stream::Frame& f) {
    for (const News& news : understanding_.step(f, declarations_))
      records.push_back(record_of(name_of(news.kind), news.incident, news.into, understanding_));
  };
  // What the loop changed itself is watched by its guards; as a cause it would only hide the one that it acts on.
  const auto is_own = [&](const stream::RecentChange& c) {
    return c.kind == "knob" && changes_.touched(c.detail, now_);
  };
  if (std::none_of(frame.changes.begin(), frame.changes.end(), is_own)) {
    step(frame);
  } else {
    stream::Frame others = frame;
    std::erase_if(others.changes, is_own);
    step(others);
  }
  return records;
}

void Machine::tell(const std::vector<Note>& notes) {
  for (const Note& note : notes) {
    // What was decided about a repaired incident is in the ledger; the incident keeps why it was repaired so.
    const Incident* incident = understanding_.find(note.incident);
    const bool repaired = incident != nullptr && incident->verified != 0;
    if (note.kind == Note::Kind::decided && !repaired) understanding_.decided(note.incident, note.text);
    if (note.kind == Note::Kind::acted) understanding_.acted(note.incident, note.text, now_);
    if (note.kind == Note::Kind::verified) understanding_.verified(note.incident, note.text, now_);
  }
}

std::string Machine::snapshot() const {
  return json{{"version", 1},
              {"understanding", json::parse(understanding_.snapshot(), nullptr, false)},
              {"changes", changes_.snapshot()},
              {"control", control_.snapshot()}}
      .dump();
}

Status Machine::restore(std::string_view snapshot, const config::Declarations& declarations) {
  const json from = json::parse(snapshot, nullptr, false);
  if (from.is_discarded() || field(from, "version", 0) != 1)
    return fail(Code::invalid_argument, "the loop's snapshot is not of a known version");
  declarations_ = declarations;
  HS_TRY(control_.restore(field(from, "control", json()), declarations));
  HS_TRY(understanding_.restore(field(from, "understanding", json()).dump()));
  changes_.restore(field(from, "changes", json::array()));
  restored_ = true;
  return {};
}

}  // namespace hs::loop
