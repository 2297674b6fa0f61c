#include "ingest/journal_cursor.h"

#include "base/log.h"

namespace hs::ingest {

Result<std::optional<SegmentReader::Record>> JournalCursor::next() {
  for (;;) {
    if (!reader_) {
      const auto stretch = journal_.stretch(at_);
      if (!stretch) return std::nullopt;
      HS_ASSIGN(SegmentReader reader, SegmentReader::open(disk_, stretch->path, stretch->end));
      reader.seek(stretch->begin.offset);
      at_ = stretch->begin;
      reader_.emplace(std::move(reader));
    }
    auto record = reader_->next();
    if (!record) {
      reader_.reset();
      return tl::unexpected(std::move(record).error());
    }
    if (*record) {
      at_.offset = reader_->offset();
      if ((*record)->header.type == RecordType::request) return record;
      continue;
    }
    if (reader_->finish() != SegmentReader::Finish::clean) {
      log::error("journal: a segment is damaged, what follows in it is lost",
                 {{"segment", at_.segment}, {"offset", at_.offset}});
      at_ = {at_.segment + 1, 0};
    }
    reader_.reset();
  }
}

}  // namespace hs::ingest
