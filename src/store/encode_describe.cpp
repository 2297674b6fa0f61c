// Resources and scopes, and which keys and values occur.

#include <map>
#include <mutex>
#include <unordered_set>

#include "base/hash.h"
#include "store/rows.h"

namespace hs::store {
namespace {

using model::Signal;

// Facets answer "which keys are there, and which values do they have?". Keys of a block are looked up in at most
// facet_rows of its rows, taken at equal distances; a key's values beyond facet_values of a block, and long ones, are
// not listed: they identify, they do not group.
constexpr size_t facet_rows = 2048;
constexpr size_t facet_values = 64;
constexpr size_t facet_value_bytes = 128;
constexpr size_t facet_keys = 1024;

struct Origin {
  uint32_t resource = 0, scope = 0;
};

Origin origin_of(const model::Batch& batch, Signal signal, uint32_t row) {
  if (signal == Signal::traces) return {batch.spans.resource[row], batch.spans.scope[row]};
  if (signal == Signal::logs) return {batch.logs.resource[row], batch.logs.scope[row]};
  const model::Metric& metric = batch.points.metrics[batch.points.metric[row]];
  return {metric.resource, metric.scope};
}

AttributeRange attributes_of_row(const model::Batch& batch, Signal signal, uint32_t row) {
  if (signal == Signal::traces) return attributes_of(batch.spans.attributes, row);
  if (signal == Signal::logs) return attributes_of(batch.logs.attributes, row);
  return attributes_of(batch.points.attributes, row);
}

Block write_resources(const Cut& cut, int64_t partition, const Rows& rows) {
  NativeBlock native(rows.size());
  const auto of = [&](size_t i) -> const model::Resource& { return cut.batch(rows[i]).resources[rows[i].row]; };
  native.fixed<uint64_t>("resource_id", "UInt64", [&](size_t i) { return of(i).id; });
  native.low_cardinality("service", [&](size_t i) { return of(i).service; });
  native.text("instance", [&](size_t i) { return of(i).instance; });
  std::vector<AttributeRange> attributes;
  for (size_t i = 0; i < rows.size(); ++i) attributes.push_back(attributes_of(of(i).attributes));
  write_attributes(native, "", attributes);
  words_unless_empty(native, "schema_url", [&](size_t i) { return of(i).schema_url; });
  fixed_unless_zero<uint32_t>(native, "dropped_attributes", "UInt32",
                              [&](size_t i) { return of(i).dropped_attributes; });
  return finish_block(cut, native, "resources", partition, rows, false);
}

Block write_scopes(const Cut& cut, int64_t partition, const Rows& rows) {
  NativeBlock native(rows.size());
  const auto of = [&](size_t i) -> const model::Scope& { return cut.batch(rows[i]).scopes[rows[i].row]; };
  native.fixed<uint64_t>("scope_id", "UInt64", [&](size_t i) { return of(i).id; });
  native.low_cardinality("name", [&](size_t i) { return of(i).name; });
  native.low_cardinality("version", [&](size_t i) { return of(i).version; });
  std::vector<AttributeRange> attributes;
  for (size_t i = 0; i < rows.size(); ++i) attributes.push_back(attributes_of(of(i).attributes));
  write_attributes(native, "", attributes);
  words_unless_empty(native, "schema_url", [&](size_t i) { return of(i).schema_url; });
  fixed_unless_zero<uint32_t>(native, "dropped_attributes", "UInt32",
                              [&](size_t i) { return of(i).dropped_attributes; });
  return finish_block(cut, native, "scopes", partition, rows, false);
}

// Counts of values by key. Ordered, so that the block is the same whenever it is made.
struct Facets {
  struct Key {
    Signal signal = Signal::traces;
    uint8_t level = 0;
    std::string_view tenant, key;
    auto operator<=>(const Key&) const = default;
  };
  struct Counts {
    uint32_t batch = 0;
    uint64_t total = 0;
    std::map<std::string_view, uint64_t> values;
  };
  std::map<Key, Counts> keys;

