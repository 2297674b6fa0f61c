#include "ledger/merkle.h"

#include <bit>

namespace hs::ledger {
namespace {

using security::sha256;
using security::view;

constexpr std::string_view leaf_prefix("\0", 1);
constexpr std::string_view node_prefix("\1", 1);

}  // namespace

void MerkleTree::add(std::string_view leaf) {
  Digest hash = sha256(leaf_prefix, leaf);
  for (uint64_t bits = size_; (bits & 1) != 0; bits >>= 1) {
    hash = sha256(node_prefix, view(complete_.back()), view(hash));
    complete_.pop_back();
  }
  complete_.push_back(hash);
  ++size_;
}

std::optional<MerkleTree> MerkleTree::resume(uint64_t size, std::vector<Digest> complete) {
  if (complete.size() != static_cast<size_t>(std::popcount(size))) return std::nullopt;
  MerkleTree tree;
  tree.size_ = size;
  tree.complete_ = std::move(complete);
  return tree;
}

Digest MerkleTree::root() const {
  if (complete_.empty()) return sha256("");
  Digest hash = complete_.back();
  for (size_t i = complete_.size() - 1; i > 0; --i) hash = sha256(node_prefix, view(complete_[i - 1]), view(hash));
  return hash;
}

}  // namespace hs::ledger
