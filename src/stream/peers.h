#pragma once
// Who is behind a call: the traced service once a callee's span has been joined, else a name from the attributes.

#include <cstdint>
#include <string>

#include "base/flat_table.h"
#include "stream/facts.h"
#include "stream/names.h"

namespace hs::stream {

// "redis", "kafka/orders", "shop.Payment", "127.0.0.1:9000"; the span's name when nothing else is said.
std::string peer_name(const Facts& facts, std::string_view span_name);

// Learns the callee of calls that look alike (caller, span name, address), so that a call whose callee never answers
// is still attributed. A name that leads to several services (a gateway's address) is not used.
class Peers {
 public:
  static constexpr size_t learned_max = 20'000;
  struct Callee {
    NameId service = no_name, operation = no_name;  // operation: no_name when several answer
  };
  struct Learned {
    Callee callee;
    uint32_t service_flips = 0, operation_flips = 0;
  };
  // `caller`: a hash of its name, the same in every run.
  static uint64_t key_of(uint64_t caller, const Facts& facts, std::string_view span_name);
  void learn(uint64_t key, NameId service, NameId operation);
  Callee callee_of(uint64_t key);
  const FlatTable<Learned>& learned() const { return learned_; }
  void restore(uint64_t key, const Learned& learned);
  void clear() { learned_.clear(); }

 private:
  static constexpr uint32_t flips_max = 4;  // a deploy may move a callee; more often it is a gateway
  FlatTable<Learned> learned_;
};

}  // namespace hs::stream
