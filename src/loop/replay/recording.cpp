#include "loop/replay/recording.h"

#include <fmt/format.h>

#include "loop/replay/fields.h"

namespace hs::loop::replay {

template <class A>
void fields(A& a, Settings& v) {
  archive::all(a, v.act, v.lease_ms, v.changes_per_hour, v.changes_per_incident, v.cooldown_ms);
}
template <class A>
void fields(A& a, Begin& v) {
  archive::all(a, v.at, v.version, v.has_ledger, v.ledger_index, v.settings, v.declarations, v.snapshot, v.baselines);
}

Settings Settings::of(const Policy& policy) {
  return {policy.act, policy.lease_ms, policy.changes_per_hour, policy.changes_per_incident, policy.cooldown_ms};
}

Policy Settings::policy() const {
  Policy out;
  out.act = act, out.lease_ms = lease_ms, out.cooldown_ms = cooldown_ms;
  out.changes_per_hour = changes_per_hour, out.changes_per_incident = changes_per_incident;
  return out;
}

void encode(const Item& item, std::string& out) {
  archive::Writer body;
  archive::put(body, const_cast<Item&>(item));  // a writer only reads it: one list of fields serves both directions
  archive::Writer whole;
  whole.text(body.out);
  out += whole.out;
}

Result<std::optional<Item>> take(std::string_view& bytes) {
  uint64_t size = 0;
  size_t used = 0;
  for (int shift = 0;; shift += 7, ++used) {
    if (used == bytes.size()) return std::nullopt;
    if (shift > 28) return fail(Code::invalid_argument, "the recording has an item of a length that ours never have");
    size |= static_cast<uint64_t>(bytes[used] & 0x7f) << shift;
    if ((bytes[used] & 0x80) == 0) break;
  }
  ++used;
  if (size > item_bytes_max)
    return fail(Code::invalid_argument, fmt::format("the recording has an item of {} bytes", size));
  if (bytes.size() - used < size) return std::nullopt;
  archive::Reader reader(bytes.substr(used, size));
  Item item;
  archive::put(reader, item);
  if (!reader.good() || !reader.done())
    return fail(Code::invalid_argument, "the recording has an item that is damaged");
  bytes.remove_prefix(used + size);
  return item;
}

std::vector<Action> Replayer::feed(const Item& item) {
  if (const auto* begin = std::get_if<Begin>(&item)) {
    machine_.emplace(begin->settings.policy());
    if (!begin->snapshot.empty()) (void)machine_->restore(begin->snapshot, begin->declarations);  // as serve does
    if (!begin->baselines.empty()) (void)machine_->restore_baselines(begin->baselines, begin->at);
    return {};
  }
  if (!machine_) return {};
  if (const auto* event = std::get_if<Event>(&item)) return machine_->step(*event);
  if (const auto* change = std::get_if<stream::RecentChange>(&item)) machine_->note(*change);
  if (const auto* fault = std::get_if<InjectedFault>(&item)) machine_->injected(*fault);
  if (const auto* settings = std::get_if<Settings>(&item)) machine_->set_policy(settings->policy());
  return {};
}

}  // namespace hs::loop::replay
