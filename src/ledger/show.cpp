// An incident in words, for people: nothing that telemetry wrote reaches a terminal unfiltered.

#include <array>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "ledger/verify.h"

namespace hs::ledger {
namespace {

using json::Json;

constexpr size_t words_bytes_max = 2'000;  // of one entry
constexpr size_t listed_incidents_max = 100'000;
// Told first, in this order, without their names; the rest follows as name=value.
constexpr std::array<std::string_view, 4> sentences = {"words", "decision", "why", "reason"};

std::string value_to_words(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  return json::dump(value);  // entries nest at most entry_depth_max deep
}

std::string raw_words(const Json& payload) {
  if (!payload.is_object()) return value_to_words(payload);
  if (const auto words = json::text(payload, "words")) return std::string(*words);
  std::string out;
  const auto add = [&](std::string_view text) { out += fmt::format("{}{}", out.empty() ? "" : "; ", text); };
  std::set<std::string_view> told;
  for (const std::string_view name : sentences)
    if (const auto text = json::text(payload, name); text && !text->empty()) {
      add(*text);
      told.insert(name);
    }
  for (const auto& [name, value] : payload.items()) {
    const bool empty =
        value.is_null() || ((value.is_array() || value.is_object() || value.is_string()) && value.empty());
    if (!empty && told.find(name) == told.end() && name != "incident") add(name + "=" + value_to_words(value));
  }
  return out;
}

struct Listed {
  UnixNanos first = 0, last = 0;
  uint64_t entries = 0;
};

std::string list_incidents(const std::map<std::string, Listed>& incidents) {
  if (incidents.empty()) return "no incidents\n";
  std::string out;
  for (const auto& [id, l] : incidents)
    out += fmt::format("{}  {} to {}  {} entries\n", printable(id, 200), format_rfc3339(l.first),
                       format_rfc3339(l.last), l.entries);
  return out;
}

}  // namespace

std::string_view incident_of(const Entry& entry) {
  if (const auto id = json::text(entry.payload, "incident")) return *id;
  const auto id = json::text(entry.payload, "id");
  return id && id->starts_with("inc-") ? *id : std::string_view{};
}

std::string payload_words(const Entry& entry) { return printable(raw_words(entry.payload), words_bytes_max); }

std::string to_words(const Entry& entry) {
  return fmt::format("{}  {}: {}", format_rfc3339(entry.time), printable(entry.kind, 100), payload_words(entry));
}

int run_show(io::Disk& disk, const std::string& directory, std::string_view incident, std::string& out) {
  std::map<std::string, Listed> incidents;
  uint64_t shown = 0;
  ScanRequest request;
  request.check_blobs = false;
  request.on_entry = [&](const Entry& entry, std::string_view) {
    const std::string_view of = incident_of(entry);
    if (of.empty()) return;
    if (!incident.empty()) {
      if (of != incident) return;
      ++shown;
      out += fmt::format("#{} {}\n", entry.index, to_words(entry));
    } else if (incidents.size() < listed_incidents_max) {
      Listed& l = incidents.emplace(of, Listed{entry.time, entry.time, 0}).first->second;
      l.last = entry.time;
      ++l.entries;
    }
  };
  const auto found = scan(disk, directory, request);
  if (!found) {
    out += found.error().message + "\n";
    return 1;
  }
  if (incident.empty()) out += list_incidents(incidents);
  if (!incident.empty() && shown == 0) out += fmt::format("no entry is about {}\n", printable(incident, 200));
  if (!found->findings.empty()) out += "WARNING: the ledger is not consistent; see `homeostat ledger verify`\n";
  return incident.empty() || shown > 0 ? 0 : 1;
}

}  // namespace hs::ledger
