#pragma once
// What both decoders share: limits, checks, repairs and the pushing of rows. Internal to wire/otlp.
//
// A decoder fills a row's scalars, lets attributes, events, links and exemplars go straight into their columns, and
// then calls push(): which completes the row, or takes back what already went into the columns.

#include <array>
#include <cstring>
#include <unordered_map>

#include "model/batch.h"
#include "wire/otlp/otlp.h"

namespace hs::wire::otlp {

// Why an item was rejected, or what was changed about one.
enum class Note : uint8_t {
  // rejected
  span_ids,
  parent_id,
  metric_name,
  buckets_mismatch,
  bounds_order,
  buckets_over,
  point_attributes,
  body_nesting,
  body_size,
  // trimmed, cut, repaired
  attributes_over,
  key_length,
  value_nesting,
  value_size,
  value_cut,
  name_cut,
  events_over,
  links_over,
  link_ids,
  exemplars_over,
  context_ids,
  utf8,
  count_,
};

enum class Fit : uint8_t { ok, too_deep, too_large };

// How large an AnyValue's text may be.
struct ValueLimits {
  size_t text_bytes_max;    // strings and bytes: cut
  size_t nested_bytes_max;  // arrays and maps: do not fit
};

struct Value {
  std::string_view text;
  model::ValueType type = model::ValueType::empty;
  Fit fit = Fit::ok;  // otherwise it cannot be taken
};

// The attributes of one item while they are collected: the items after `first`.
struct AttributeList {
  std::vector<model::Attribute>& items;
  uint32_t dropped = 0;
  size_t first = items.size();
};

struct SpanRow {
  uint32_t resource = 0, scope = 0;
  model::TraceId trace_id{};
  model::SpanId span_id = 0, parent_id = 0;
  bool ids_ok = false, parent_ok = true;
  uint64_t start = 0, end = 0, kind = 0, status = 0;
  std::string_view name, status_message, trace_state;
  uint32_t flags = 0, dropped_attributes = 0, dropped_events = 0, dropped_links = 0;
};

struct EventRow {
  uint64_t time = 0;
  std::string_view name;
  uint32_t dropped_attributes = 0;
};

// Trace and span id of a link, a record, an exemplar.
struct Context {
  model::TraceId trace_id{};
  model::SpanId span_id = 0;
  bool ok = true;  // false: malformed
};

struct LinkRow {
  Context context;
  std::string_view trace_state;
  uint32_t flags = 0, dropped_attributes = 0;
};

struct LogRow {
  uint32_t resource = 0, scope = 0;
  uint64_t time = 0, observed_time = 0;
  int64_t severity = 0;
  std::string_view severity_text, event_name;
  Value body;
  Context context;
  uint32_t flags = 0, dropped_attributes = 0;
};

struct Number {
  bool set = false, is_int = false;
  double real = 0;
  int64_t integer = 0;
};

struct ExemplarRow {
  uint64_t time = 0;
  Number value;
  Context context;
};

struct PointRow {
  uint32_t metric = 0;
  uint64_t time = 0, start_time = 0;
  uint32_t flags = 0;
  Number value;  // of number points
};

class Builder {
 public:
  Builder(model::Signal signal, const DecodeLimits& limits);

  model::Batch batch;
  const DecodeLimits& limits;

  // `first` names the offender, in the sender's words; the first one is told.
  void note(Note note, uint64_t n = 1, std::string_view first = {}) {
    if (notes_[static_cast<size_t>(note)] == 0) first_[static_cast<size_t>(note)] = first;
    notes_[static_cast<size_t>(note)] += n;
  }
  void reject(Note why, uint64_t n = 1, std::string_view first = {}) {
    note(why, n, first);
    batch.rejected += n;
  }

  // The body becomes the batch's; its memory is not part of the budget.
  std::string_view adopt(std::string body);
  // False when the request wants more memory than it may have; the decoder then stops.
  bool within_budget() const { return charged_ + batch.arena.bytes() <= limits.decoded_bytes_max + body_bytes_; }
  void charge(size_t bytes) { charged_ += bytes; }

  // Makes room for this many items in a request of this many bytes (an estimate; hostile counts are bounded).
  void reserve_spans(size_t items, size_t request_bytes);
  void reserve_logs(size_t items, size_t request_bytes);
  void reserve_points(size_t request_bytes);

