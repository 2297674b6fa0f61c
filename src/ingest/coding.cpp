#include "ingest/coding.h"

namespace hs::ingest {

Encoding encoding_of(Coding coding) {
  switch (coding) {
    case Coding::gzip:
      return Encoding::gzip;
    case Coding::zstd:
      return Encoding::zstd;
    case Coding::deflate:
      return Encoding::deflate;
    case Coding::identity:
      break;
  }
  return Encoding::identity;
}

Coding coding_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::gzip:
      return Coding::gzip;
    case Encoding::zstd:
      return Coding::zstd;
    case Encoding::deflate:
      return Coding::deflate;
    case Encoding::snappy:
    case Encoding::identity:
      break;
  }
  return Coding::identity;
}

}  // namespace hs::ingest
