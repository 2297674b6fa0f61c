#include "values/served.h"

#include <algorithm>

#include "base/json.h"

namespace hs::values {
namespace {

using json::Json;

Json to_json(const ServedCount& c) {
  return {{"knob", c.knob},
          {"revision", c.revision},
          {"variant", name_of(c.variant)},
          {"count", c.count},
          {"bulk", c.bulk}};
}

Json to_json(const std::vector<ServedCount>& counts) {
  Json list = Json::array();
  for (const ServedCount& c : counts) list.push_back(to_json(c));
  return list;
}

tl::unexpected<Error> wrong() { return fail(Code::invalid_argument, "the report of served values is malformed"); }

Result<Variant> variant_of(std::string_view name) {
  for (const Variant v : {Variant::base, Variant::candidate, Variant::promoted})
    if (name_of(v) == name) return v;
  return wrong();
}

Result<std::vector<ServedCount>> counts_of(const Json* list) {
  if (list == nullptr || !list->is_array()) return wrong();
  std::vector<ServedCount> out;
  out.reserve(list->size());
  for (const Json& item : *list) {
    const auto knob = json::text(item, "knob");
    const auto revision = json::integer(item, "revision");
    const auto count = json::integer(item, "count");
    const auto bulk = json::integer(item, "bulk");
    if (!knob || !revision || !count || !bulk || *count < 0 || *bulk < 0) return wrong();
    HS_ASSIGN(const Variant variant, variant_of(json::text(item, "variant").value_or("")));
    out.push_back(
        {std::string(*knob), *revision, variant, static_cast<uint64_t>(*count), static_cast<uint64_t>(*bulk)});
  }
  return out;
}

template <class Numbers>
std::vector<ServedCount> flatten(const Numbers& numbers) {
  std::vector<ServedCount> out;
  out.reserve(numbers.size());
  for (const auto& [key, n] : numbers)
    out.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), n.count, n.bulk});
  return out;
}

}  // namespace

std::string encode(const ServedReport& report) {
  Json seconds = Json::array();
  for (const ServedSecond& s : report.seconds) seconds.push_back({{"second", s.second}, {"counts", to_json(s.counts)}});
  return json::dump({{"run", report.run},
                     {"now_unix_ns", report.now},
                     {"counts", to_json(report.counts)},
                     {"seconds", std::move(seconds)},
                     {"forgotten", report.forgotten}});
}

Result<ServedReport> decode_served(std::string_view text) {
  if (text.size() > served_report_bytes_max) return fail(Code::too_large, "the report of served values is too large");
  HS_ASSIGN(const Json document, json::parse(text, "the report of served values"));
  const auto run = json::text(document, "run");
  const auto now = json::integer(document, "now_unix_ns");
  const auto forgotten = json::integer(document, "forgotten");
  const Json* seconds = json::find(document, "seconds");
  if (!run || !now || !forgotten || *forgotten < 0 || seconds == nullptr || !seconds->is_array()) return wrong();
  ServedReport report{std::string(*run), *now, {}, {}, static_cast<uint64_t>(*forgotten)};
  HS_ASSIGN(report.counts, counts_of(json::find(document, "counts")));
  for (const Json& item : *seconds) {
    const auto second = json::integer(item, "second");
    if (!second) return wrong();
    HS_ASSIGN(std::vector<ServedCount> counts, counts_of(json::find(item, "counts")));
    report.seconds.push_back({*second, std::move(counts)});
  }
  return report;
}

ServedCounts::Second& ServedCounts::second_of(int64_t second) {
  // A wall clock that steps back adds to the newest second: per-second counts are for people and for tests.
  if (seconds_.empty() || seconds_.back().second < second) seconds_.push_back({second, {}});
  if (seconds_.size() > served_seconds_max) seconds_.pop_front();
  return seconds_.back();
}

void ServedCounts::forget_the_stalest() {
  const auto stalest = std::min_element(total_.begin(), total_.end(), [](const auto& a, const auto& b) {
    return a.second.last_second < b.second.last_second;
  });
  forgotten_ += stalest->second.count + stalest->second.bulk;
  total_.erase(stalest);
}

void ServedCounts::add(std::string_view knob, int64_t revision, Variant variant, bool bulk, UnixNanos now) {
  const int64_t second = now / nanos_per_s;
  const Key key{knob, revision, variant};
  const std::lock_guard lock(mutex_);
  if (total_.size() >= served_entries_max && total_.find(key) == total_.end()) forget_the_stalest();
  Numbers& total = total_[key];
  ++(bulk ? total.bulk : total.count);
  total.last_second = second;
  Second& current = second_of(second);
  if (current.numbers.size() >= served_second_entries_max && current.numbers.find(key) == current.numbers.end()) return;
  Numbers& in_second = current.numbers[key];
  ++(bulk ? in_second.bulk : in_second.count);
}

ServedReport ServedCounts::report(UnixNanos now, int64_t since_second) const {
  const std::lock_guard lock(mutex_);
  ServedReport out{run_, now, flatten(total_), {}, forgotten_};
  for (const Second& s : seconds_)
    if (s.second >= since_second) out.seconds.push_back({s.second, flatten(s.numbers)});
  return out;
}

}  // namespace hs::values
