#pragma once
// The verdicts of a held cut, by request.

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "ingest/record.h"
#include "model/sampling.h"

namespace hs::ingest {

class KeptOf {
 public:
  // `verdicts` as a Cut has them: without any, everything is stored. internal: they cannot be read.
  static Result<KeptOf> of(const std::string& verdicts) {
    KeptOf out;
    if (verdicts.empty()) return out;
    HS_ASSIGN(out.decided_, parse_decided(verdicts));
    size_t begin = 0;
    for (const Decided::Of& request : out.decided_->requests) {
      out.rows_[request.sequence] = {begin, request.rows};
      begin += request.rows;
    }
    return out;
  }
  // Valid as long as this lives. A request that the verdicts do not know is stored whole.
  model::Kept of(uint64_t sequence, const model::Batch& batch) const {
    const auto found = rows_.find(sequence);
    if (found == rows_.end() || found->second.second != batch.size()) return {};
    const Verdicts& verdicts = decided_->verdicts;
    return {std::span(verdicts.codes).subspan(found->second.first, found->second.second), verdicts.thresholds};
  }

 private:
  std::optional<Decided> decided_;
  std::unordered_map<uint64_t, std::pair<size_t, uint32_t>> rows_;  // sequence -> first, how many
};

}  // namespace hs::ingest
