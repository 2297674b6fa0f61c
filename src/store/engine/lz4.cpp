#include "store/engine/lz4.h"

#include <lz4frame.h>

#include <memory>

namespace hs::store {
namespace {

struct Free {
  void operator()(LZ4F_dctx* context) const { LZ4F_freeDecompressionContext(context); }
};

}  // namespace

Result<std::string> lz4_decompress(std::string_view bytes, size_t bytes_max) {
  LZ4F_dctx* made = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
    return fail(Code::internal, "no memory to decompress lz4");
  }
  const std::unique_ptr<LZ4F_dctx, Free> context(made);
  std::string out, piece(256 * 1024, '\0');
  size_t wanted = 1;  // 0 once a frame is complete
  while (!bytes.empty()) {
    size_t got = piece.size(), used = bytes.size();
    wanted = LZ4F_decompress(context.get(), piece.data(), &got, bytes.data(), &used, nullptr);
    if (LZ4F_isError(wanted) != 0) return fail(Code::invalid_argument, "the lz4 body is damaged");
    if (out.size() + got > bytes_max) return fail(Code::too_large, "the lz4 body is too large when decompressed");
    out.append(piece, 0, got);
    bytes.remove_prefix(used);
    if (used == 0 && got == 0) break;
  }
  if (wanted != 0) return fail(Code::invalid_argument, "the lz4 body is cut off");
  return out;
}

}  // namespace hs::store
