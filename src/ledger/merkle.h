#pragma once
// The Merkle tree of RFC 6962 (section 2.1), grown leaf by leaf in logarithmic memory.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "security/crypto.h"

namespace hs::ledger {

using security::Digest;

class MerkleTree {
 public:
  void add(std::string_view leaf);
  uint64_t size() const { return size_; }
  // Goes on where another tree of `size` leaves stopped; nothing when `complete` cannot be that tree's.
  static std::optional<MerkleTree> resume(uint64_t size, std::vector<Digest> complete);
  const std::vector<Digest>& complete() const { return complete_; }
  Digest root() const;  // of no leaves: SHA-256 of nothing

 private:
  std::vector<Digest> complete_;  // roots of complete subtrees, largest first: one for each 1 bit of size_
  uint64_t size_ = 0;
};

}  // namespace hs::ledger
