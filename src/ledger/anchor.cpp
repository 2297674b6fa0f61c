#include "ledger/anchor.h"

#include <cstring>

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace hs::ledger {
namespace {

using json::Json;

Result<MerkleTree> tree_from(const Json& document, uint64_t size) {
  const Json* list = json::find(document, "subtrees");
  std::vector<Digest> complete;
  if (list == nullptr || !list->is_array()) return fail(Code::invalid_argument, "the anchor has no subtrees");
  for (const Json& one : *list) {
    const auto* text = one.get_ptr<const std::string*>();
    const auto bytes = from_hex(text == nullptr ? "" : *text);
    Digest digest{};
    if (!bytes || bytes->size() != digest.size())
      return fail(Code::invalid_argument, "the anchor has a root that is none");
    std::memcpy(digest.data(), bytes->data(), digest.size());
    complete.push_back(digest);
  }
  auto tree = MerkleTree::resume(size, std::move(complete));
  if (!tree) return fail(Code::invalid_argument, "the anchor has another number of subtrees than its size needs");
  return std::move(*tree);
}

}  // namespace

std::string anchor_name(uint64_t segment) { return fmt::format("anchor-{:08}", segment); }

std::string encode_anchor(const SignerKey& key, const MerkleTree& tree) {
  Json subtrees = Json::array();
  for (const Digest& digest : tree.complete()) subtrees.push_back(to_hex(security::view(digest)));
  const std::string note = key.sign({key.verifier().name, tree.size(), tree.root()});
  return json::dump({{"note", note}, {"subtrees", std::move(subtrees)}}) + "\n";
}

Result<Anchor> decode_anchor(std::string_view text, const VerifierKey& key) {
  HS_ASSIGN(const Json document, json::parse(text, "the anchor"));
  Anchor anchor;
  anchor.note = json::text(document, "note").value_or("");
  HS_ASSIGN(anchor.head, open_note(anchor.note, key));
  HS_ASSIGN(anchor.tree, tree_from(document, anchor.head.size));
  if (anchor.tree.root() != anchor.head.root)
    return fail(Code::invalid_argument, "the anchor's subtrees are not those of what it signs");
  return anchor;
}

}  // namespace hs::ledger
