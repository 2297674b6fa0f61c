#include "store/block.h"

#include <algorithm>

#include "store/rows.h"

namespace hs::store {

std::vector<Block> encode_blocks(std::span<const StoredBatch> batches, uint64_t number, Described& described) {
  std::vector<Block> facts, dictionaries;
  Cut cut{batches, number, &described, &facts, &dictionaries, {}};
  encode_spans(cut);
  encode_points(cut);
  encode_logs(cut);
  describe_origins(cut);
  encode_facets(cut);
  std::move(dictionaries.begin(), dictionaries.end(), std::back_inserter(facts));
  return facts;
}

}  // namespace hs::store
