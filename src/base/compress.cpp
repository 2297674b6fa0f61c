#include "base/compress.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>
#include <zstd.h>

namespace hs {
namespace {

// The first guess at the output: telemetry compresses 5 to 20 times, and a guess too low costs one more copy.
constexpr size_t first_ratio = 8;
constexpr size_t first_bytes_min = 16 * 1024;
// No first guess above this: a large input that says nothing about its output should not reserve the limit.
constexpr size_t first_bytes_max = 4 * 1024 * 1024;
// zlib counts input and output in 32 bits; both are fed in steps below that.
constexpr size_t step_bytes = 64 * 1024 * 1024;

tl::unexpected<Error> corrupt(std::string_view coding, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("the body is not valid {}: {}", coding, why));
}

tl::unexpected<Error> too_large(size_t bytes_max) {
  return fail(Code::too_large, fmt::format("the body is larger than {} bytes once decompressed", bytes_max));
}

// Output that grows by doubling up to its limit, and knows one byte more than the limit from too much.
class Output {
 public:
  Output(size_t input_bytes, size_t bytes_max) : bytes_max_(bytes_max) {
    const size_t guess = std::clamp(input_bytes * first_ratio, first_bytes_min, first_bytes_max);
    text_.resize(std::min(guess, bytes_max_ + 1));
  }
  // Makes room; false when the limit is passed.
  bool grow() {
    if (used_ > bytes_max_) return false;
    if (used_ == text_.size()) text_.resize(std::min(text_.size() * 2, bytes_max_ + 1));
    return true;
  }
  char* free_begin() { return text_.data() + used_; }
  size_t free_bytes() const { return text_.size() - used_; }
  void use(size_t bytes) { used_ += bytes; }
  size_t bytes_max() const { return bytes_max_; }
  bool passed() const { return used_ > bytes_max_; }
  std::string take() {
    text_.resize(used_);
    return std::move(text_);
  }

 private:
  std::string text_;
  size_t used_ = 0;
  size_t bytes_max_;
};

struct InflateEnd {
  void operator()(z_stream* z) const {
    inflateEnd(z);
    delete z;
  }
};
using Inflater = std::unique_ptr<z_stream, InflateEnd>;

Result<Inflater> make_inflater(int window_bits) {
  auto z = std::make_unique<z_stream>();
  if (inflateInit2(z.get(), window_bits) != Z_OK)
    return fail(Code::resource_exhausted, "no memory to decompress", 1000);
  return Inflater(z.release());
}

// One call of inflate on the next step of `in`; advances both sides.
int inflate_step(z_stream& z, std::string_view& in, Output& out) {
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib's API predates const
  z.avail_in = static_cast<uInt>(std::min(in.size(), step_bytes));
  z.next_out = reinterpret_cast<Bytef*>(out.free_begin());
  z.avail_out = static_cast<uInt>(std::min(out.free_bytes(), step_bytes));
  const uInt in_before = z.avail_in, out_before = z.avail_out;
  const int code = inflate(&z, Z_NO_FLUSH);
  in.remove_prefix(in_before - z.avail_in);
  out.use(out_before - z.avail_out);
  return code;
}

// `members`: a gzip body may be several members after each other.
Result<std::string> run_inflate(std::string_view name, int window_bits, bool members, std::string_view in,
                                size_t bytes_max) {
  HS_ASSIGN(const Inflater z, make_inflater(window_bits));
  Output out(in.size(), bytes_max);
  while (true) {
    if (!out.grow()) return too_large(bytes_max);
    const int code = inflate_step(*z, in, out);
    if (code == Z_STREAM_END) {
      if (out.passed()) return too_large(bytes_max);
      if (in.empty()) return out.take();
      if (!members) return corrupt(name, "something follows its end");
      inflateReset(z.get());
    } else if (code == Z_BUF_ERROR && in.empty() && out.free_bytes() > 0) {
      return corrupt(name, "it ends too early");
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
      return corrupt(name, z->msg != nullptr ? z->msg : "bad data");
    }
  }
}

// A zlib header names method 8, a window of at most 32 KiB, and is a multiple of 31 (RFC 1950, 2.2).
bool has_zlib_header(std::string_view in) {
  if (in.size() < 2) return false;
  const auto cmf = static_cast<unsigned char>(in[0]), flg = static_cast<unsigned char>(in[1]);
  return (cmf & 0x0F) == 8 && (cmf >> 4) <= 7 && (cmf * 256 + flg) % 31 == 0;
}

Result<std::string> run_deflate(std::string_view in, size_t bytes_max) {
  return run_inflate("deflate", has_zlib_header(in) ? 15 : -15, false, in, bytes_max);
}

struct ZstdFree {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Result<std::string> run_zstd(std::string_view in, size_t bytes_max) {
  const std::unique_ptr<ZSTD_DCtx, ZstdFree> context(ZSTD_createDCtx());
  if (!context) return fail(Code::resource_exhausted, "no memory to decompress", 1000);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, zstd_window_log_max);
  Output out(in.size(), bytes_max);
  ZSTD_inBuffer source{in.data(), in.size(), 0};
  size_t hint = 1;  // 0: a frame is complete and flushed
  while (source.pos < source.size || hint != 0) {
    if (!out.grow()) return too_large(bytes_max);
    ZSTD_outBuffer target{out.free_begin(), out.free_bytes(), 0};
    const size_t in_before = source.pos;
    hint = ZSTD_decompressStream(context.get(), &target, &source);
    if (ZSTD_isError(hint) != 0) return corrupt("zstd", ZSTD_getErrorName(hint));
    out.use(target.pos);
    const bool stuck = source.pos == in_before && target.pos == 0;
    if (stuck && source.pos == source.size && hint != 0) return corrupt("zstd", "it ends too early");
  }
  if (out.passed()) return too_large(bytes_max);
  return out.take();
}

Result<std::string> run_zlib_compress(int window_bits, std::string_view in) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(Code::resource_exhausted, "no memory to compress", 1000);
  std::string out;
  std::array<char, 64 * 1024> part;
  int code = Z_OK;
  while (code == Z_OK) {
    const auto step = static_cast<uInt>(std::min(in.size(), step_bytes));
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    z.avail_in = step;
    z.next_out = reinterpret_cast<Bytef*>(part.data());
    z.avail_out = part.size();
    code = deflate(&z, step == in.size() ? Z_FINISH : Z_NO_FLUSH);
    in.remove_prefix(step - z.avail_in);
    out.append(part.data(), part.size() - z.avail_out);
  }
  deflateEnd(&z);
  return out;
}

