#pragma once
// Names from telemetry, made safe once: at most name_bytes_max bytes, printable, bounded in number.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_table.h"

namespace hs::stream {

inline constexpr size_t name_bytes_max = 128;  // enough for every name that a person wrote

using NameId = uint32_t;
inline constexpr NameId no_name = 0;     // ""
inline constexpr NameId other_name = 1;  // "other": what stands for names beyond the bound

// Ids of names. Full: every new name is `other`, until clear().
class Names {
 public:
  explicit Names(size_t names_max);
  NameId id(std::string_view text);
  const std::string& text(NameId id) const { return texts_[id]; }
  uint64_t hash(NameId id) const { return hashes_[id]; }  // of the text as it came: the same in every run
  bool full() const { return texts_.size() >= names_max_; }
  uint64_t refused() const { return refused_; }
  void clear();

 private:
  size_t names_max_;
  FlatTable<NameId> ids_;
  std::vector<std::string> texts_;
  std::vector<uint64_t> hashes_;
  uint64_t refused_ = 0;
};

// Operations of services: each service has a bounded number, and a slot that is silent for long is given away.
class Operations {
 public:
  Operations(Names& names, size_t per_service_max) : names_(names), per_service_max_(per_service_max) {}
  NameId id(NameId service, std::string_view name, int64_t second);
  uint64_t refused() const { return refused_; }
  void clear();

 private:
  struct Slot {
    NameId name = no_name;
    int64_t seen = 0;
  };
  struct Service {
    FlatTable<Slot> slots;
    int64_t swept = 0;
  };
  void sweep(Service& service, int64_t second);

  static constexpr int64_t idle_s = 600;        // a nightly job keeps its name through its run
  static constexpr int64_t sweep_every_s = 60;  // a flood of names must not sweep for each of them
  Names& names_;
  size_t per_service_max_;
  FlatTable<Service> services_;
  uint64_t refused_ = 0;
};

// Numbers, hexadecimal runs and UUIDs in a name become <*>: what an operation without a route template needs.
std::string without_ids(std::string_view name);

}  // namespace hs::stream
