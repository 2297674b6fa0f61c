#pragma once
// Deploys, restarts and knob values as resource and flag attributes show them.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_table.h"
#include "model/batch.h"
#include "stream/frame.h"

namespace hs::stream {

class Changes {
 public:
  static constexpr size_t instances_max = 10'000;  // (service, instance) whose version and process are remembered
  static constexpr size_t knobs_max = 5'000;       // (knob, service, instance) whose last value is remembered

  void see(const model::Resource& resource, int64_t second, std::string_view credential);
  // One evaluation of a knob; a value is reported when it differs from the last one seen there.
  void see(const ConfigSeen& seen, int64_t revision, int64_t second, std::string_view credential);
  std::vector<RecentChange> take_changes();
  std::vector<ConfigSeen> take_seen();
  void clear();

  struct Process {
    uint64_t version = 0, process = 0;
  };
  // What runs where, by hashes of names: with it a deploy is noticed that happened while nobody looked.
  const FlatTable<Process>& processes() const { return processes_; }
  const FlatTable<uint64_t>& versions() const { return versions_; }
  void restore(uint64_t instance, const Process& process);
  void restore(uint64_t service, uint64_t version);

 private:
  static constexpr size_t per_tick_max = 256;  // a rolling deploy of hundreds is told by its first
  void report(int64_t second, std::string service, std::string kind, std::string detail, std::string_view credential);

  FlatTable<Process> processes_;
  FlatTable<uint64_t> versions_;  // service -> its newest version
  FlatTable<uint64_t> values_;
  FlatTable<int64_t> revisions_;  // knob -> the newest revision
  std::vector<RecentChange> changes_;
  std::vector<ConfigSeen> seen_;
};

}  // namespace hs::stream