  ValueLimits attribute_value() const { return {limits.value_bytes_max, limits.value_bytes_max}; }
  ValueLimits body_value() const { return {SIZE_MAX, limits.nested_body_bytes_max}; }

  // Valid UTF-8 with the same content; a view of `raw` unless it had to be repaired.
  std::string_view text(std::string_view raw) { return is_ascii(raw) ? raw : checked(raw); }
  // As text(), and cut at the limit for names.
  std::string_view name(std::string_view raw) { return cut(text(raw), limits.name_bytes_max, Note::name_cut); }
  // As text(), and cut at the limit for values.
  std::string_view message(std::string_view raw) { return cut(text(raw), limits.value_bytes_max, Note::value_cut); }

  // Values. Texts are views of `raw` where possible.
  Value string(std::string_view raw, size_t bytes_max) {
    return {cut(text(raw), bytes_max, Note::value_cut), model::ValueType::string};
  }
  Value boolean(bool value) { return {value ? "true" : "false", model::ValueType::boolean}; }
  Value integer(int64_t value);
  Value real(double value);
  Value bytes(std::string_view raw, size_t bytes_max);
  // An array or map whose canonical text was built.
  Value nested(std::string_view json, model::ValueType type, Fit fit) {
    return {fit == Fit::ok ? batch.arena.copy(json) : std::string_view(), type, fit};
  }

  // True if `list` has room for one more attribute; otherwise it is counted as dropped.
  bool room(AttributeList& list) {
    if (list.items.size() - list.first < limits.attributes_per_item_max) return true;
    return drop(list, Note::attributes_over, list.items.empty() ? std::string_view() : list.items.back().key);
  }
  void add(AttributeList& list, std::string_view raw_key, const Value& value);

  // Index of an equal resource or scope, or of this one, newly added. Canonicalises.
  uint32_t add_resource(model::Resource resource);
  uint32_t add_scope(model::Scope scope);

  bool room_for_event(SpanRow& row);
  bool room_for_link(SpanRow& row);
  bool room_for_exemplar();

  void push(const SpanRow& row);
  void push(const EventRow& row);
  void push(const LinkRow& row, SpanRow& span);
  void push(const LogRow& row);
  void push(const ExemplarRow& row);  // of the point that is being collected
  void push(const PointRow& row);
  // `too_many`: it had more buckets or quantiles than the limit.
  void push(const PointRow& row, model::Distribution distribution, bool too_many);
  // The index of a descriptor, newly added.
  uint32_t add_metric(model::Metric metric);
  // False when the metric cannot be taken: its points are to be rejected, counted by the decoder.
  bool acceptable_name(std::string_view name);

  // Completes the batch, or says why there is none.
  Result<model::Batch> finish();

  static bool is_ascii(std::string_view text);

 private:
  std::string_view checked(std::string_view raw);
  std::string_view cut(std::string_view text, size_t bytes_max, Note why) {
    return text.size() <= bytes_max ? text : cut_off(text, bytes_max, why);
  }
  std::string_view cut_off(std::string_view text, size_t bytes_max, Note why);
  bool drop(AttributeList& list, Note why, std::string_view key);
  bool lacks_attributes();
  void take_back_span();
  void reject_point(Note why, std::string_view metric);
  void push_distribution(const PointRow& row, model::Distribution distribution);
  bool valid(const model::Distribution& distribution, model::MetricKind kind, Note& why) const;

  std::array<uint64_t, static_cast<size_t>(Note::count_)> notes_{};
  std::array<std::string_view, static_cast<size_t>(Note::count_)> first_{};
  bool point_lacks_attributes_ = false;  // of the point that is being collected
  size_t charged_ = 0, body_bytes_ = 0;
  size_t exemplars_begin_ = 0;                                           // of the point that is being collected
  std::unordered_map<uint64_t, uint32_t> resource_by_id_, scope_by_id_;  // bounded by the memory budget
};

inline bool Builder::is_ascii(std::string_view text) {
  constexpr uint64_t high_bits = 0x8080808080808080ULL;
  const auto word_at = [&](size_t at) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, sizeof(word));
    return word;
  };
  uint64_t seen = 0;
  if (text.size() >= 8) {
    for (size_t at = 0; at + 8 < text.size(); at += 8) seen |= word_at(at);
    return ((seen | word_at(text.size() - 8)) & high_bits) == 0;  // the last 8 bytes, some of them again
  }
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return (seen & 0x80) == 0;
}

}  // namespace hs::wire::otlp