  void add(uint32_t batch, Key key, AttributeRange attributes, uint64_t weight) {
    for (const model::Attribute* a = attributes.first; a != attributes.second; ++a) {
      key.key = a->key;
      auto at = keys.find(key);
      if (at == keys.end()) {
        if (keys.size() >= facet_keys) continue;
        at = keys.emplace(key, Counts{batch, 0, {}}).first;
      }
      Counts& counts = at->second;
      counts.total += weight;
      if (a->value.size() > facet_value_bytes) continue;
      if (counts.values.size() < facet_values || counts.values.contains(a->value)) counts.values[a->value] += weight;
    }
  }
};

constexpr uint8_t level_resource = 1, level_attribute = 2;

Block write_facets(const Cut& cut, int64_t partition, const Facets& facets) {
  struct Line {
    const Facets::Key* key;
    std::string_view value;
    uint64_t count;
  };
  std::vector<Line> lines;
  Rows rows;
  for (const auto& [key, counts] : facets.keys) {
    const auto add = [&](std::string_view value, uint64_t count) {
      lines.push_back({&key, value, count});
      rows.push_back({counts.batch, 0, {partition * nanos_per_s, 0}});
    };
    uint64_t listed = 0;
    for (const auto& [value, count] : counts.values) {
      add(value, count);
      listed += count;
    }
    if (counts.total > listed) add("", counts.total - listed);
  }
  NativeBlock native(lines.size());
  native.fixed<uint8_t>("signal", "UInt8", [&](size_t i) { return static_cast<uint8_t>(lines[i].key->signal); });
  native.fixed<uint8_t>("level", "UInt8", [&](size_t i) { return lines[i].key->level; });
  native.low_cardinality("key", [&](size_t i) { return lines[i].key->key; });
  native.text("value", [&](size_t i) { return lines[i].value; });
  native.fixed<uint64_t>("count", "UInt64", [&](size_t i) { return lines[i].count; });
  return finish_block(cut, native, "facets", partition, rows, false);
}

void add_facets(const Cut& cut, Signal signal, const Rows& rows, Facets& facets) {
  std::unordered_set<uint64_t> resources;
  const size_t step = (rows.size() + facet_rows - 1) / facet_rows;
  for (size_t i = 0; i < rows.size(); i += step) {
    const Row& row = rows[i];
    const model::Batch& batch = cut.batch(row);
    Facets::Key key{signal, level_attribute, cut.batches[row.batch].tenant, {}};
    facets.add(row.batch, key, attributes_of_row(batch, signal, row.row), step);
    const model::Resource& resource = batch.resources[origin_of(batch, signal, row.row).resource];
    key.level = level_resource;
    if (resources.insert(resource.id).second) facets.add(row.batch, key, attributes_of(resource.attributes), 1);
  }
}

// Rows of the dictionaries that were not told lately. They carry the partition's first instant, so that an id has one
// row there however often it is told.
struct Fresh {
  Rows resources, scopes;
  std::unordered_set<uint64_t> seen;
  const model::Batch* last_batch = nullptr;  // the row before: nearly always of the same origin
  Origin last;

  void add(const Cut& cut, int64_t partition, Signal signal, const Row& row) {
    const model::Batch& batch = cut.batch(row);
    const Origin origin = origin_of(batch, signal, row.row);
    if (&batch == last_batch && origin.resource == last.resource && origin.scope == last.scope) return;
    last_batch = &batch;
    last = origin;
    const Time first{partition * nanos_per_s, 0};
    const uint64_t tenant = hash64(cut.batches[row.batch].tenant);  // told once to each tenant
    const uint64_t resource = batch.resources[origin.resource].id, scope = batch.scopes[origin.scope].id;
    if (is_fresh(cut, Dictionary::resources, partition, resource ^ tenant)) {
      resources.push_back({row.batch, origin.resource, first});
    }
    if (is_fresh(cut, Dictionary::scopes, partition, scope ^ tenant))
      scopes.push_back({row.batch, origin.scope, first});
  }
  bool is_fresh(const Cut& cut, Dictionary table, int64_t partition, uint64_t id) {
    const uint64_t here = table == Dictionary::resources ? id : ~id;
    return seen.insert(here).second && cut.described->first(static_cast<uint8_t>(table), partition, id);
  }
};

}  // namespace

void describe_origins(Cut& cut) {
  for (const auto& [partition, signals] : cut.stored) {
    Fresh fresh;
    for (const auto& [signal, rows] : signals) {
      for (const Row& row : rows) fresh.add(cut, partition, signal, row);
    }
    if (!fresh.resources.empty()) cut.dictionaries->push_back(write_resources(cut, partition, fresh.resources));
    if (!fresh.scopes.empty()) cut.dictionaries->push_back(write_scopes(cut, partition, fresh.scopes));
  }
}

void encode_facets(Cut& cut) {
  for (const auto& [partition, signals] : cut.stored) {
    Facets facets;
    for (const auto& [signal, rows] : signals) add_facets(cut, signal, rows, facets);
    if (!facets.keys.empty()) cut.dictionaries->push_back(write_facets(cut, partition, facets));
  }
}

struct Described::Parts {
  std::mutex mutex;
  std::unordered_set<Hash128> told;
};

Described::Described() : parts_(std::make_unique<Parts>()) {}
Described::~Described() = default;

bool Described::first(uint8_t table, int64_t partition, uint64_t id) {
  const std::lock_guard lock(parts_->mutex);
  if (parts_->told.size() >= described_max) parts_->told.clear();
  return parts_->told.insert(Hash128{static_cast<uint64_t>(partition) << 8 | table, id}).second;
}

void Described::forget() {
  const std::lock_guard lock(parts_->mutex);
  parts_->told.clear();
}

}  // namespace hs::store
