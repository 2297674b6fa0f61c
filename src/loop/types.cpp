#include "loop/types.h"

#include "base/assert.h"

namespace hs::loop {
namespace {

template <size_t n, class E>
std::string_view pick(const std::string_view (&names)[n], E value) {
  HS_ASSERT(static_cast<size_t>(value) < n, "enumerator without a name");
  return names[static_cast<size_t>(value)];
}

constexpr std::string_view symptom_kinds[] = {"errors", "latency",  "throughput", "saturation",
                                              "kpi",    "security", "alert"};
constexpr std::string_view incident_states[] = {"detected", "explained", "acting", "verified", "restored", "closed"};
constexpr std::string_view evidences[] = {"concurrent_control", "ramp", "switchback", "restored_only", "none"};
constexpr std::string_view deeds[] = {"set", "renewed", "reverted", "promoted"};
constexpr std::string_view verdict_kinds[] = {"PASS", "FAIL", "INCONCLUSIVE", "NO DATA", "MISMATCH"};

}  // namespace

std::string_view name_of(SymptomKind kind) { return pick(symptom_kinds, kind); }
std::string_view name_of(IncidentState state) { return pick(incident_states, state); }
std::string_view name_of(Evidence evidence) { return pick(evidences, evidence); }
std::string_view name_of(Deed deed) { return pick(deeds, deed); }
std::string place_of(const Cause& cause) {
  return cause.entity.starts_with("operation:") ? "service:" + cause.service : cause.entity;
}

std::string_view name_of(VerdictKind kind) { return pick(verdict_kinds, kind); }

}  // namespace hs::loop
