#include "loop/machine/words.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/assert.h"
#include "loop/json.h"
#include "loop/machine/record.h"

namespace hs::loop {
namespace {

using nlohmann::json;

constexpr size_t symptoms_told = 3, causes_told = 3, evidence_told = 2;

std::string text(const json& from, const char* key) { return field(from, key, std::string()); }
double number(const json& from, const char* key) { return field(from, key, 0.0); }

std::string value_of(const json& from, const char* key) {
  const auto value = value_from(field(from, key, json()));
  return value ? config::to_text(*value) : "?";
}

std::string share(double of_one) { return fmt::format("{:.3g} %", 100 * of_one); }
std::string seconds_between(UnixNanos from, UnixNanos to) {
  return fmt::format("{:.1f} s", static_cast<double>(to - from) / 1e9);
}

std::string detected(const json& is) {
  std::string out =
      fmt::format("detected {} after its start at {}",
                  seconds_between(field(is, "started_ns", UnixNanos{0}), field(is, "detected_ns", UnixNanos{0})),
                  text(is, "started"));
  size_t told = 0;
  for (const json& symptom : list(is, "symptoms"))
    if (told++ < symptoms_told) out += (told == 1 ? ": " : "; ") + text(symptom, "evidence");
  if (told > symptoms_told) out += fmt::format("; and {} more symptoms", told - symptoms_told);
  return out;
}

// A request to begin with.
std::string example(const json& clue) {
  for (const json& link : list(clue, "links"))
    if (text(link, "kind") == "trace") return fmt::format(" (see {})", text(link, "url"));
  return "";
}

std::string explained(const json& is, std::string_view how) {
  std::string out(how);
  size_t told = 0;
  for (const json& cause : list(is, "causes")) {
    if (told++ >= causes_told) break;
    out += fmt::format("{}{} ({}, {})", told == 1 ? ": " : "; else ", text(cause, "entity"), text(cause, "kind"),
                       share(number(cause, "probability")));
    if (told > 1) continue;
    size_t said = 0;
    for (const json& because : list(cause, "evidence"))
      if (said++ < evidence_told) out += (said == 1 ? ", because " : ", ") + text(because, "says") + example(because);
  }
  return out;
}

std::string alerted(const json& is) {
  std::string newest;
  for (const json& symptom : list(is, "symptoms"))
    if (text(symptom, "kind") == "alert") newest = text(symptom, "evidence");
  return "an alert joins it: " + newest;
}

std::string incident_words(const json& what) {
  const std::string news = text(what, "news");
  const json is = field(what, "is", json());
  if (news == "opened") return detected(is);
  if (news == "explained") return explained(is, "explained");
  if (news == "changed") return explained(is, "explained anew");
  if (news == "reopened") return "came back within its hold: it is the same incident";
  if (news == "merged") return "turned out to be part of " + text(what, "into");
  if (news == "continued") return fmt::format("serve was started again; the incident goes on ({})", text(is, "state"));
  if (news == "restored")
    return fmt::format("service is restored since {}, {} after the start", text(is, "restored"),
                       seconds_between(field(is, "started_ns", UnixNanos{0}), field(is, "restored_ns", UnixNanos{0})));
  if (news == "alerted") return alerted(is);
  if (news == "closed") return "closed: it stayed good for its hold";
  return news;
}

std::string decision_words(const std::string& decision) {
  struct Form {
    std::string_view prefix, words;
  };
  constexpr Form forms[] = {{"nothing: ", "did nothing, because: "},
                            {"nothing yet: ", "did nothing yet, because: "},
                            {"waits: ", "waits, because: "}};
  for (const Form& form : forms)
    if (decision.starts_with(form.prefix)) return fmt::format("{}{}", form.words, decision.substr(form.prefix.size()));
  if (decision.starts_with("would change")) return decision + ", if it were allowed to act";
  if (decision.starts_with("needs a human")) return decision;
  return "decided: " + decision;
}

std::string exposure_words(const json& what) {
  const double exposure = number(what, "exposure");
  if (const std::string instance = text(what, "instance"); !instance.empty())
    return fmt::format("instance {} alone ({} of the instances)", instance, share(exposure));
  return exposure >= 1 ? "everybody" : share(exposure) + " of the units";
}

std::string change_words(const json& what) {
  const std::string service = text(what, "service");
  return fmt::format("asks for {}: {} -> {} for {}{}, under a lease of {} s ({})", text(what, "knob"),
                     value_of(what, "from"), value_of(what, "to"), exposure_words(what),
                     service.empty() ? "" : " of " + service, number(what, "lease_ms") / 1000, text(what, "id"));
}

std::string receipt_words(const json& what) {
  const std::string deed = text(what, "deed"), knob = text(what, "knob");
  if (!field(what, "ok", false)) return fmt::format("not {}: {}", deed, text(what, "error"));
  return fmt::format("{}{}{}; revision {} is served", deed, knob.empty() ? "" : ": ", knob,
                     field(what, "revision", int64_t{0}));
}

std::string verdict_words(const json& what) {
  std::string out = text(what, "kind");
  const double treated_n = number(what, "treated_n"), control_n = number(what, "control_n");
  if (treated_n + control_n > 0)
    out += fmt::format(" by {}: {} of {} with the change are bad, {} of {} without it (log e-value {:.2f})",
                       text(what, "evidence"), share(number(what, "treated")), treated_n,
                       share(number(what, "control")), control_n, number(what, "log_e"));
  const std::string why = text(what, "why");
  return why.empty() ? out : out + ": " + why;
}

}  // namespace

std::string_view name_of(Order order) {
  constexpr std::string_view names[] = {"stop", "resume", "freeze", "thaw", "forbid", "allow", "reset"};
  HS_ASSERT(static_cast<size_t>(order) < std::size(names), "an order without a name");
  return names[static_cast<size_t>(order)];
}

std::string words_of(std::string_view kind, const json& what) {
  const std::string knob = text(what, "knob"), why = text(what, "why");
  const auto reason = [&] { return why.empty() ? "" : ": " + why; };
  if (kind == "incident") return incident_words(what);
  if (kind == "decision") return decision_words(text(what, "decision"));
  if (kind == "change") return change_words(what);
  if (kind == "receipt") return receipt_words(what);
  if (kind == "verdict") return verdict_words(what);
  if (kind == "promote")
    return fmt::format("promotes {} = {}: it stays until somebody changes it", knob, value_of(what, "to"));
  if (kind == "revert") return fmt::format("takes {} back{}", knob.empty() ? text(what, "change") : knob, reason());
  if (kind == "hold_ended") return fmt::format("{} is not held any more ({}){}", knob, text(what, "how"), reason());
  if (kind == "operator")
    return fmt::format("{} orders: {}{}{}", text(what, "who"), text(what, "order"), knob.empty() ? "" : " " + knob,
                       reason());
  return "";
}

void complete(Record& record, const Changes& changes) {
  json what = json::parse(record.json, nullptr, false);
  if (!what.is_object()) return;
  if (const Changes::Entry* about = changes.find(text(what, "change"))) {
    if (!what.contains("incident")) what["incident"] = about->change.incident;
    if (text(what, "knob").empty()) what["knob"] = about->change.knob;
    if (!what.contains("to")) what["to"] = to_json(about->change.to);
  }
  if (std::string words = words_of(record.kind, what); !words.empty()) what["words"] = std::move(words);
  record.json = what.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace hs::loop
