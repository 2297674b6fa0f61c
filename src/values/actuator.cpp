#include "values/actuator.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "io/files.h"

namespace hs::values {
namespace {

constexpr mode_t state_mode = 0600;
constexpr int64_t lock_timeout_ms = 2'000;  // a writer needs milliseconds; one that is stopped must not stop us too

config::Value as_declared(config::Value value, config::KnobType type) {
  if (const auto* integer = std::get_if<int64_t>(&value); integer != nullptr && type == config::KnobType::real)
    return static_cast<double>(*integer);
  return value;
}

// Whether one candidate on each of these knobs could reach the same service.
bool share_a_service(const KnobState& a, const std::string& a_service, const KnobState& b) {
  const auto reached = [](const KnobState& knob, const std::string& service) {
    return service.empty() ? knob.services : std::vector<std::string>{service};
  };
  const auto of_a = reached(a, a_service);
  const auto of_b = reached(b, b.candidate->service);
  if (of_a.empty() || of_b.empty()) return true;  // no services declared: it may be anybody's
  return std::any_of(of_a.begin(), of_a.end(),
                     [&](const auto& s) { return std::find(of_b.begin(), of_b.end(), s) != of_b.end(); });
}

Status check_change(const Change& change) {
  if (change.id.empty()) return fail(Code::invalid_argument, "a change needs an id");
  if (!(change.exposure > 0 && change.exposure <= 1))
    return fail(Code::invalid_argument, fmt::format("change {}: the exposure must be in (0, 1]", change.id));
  if (change.lease_ms < lease_ms_min || change.lease_ms > lease_ms_max)
    return fail(Code::invalid_argument,
                fmt::format("change {}: the lease must be {} to {} ms", change.id, lease_ms_min, lease_ms_max));
  return {};
}

// Keeps what the new declaration still allows; tells what it does not.
void carry_over(const KnobState& old, const config::Knob& knob, KnobState& now, std::vector<std::string>& dropped) {
  if (old.promoted) {
    if (const Status ok = check_allowed(knob, old.promoted->value); ok)
      now.promoted = old.promoted;
    else
      dropped.push_back(fmt::format("the promoted value was dropped: {}", ok.error().message));
  }
  if (old.candidate) {
    if (const Status ok = check_allowed(knob, old.candidate->value); ok)
      now.candidate = old.candidate;
    else
      dropped.push_back(fmt::format("the candidate was dropped: {}", ok.error().message));
  }
}

bool same(const config::Knob& knob, const KnobState& state) {
  return state.type == knob.type && state.scope == knob.scope && state.services == knob.services &&
         state.base == knob.base;
}

}  // namespace

// One read-modify-write under the lock between processes.
struct Actuator::Edit {
  io::FileLock lock;
  State state;
  MonoNanos now = 0;
  UnixNanos at = 0;
  const std::string& boot = io::boot_id();

