#pragma once
// Where the chain stood when a segment began: anchor-<segment>, a signed head and the roots of the complete subtrees
// below it. With it the ledger is read from that segment on, and older segments can be dropped, while heads go on
// covering every entry that there ever was.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

namespace hs::ledger {

inline constexpr size_t anchor_bytes_max = 16'384;  // a note and at most 64 roots in hex

struct Anchor {
  Head head;  // over all entries before the segment
  std::string note;
  MerkleTree tree;
};

std::string encode_anchor(const SignerKey& key, const MerkleTree& tree);
// Refuses what is not signed by `key`, and roots that are not those of what was signed.
Result<Anchor> decode_anchor(std::string_view text, const VerifierKey& key);

std::string anchor_name(uint64_t segment);

}  // namespace hs::ledger
