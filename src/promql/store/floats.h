#pragma once
// Points of series that are one series of the store each: read from memory where it has them, packed where they are,
// else, numbers alone, as columns. Internal.

#include "promql/store/packed_index.h"
#include "promql/store/reader.h"
#include "promql/store/recent.h"
#include "promql/store/series_cache.h"

namespace hs::promql::store {

class FloatReader {
 public:
  // `recent` and `packed` may be nullptr.
  FloatReader(const Reader& reader, const Recent* recent, const PackedIndex* packed)
      : reader_(reader), recent_(recent), packed_(packed) {}

  // The series that have points in the window, and, in `others`, those of `found` that may have more than numbers there
  // (native histograms that are neither in memory nor packed) or that were written twice: they are to be read
  // otherwise. Errors: as of Source::select.
  Result<std::vector<Series>> read(const std::vector<Found>& found, const Select& select,
                                   std::vector<const Found*>& others) const;

 private:
  struct Work;
  struct Wanted;
  struct Pieces;
  struct ForCache;
  Status from_memory(Work& work) const;
  Status natives_from_memory(Work& work, size_t i, int64_t start_ms) const;
  Status take_natives(Work& work, size_t i, size_t first) const;
  Status from_engine(Work& work, const Window& window) const;
  Status from_packed(Work& work, const Window& window) const;
  std::vector<const Found*> from_cache(Work& work, const Wanted& wanted, std::span<const Found* const> some,
                                       Pieces& pieces) const;
  Status read_packed(Work& work, const Wanted& wanted, std::span<const Found* const> series, Pieces& pieces) const;
  Status from_samples(Work& work, const Window& window) const;
  Status note_histograms(Work& work, const Window& window) const;

  const Reader& reader_;
  const Recent* recent_;
  const PackedIndex* packed_;
};

}  // namespace hs::promql::store
