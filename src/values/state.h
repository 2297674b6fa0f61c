#pragma once
// What every knob is now, and the one pure function that answers a client (docs/formats/values_state.md).
//
// Four values of a knob are told apart: the code default (in the application, unknown here), the base (the operator's),
// the candidate (under a lease), the promoted (stays until somebody changes it).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "config/declarations.h"

namespace hs::values {

inline constexpr size_t state_bytes_max = 16UL << 20;  // far above 10 000 knobs; a larger file is not ours
inline constexpr size_t knobs_max = 10'000;
inline constexpr int64_t lease_ms_min = 1'000;
inline constexpr int64_t lease_ms_max = 600'000;  // a knob that is read at start needs time to restart, not hours

enum class Variant : uint8_t { base, candidate, promoted };
enum class Reason : uint8_t { fixed, split, match };  // OFREP: STATIC, SPLIT, TARGETING_MATCH

struct Candidate {
  config::Value value;
  int64_t revision = 0;
  std::string change;      // id of the change that asked for it
  double exposure = 0;     // share of units, (0, 1]
  uint64_t salt = 0;       // kept while the exposure of one value grows, so the treated only become more
  std::string service;     // "" = every service that reads the knob
  std::string instance;    // knobs of instance scope: the only unit that is treated; "" = by the salt
  MonoNanos deadline = 0;  // the lease: from then on this candidate does not exist...
  std::string boot_id;     // ...nor does it in any other boot of the machine
  UnixNanos applied = 0;   // for people
};

struct Promoted {
  config::Value value;
  int64_t revision = 0;
  std::string change;
  UnixNanos at = 0;  // for people
};

struct KnobState {
  std::string key;
  config::KnobType type = config::KnobType::boolean;
  config::KnobScope scope = config::KnobScope::request;
  std::vector<std::string> services;
  config::Value base;
  int64_t base_revision = 0;
  std::optional<Promoted> promoted;
  std::optional<Candidate> candidate;

  // What holds without a candidate.
  const config::Value& settled() const { return promoted ? promoted->value : base; }
  int64_t settled_revision() const { return promoted ? promoted->revision : base_revision; }
};

struct State {
  int64_t revision = 0;  // the last one given out; they only grow
  std::vector<KnobState> knobs;
  KnobState* find(std::string_view key);
  const KnobState* find(std::string_view key) const;
};

// The file's text. Real numbers keep a decimal point, so a client never takes one for an integer.
std::string encode(const State& state);
// Refuses a document as a whole: unknown format, wrong types, a value that is not of its knob's type.
Result<State> decode(std::string_view text);

// Whether `value` is of `type`.
bool is_of(const config::Value& value, config::KnobType type);
// Law 2: of the declared type, in the declared range, on a step, among the variants. The error says which.
Status check_allowed(const config::Knob& knob, const config::Value& value);

// Who asks. Empty: not told.
struct Context {
  std::string_view targeting_key;  // a user, usually
  std::string_view instance;       // service.instance.id
  std::string_view service;        // service.name
};

struct Answer {
  const config::Value* value = nullptr;  // into the KnobState
  Variant variant = Variant::base;
  Reason reason = Reason::fixed;
  // Of the newest change that decides about this client: while a candidate lives, both its arms carry its revision
  // (variant `candidate` is the treated arm, the other the concurrent control). Clients outside the candidate's
  // service, and everybody once it is gone, get the revision of the settled value.
  int64_t revision = 0;
};

// Pure: the same arguments give the same answer in every process.
Answer evaluate(const KnobState& knob, const Context& context, MonoNanos now, std::string_view boot_id);
bool is_live(const Candidate& candidate, MonoNanos now, std::string_view boot_id);
// Whether the candidate is for this client's service. A client that names none is the only reader's, if there is one.
bool concerns(const KnobState& knob, const Candidate& candidate, const Context& context);

// The unit that a decision is made for, by the knob's scope: a request's targeting key, else its instance; for knobs of
// instance scope the instance, else the targeting key. Empty: the service as a whole, which is treated only by an
// exposure of 1 (never a random draw per call).
std::string_view unit_of(config::KnobScope scope, const Context& context);
// The unit's place in [0, 1): treated when below the exposure.
double bucket_of(uint64_t salt, std::string_view unit);
// Instances are few: a draw may treat none of three, or all. So a candidate may name the one that is treated.
bool is_treated(const Candidate& candidate, std::string_view unit);

std::string_view name_of(Variant variant);
std::string_view name_of(Reason reason);

}  // namespace hs::values
