#include "agent/intake.h"

#include <algorithm>

#include "ingest/record.h"

namespace hs::agent {
namespace {

ingest::Encoding encoding_of(Coding coding) {
  switch (coding) {
    case Coding::gzip:
      return ingest::Encoding::gzip;
    case Coding::zstd:
      return ingest::Encoding::zstd;
    default:
      return ingest::Encoding::identity;
  }
}

}  // namespace

Result<Item> take_in(ingest::Incoming incoming, const model::Batch& batch, const IntakeOptions& options) {
  Item item;
  item.hash = ingest::request_hash(incoming);
  item.signal = incoming.signal;
  item.format = incoming.format;
  item.encoding = incoming.encoding;
  item.received_at = incoming.received_at;
  item.items = static_cast<uint32_t>(std::min<size_t>(batch.size(), UINT32_MAX));
  item.tenant = std::move(incoming.tenant);
  item.body = std::move(incoming.body);
  if (item.encoding == ingest::Encoding::identity) {
    HS_ASSIGN(item.body, compress(options.compression, item.body));
    item.encoding = encoding_of(options.compression);
  }
  return item;
}

}  // namespace hs::agent