  static Result<Edit> begin(const Actuator& actuator) {
    HS_TRY(io::make_directories(actuator.directory_));
    HS_ASSIGN(io::FileLock lock, io::FileLock::take_within(actuator.lock_path(), lock_timeout_ms));
    HS_ASSIGN(State state, actuator.load());
    return Edit{std::move(lock), std::move(state), actuator.clock_.mono(), actuator.clock_.wall()};
  }
  bool live(const KnobState& k) const { return k.candidate && is_live(*k.candidate, now, boot); }
  KnobState* with_candidate(std::string_view change) {
    for (KnobState& k : state.knobs)
      if (k.candidate && k.candidate->change == change) return &k;
    return nullptr;
  }
  KnobState* with_promoted(std::string_view change) {
    for (KnobState& k : state.knobs)
      if (k.promoted && k.promoted->change == change) return &k;
    return nullptr;
  }
  Receipt receipt_of_candidate(const KnobState& k) const {
    const Candidate& c = *k.candidate;
    const int64_t left_ms = live(k) ? (c.deadline - now) / nanos_per_ms : 0;
    return {c.change, k.key, c.revision, c.value, k.settled(), c.exposure, c.service, left_ms, c.applied};
  }
  Receipt settled_receipt(const KnobState& k, std::string change, config::Value previous) const {
    return {std::move(change), k.key, k.settled_revision(), k.settled(), std::move(previous), 0, "", 0, at};
  }
};

Actuator::Actuator(std::string directory, io::Clock& clock, io::Random& random, int64_t revision_floor)
    : directory_(std::move(directory)), clock_(clock), random_(random), revision_floor_(revision_floor) {}

Result<State> Actuator::load() const {
  const auto text = io::read_file(path(), state_bytes_max);
  if (!text && text.error().code != Code::not_found) return tl::unexpected(text.error());
  State state;
  if (text) {
    HS_ASSIGN(state, decode(*text));
  }
  state.revision = std::max(state.revision, revision_floor_);
  return state;
}

Status Actuator::store(const State& state, bool durable_name) {
  if (!durable_name) return io::replace_file(path(), encode(state), state_mode, io::Durable::content);
  if (const auto old = io::read_file(path(), state_bytes_max); old && decode(*old))
    HS_TRY(io::replace_file(previous_path(), *old, state_mode, io::Durable::content));
  return io::replace_file(path(), encode(state), state_mode, io::Durable::name);
}

Result<const config::Knob*> Actuator::declared(std::string_view key) const {
  for (const config::Knob& knob : knobs_)
    if (knob.key == key) return &knob;
  return fail(Code::not_found, fmt::format("no knob {} is declared", key));
}

// Puts a file that cannot be read aside, and its predecessor (or nothing) in its place.
Status Actuator::set_broken_aside(std::vector<std::string>& notes) {
  const auto text = io::read_file(path(), state_bytes_max);
  if (!text) return text.error().code == Code::not_found ? Status{} : tl::unexpected(text.error());
  const auto state = decode(*text);
  if (state) return {};
  HS_TRY(io::replace_file(path() + ".broken", *text, state_mode, io::Durable::content));
  State instead;
  const auto previous = io::read_file(previous_path(), state_bytes_max);
  const auto older = previous ? decode(*previous) : tl::unexpected(previous.error());
  if (older) instead = *older;
  // Revisions that the broken file gave out must not come again. One that nobody knows is far below this.
  instead.revision = std::max(instead.revision, revision_floor_) + 1'000;
  notes.push_back(fmt::format("{}; it was kept as state.json.broken and {}", state.error().message,
                              older ? "its predecessor is used" : "promoted values are lost"));
  return io::replace_file(path(), encode(instead), state_mode, io::Durable::name);
}

Result<std::vector<std::string>> Actuator::declare(std::span<const config::Knob> knobs) {
  const std::lock_guard guard(mutex_);
  if (knobs.size() > knobs_max) return fail(Code::invalid_argument, fmt::format("at most {} knobs", knobs_max));
  std::vector<config::Knob> wanted(knobs.begin(), knobs.end());
  for (config::Knob& knob : wanted) {
    knob.base = as_declared(std::move(knob.base), knob.type);
    for (config::Value& v : knob.variants) v = as_declared(std::move(v), knob.type);
    HS_TRY(check_allowed(knob, knob.base));
  }
  std::vector<std::string> notes;
  HS_TRY(io::make_directories(directory_));
  {
    HS_ASSIGN(const io::FileLock lock, io::FileLock::take_within(lock_path(), lock_timeout_ms));
    HS_TRY(set_broken_aside(notes));
  }
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  bool changed = edit.state.knobs.size() != wanted.size();
  std::vector<KnobState> now;
  for (const config::Knob& knob : wanted) {
    const KnobState* old = edit.state.find(knob.key);
    KnobState next{knob.key, knob.type, knob.scope, knob.services, knob.base, 0, {}, {}};
    next.base_revision = old != nullptr && old->base == knob.base ? old->base_revision : ++edit.state.revision;
    const size_t notes_before = notes.size();
    if (old != nullptr) carry_over(*old, knob, next, notes);
    changed = changed || old == nullptr || !same(knob, *old) || notes.size() != notes_before;
    now.push_back(std::move(next));
  }
  edit.state.knobs = std::move(now);
  if (changed) HS_TRY(store(edit.state, true));
  knobs_ = std::move(wanted);
  return notes;
}

Result<Receipt> Actuator::apply(const Change& change) {
  const std::lock_guard guard(mutex_);
  HS_TRY(check_change(change));
  HS_ASSIGN(const config::Knob* declaration, declared(change.knob));
  const config::Value value = as_declared(change.value, declaration->type);
  HS_TRY(check_allowed(*declaration, value));
  if (!change.instance.empty() && declaration->scope != config::KnobScope::instance)
    return fail(
        Code::invalid_argument,
        fmt::format("change {} names an instance, but the scope of knob {} is not instance", change.id, change.knob));
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  KnobState* knob = edit.state.find(change.knob);
  if (knob == nullptr) return fail(Code::not_found, fmt::format("knob {} is not in the state file", change.knob));
  for (const KnobState& other : edit.state.knobs)
    if (edit.live(other) && other.candidate->change != change.id && share_a_service(*knob, change.service, other))
      return fail(Code::conflict, fmt::format("change {} of knob {} is under way for the same service",
                                              other.candidate->change, other.key));
  Candidate next{value,           0,
                 change.id,       change.exposure,
                 random_.next(),  change.service,
                 change.instance, edit.now + change.lease_ms * nanos_per_ms,
                 edit.boot,       edit.at};
  if (knob->candidate && knob->candidate->change == change.id) {
    const Candidate& old = *knob->candidate;
    if (!edit.live(*knob)) return fail(Code::conflict, fmt::format("the lease of change {} ran out", change.id));
    if (old.value != value || old.service != change.service)
      return fail(Code::conflict, fmt::format("change {} was made with another value or service", change.id));
    if (!change.instance.empty() && old.instance != change.instance)
      return fail(Code::conflict, fmt::format("change {} was made with another instance", change.id));
    if (old.exposure == change.exposure && old.instance == change.instance) return edit.receipt_of_candidate(*knob);
    next.salt = old.salt;  // the treated stay treated
  } else if (edit.with_candidate(change.id) != nullptr || edit.with_promoted(change.id) != nullptr) {
    return fail(Code::conflict, fmt::format("change {} was made before", change.id));
  }
  next.revision = ++edit.state.revision;
  knob->candidate = std::move(next);
  HS_TRY(store(edit.state, true));
  return edit.receipt_of_candidate(*knob);
}

Result<std::vector<std::string>> Actuator::renew(std::span<const std::string> changes, int64_t lease_ms) {
  const std::lock_guard guard(mutex_);
  if (lease_ms < lease_ms_min || lease_ms > lease_ms_max)
    return fail(Code::invalid_argument, fmt::format("a lease must be {} to {} ms", lease_ms_min, lease_ms_max));
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  std::vector<std::string> gone;
  for (const std::string& change : changes) {
    KnobState* knob = edit.with_candidate(change);
    if (knob == nullptr || !edit.live(*knob))
      gone.push_back(change);  // what expired stays expired: nobody was watching it
    else
      knob->candidate->deadline = std::max(knob->candidate->deadline, edit.now + lease_ms * nanos_per_ms);
  }
  // The name need not survive a power cut: no lease does.
  if (gone.size() < changes.size()) HS_TRY(store(edit.state, false));
  return gone;
}

Result<Receipt> Actuator::promote(const std::string& change) {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  KnobState* knob = edit.with_candidate(change);
  if (knob == nullptr) return fail(Code::not_found, fmt::format("change {} is not under way", change));
  if (!edit.live(*knob)) return fail(Code::conflict, fmt::format("the lease of change {} ran out", change));
  const config::Value previous = knob->settled();
  const int64_t revision = ++edit.state.revision;
  if (knob->candidate->value == knob->base) {  // back to what the operator declared: nothing is left to remember
    knob->promoted.reset();
    knob->base_revision = revision;
  } else {
    knob->promoted = Promoted{knob->candidate->value, revision, change, edit.at};
  }
  knob->candidate.reset();
  HS_TRY(store(edit.state, true));
  return edit.settled_receipt(*knob, change, previous);
}

Result<Receipt> Actuator::revert(const std::string& change) {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  config::Value previous;
  KnobState* knob = edit.with_candidate(change);
  if (knob != nullptr) {
    previous = knob->candidate->value;
    knob->candidate.reset();
  } else if ((knob = edit.with_promoted(change)) != nullptr) {
    previous = knob->promoted->value;
    knob->promoted.reset();
  } else {
    return fail(Code::not_found, fmt::format("nothing of change {} is in force", change));
  }
  HS_TRY(store(edit.state, true));
  return edit.settled_receipt(*knob, change, previous);
}

Result<Receipt> Actuator::reset(const std::string& key) {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  KnobState* knob = edit.state.find(key);
  if (knob == nullptr) return fail(Code::not_found, fmt::format("there is no knob {}", key));
  const config::Value previous = knob->candidate ? knob->candidate->value : knob->settled();
  std::string change = knob->candidate ? knob->candidate->change : knob->promoted ? knob->promoted->change : "";
  if (knob->candidate || knob->promoted) {
    knob->candidate.reset();
    knob->promoted.reset();
    HS_TRY(store(edit.state, true));
  }
  return edit.settled_receipt(*knob, std::move(change), previous);
}

Result<std::vector<Receipt>> Actuator::revert_all(Extent extent) {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(Edit edit, Edit::begin(*this));
  std::vector<Receipt> out;
  for (KnobState& knob : edit.state.knobs) {
    if (knob.candidate) {
      const Candidate was = *knob.candidate;
      knob.candidate.reset();
      out.push_back(edit.settled_receipt(knob, was.change, was.value));
    }
    if (knob.promoted && extent == Extent::candidates_and_promoted) {
      const Promoted was = *knob.promoted;
      knob.promoted.reset();
      out.push_back(edit.settled_receipt(knob, was.change, was.value));
    }
  }
  if (!out.empty()) HS_TRY(store(edit.state, true));
  return out;
}

Result<std::vector<Receipt>> Actuator::in_flight() const {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(const Edit edit, Edit::begin(*this));
  std::vector<Receipt> out;
  for (const KnobState& knob : edit.state.knobs)
    if (knob.candidate) out.push_back(edit.receipt_of_candidate(knob));
  return out;
}

Result<std::vector<Receipt>> Actuator::promoted() const {
  const std::lock_guard guard(mutex_);
  HS_ASSIGN(const Edit edit, Edit::begin(*this));
  std::vector<Receipt> out;
  for (const KnobState& k : edit.state.knobs)
    if (k.promoted)
      out.push_back(
          {k.promoted->change, k.key, k.promoted->revision, k.promoted->value, k.base, 1, "", 0, k.promoted->at});
  return out;
}

Result<State> Actuator::state() const {
  const std::lock_guard guard(mutex_);
  return load();
}

}  // namespace hs::values