Result<std::string> run_zstd_compress(std::string_view in) {
  std::string out(ZSTD_compressBound(in.size()), '\0');
  const size_t size = ZSTD_compress(out.data(), out.size(), in.data(), in.size(), ZSTD_CLEVEL_DEFAULT);
  if (ZSTD_isError(size) != 0) return fail(Code::internal, ZSTD_getErrorName(size));
  out.resize(size);
  return out;
}

std::string lower_trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

Result<Coding> parse_coding(std::string_view content_encoding) {
  const std::string name = lower_trimmed(content_encoding.substr(0, 64));
  if (name.empty() || name == "identity") return Coding::identity;
  if (name == "gzip" || name == "x-gzip") return Coding::gzip;
  if (name == "deflate" || name == "zlib") return Coding::deflate;
  if (name == "zstd") return Coding::zstd;
  if (name.find(',') != std::string::npos)
    return fail(Code::unsupported_media, "a body with more than one Content-Encoding is not accepted; use one");
  return fail(Code::unsupported_media,
              fmt::format("unknown Content-Encoding \"{}\"; use gzip, deflate, zstd or none", name));
}

std::string_view name_of(Coding coding) {
  switch (coding) {
    case Coding::gzip:
      return "gzip";
    case Coding::deflate:
      return "deflate";
    case Coding::zstd:
      return "zstd";
    case Coding::identity:
      break;
  }
  return "";
}

Result<std::string> decompress(Coding coding, std::string_view bytes, size_t bytes_max) {
  switch (coding) {
    case Coding::gzip:
      return run_inflate("gzip", 15 + 16, true, bytes, bytes_max);
    case Coding::deflate:
      return run_deflate(bytes, bytes_max);
    case Coding::zstd:
      return run_zstd(bytes, bytes_max);
    case Coding::identity:
      break;
  }
  if (bytes.size() > bytes_max)
    return fail(Code::too_large, fmt::format("the body is larger than {} bytes", bytes_max));
  return std::string(bytes);
}

Result<std::string> decode_content(std::string_view content_encoding, std::string_view bytes, size_t bytes_max) {
  HS_ASSIGN(const Coding coding, parse_coding(content_encoding));
  return decompress(coding, bytes, bytes_max);
}

Result<std::string> compress(Coding coding, std::string_view bytes) {
  switch (coding) {
    case Coding::gzip:
      return run_zlib_compress(15 + 16, bytes);
    case Coding::deflate:
      return run_zlib_compress(15, bytes);
    case Coding::zstd:
      return run_zstd_compress(bytes);
    case Coding::identity:
      break;
  }
  return std::string(bytes);
}

}  // namespace hs
