#pragma once
// What the active series of a tenant are of: metrics, their labels, services. Memory is bounded by a budget that all
// tenants share: beyond it, names are counted together, and labels of further metrics are not looked at.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "limits/sketch.h"
#include "model/attributes.h"

namespace hs::limits {

// Shared by all tenants. Guarded by whoever guards the censuses.
struct Budget {
  static constexpr size_t names_max = 20'000;     // metrics, services and labels; some 200 bytes each
  static constexpr size_t sketches_max = 16'384;  // of labels, two of 512 bytes each
  size_t names = 0, sketches = 0;
};

struct Group {  // a metric or a service
  std::string name;
  uint64_t series = 0;   // active
  uint64_t refused = 0;  // points of new series that were not taken, since it is known
  LastHour fresh;        // series that were not active before
  std::map<std::string, Distinct, std::less<>> labels;
};

class Groups {
 public:
  static constexpr uint32_t others = 0;  // what has no group of its own
  Groups(Budget& budget, uint32_t most);
  ~Groups();
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  uint32_t index_of(std::string_view name);
  Group& at(uint32_t index) { return *groups_[index]; }
  // Groups without active series go.
  void drop_empty();
  template <class F>
  void each(F f) const {
    for (const auto& group : groups_)
      if (group) f(*group);
  }

 private:
  Budget& budget_;
  const uint32_t most_;
  std::map<std::string, uint32_t, std::less<>> by_name_;
  std::vector<std::unique_ptr<Group>> groups_;  // [others] is always there
  std::vector<uint32_t> free_;
};

class Census {
 public:
  explicit Census(Budget& budget);
  ~Census();

  Groups metrics, services;

  // A series is there: its labels, in this period.
  void look(uint32_t metric, const model::Attribute* begin, const model::Attribute* end, uint64_t period);
  const std::map<std::string, Distinct, std::less<>>& labels() const { return labels_; }

 private:
  void look(std::map<std::string, Distinct, std::less<>>& labels, const model::Attribute& a, uint64_t period,
            size_t most);
  Budget& budget_;
  std::map<std::string, Distinct, std::less<>> labels_;  // of all metrics
};

}  // namespace hs::limits
