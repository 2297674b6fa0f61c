#pragma once
// The identity of a series: label names and values, sorted by name, without empty values.

#include <atomic>
#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hs::promql {

inline constexpr std::string_view metric_name_label = "__name__";

struct Label {
  std::string name;
  std::string value;
  auto operator<=>(const Label&) const = default;
};

// Sorted by name (bytewise), names unique, no empty value: an absent label and an empty one are the same thing.
// Copies share what they hold, with its hash and what is left without the name: a query copies labels at every node,
// and the store hands out the same ones to every query. Threads may share copies.
class Labels {
 public:
  Labels() = default;
  // Sorts, drops empty values; of two equal names the last one stays.
  static Labels from(std::vector<Label> labels);

  std::string_view get(std::string_view name) const;  // "" when absent
  bool has(std::string_view name) const { return !get(name).empty(); }
  void set(std::string_view name, std::string_view value);  // an empty value erases
  void erase(std::string_view name) { set(name, ""); }
  // Keeps only (or drops) the labels of `names`.
  Labels only(std::span<const std::string> names) const;
  Labels without(std::span<const std::string> names) const;  // the metric name always goes too
  Labels without_name() const { return without({}); }
  // Without name, __type__ and __unit__: what an operation leaves that changes what the values mean.
  Labels without_metadata() const;

  bool empty() const { return body_ == nullptr; }
  size_t size() const { return all().size(); }
  auto begin() const { return all().begin(); }
  auto end() const { return all().end(); }
  uint64_t hash() const;
  // {a="b", c="d"}, the form of Prometheus' messages.
  std::string text() const;
  bool operator==(const Labels& other) const;
  std::strong_ordering operator<=>(const Labels& other) const;

 private:
  struct Body;
  explicit Labels(std::vector<Label> sorted);  // and without empty values
  const std::vector<Label>& all() const;
  std::shared_ptr<const Body> body_;  // none: no labels
};

struct LabelsHash {
  size_t operator()(const Labels& labels) const { return labels.hash(); }
};

}  // namespace hs::promql
