// What io.prometheus.write.v2.Request has that prometheus.WriteRequest has not: symbols, metadata with each series.

#include <algorithm>

#include "base/hash.h"
#include "wire/prometheus/write_builder.h"

namespace hs::wire::prometheus {
namespace {

using model::Attribute;

enum FamilyType : uint64_t { histogram = 3, gauge_histogram = 4, summary = 5 };

// "h" of "h_bucket" and the like: what the series of one family share.
std::string_view family_of(std::string_view name, uint64_t type) {
  constexpr std::string_view suffixes[] = {"_bucket", "_count", "_sum", "_gcount", "_gsum"};
  if (type != histogram && type != gauge_histogram && type != summary) return name;
  for (const std::string_view suffix : suffixes)
    if (name.size() > suffix.size() && name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  return name;
}

}  // namespace

void WriteBuilder::read_symbols(std::string_view request) {
  for_each_message(request, [&](uint32_t field, std::string_view text) {
    if (field != bytes(4) || !within_budget()) return;
    symbols_.push_back(text);
    charged_ += sizeof(text);
  });
}

// Pairs of name and value; packed or one by one, as protobuf allows.
WriteBuilder::Refs WriteBuilder::read_refs(std::string_view message, std::vector<Attribute>& items) {
  Refs state = Refs::good;
  bool has_name = false;
  const auto take = [&](uint64_t ref) {
    if (ref >= symbols_.size()) state = Refs::bad;
    if (state != Refs::good) return;
    if (has_name)
      items.back().value = symbols_[ref];
    else if (items.size() >= limits_.labels_per_series_max)
      state = Refs::too_many;
    else
      items.push_back({symbols_[ref], {}});
    has_name = !has_name;
  };
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == bytes(1)) {
      for (const uint32_t ref : r.get_packed_uint32()) take(ref);
    } else if (r.tag_and_type() == varint(1)) {
      take(r.get_uint32());
    } else {
      r.skip();
    }
  }
  return state == Refs::good && has_name ? Refs::bad : state;
}

void WriteBuilder::read_head(std::string_view message, Series& series) {
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == bytes(5))
      read_metadata(series, view_of(r));
    else if (r.tag_and_type() == varint(6))
      series.created_ms = r.get_int64();
    else
      r.skip();
  }
}

void WriteBuilder::read_metadata(const Series& series, std::string_view message) {
  uint64_t type = 0, help = 0, unit = 0;
  pbf_reader r(message.data(), message.size());
  while (r.next()) {
    if (r.tag_and_type() == varint(1))
      type = r.get_uint64();
    else if (r.tag_and_type() == varint(3))
      help = r.get_uint64();
    else if (r.tag_and_type() == varint(4))
      unit = r.get_uint64();
    else
      r.skip();
  }
  if (type == 0 && help == 0 && unit == 0) return;
  model::Family family;
  family.name = family_of(series.name, type);
  family.help = help == 0 ? std::string_view() : symbol(help);
  family.unit = unit == 0 ? std::string_view() : symbol(unit);
  const uint64_t key = hash64(family.name, hash64(family.help, hash64(family.unit, type)));
  if (families_.insert(key).second) add_family(family, type);
}

}  // namespace hs::wire::prometheus
