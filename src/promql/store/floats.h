#pragma once
// Numbers of series that are one series of the store each: read as columns, from memory where it has them. Internal.

#include "promql/store/reader.h"
#include "promql/store/recent.h"
#include "promql/store/series_cache.h"

namespace hs::promql::store {

class FloatReader {
 public:
  // `recent` may be nullptr.
  FloatReader(const Reader& reader, const Recent* recent) : reader_(reader), recent_(recent) {}

  // The series that have numbers in the window, and, in `others`, those of `found` that may have more than numbers
  // there (native histograms) or that were written twice: they are to be read otherwise. Errors: as of Source::select.
  Result<std::vector<Series>> read(const std::vector<Found>& found, const Select& select,
                                   std::vector<const Found*>& others) const;

 private:
  struct Work;
  Status from_memory(Work& work) const;
  Status from_engine(Work& work, int64_t end_ms) const;
  Status note_histograms(Work& work, int64_t end_ms) const;

  const Reader& reader_;
  const Recent* recent_;
};

}  // namespace hs::promql::store
