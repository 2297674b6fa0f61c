#include "promql/store/packed.h"

#include <bit>

#include "base/assert.h"
#include "promql/store/packed_code.h"

namespace hs::promql::store {
namespace {

// The control byte: bits 0-1 how many bytes the change of the distance takes, bits 2-7 the value's code.
constexpr unsigned distance_bytes[] = {0, 1, 4, 8};

}  // namespace

void Packed::add(int64_t t_ms, double v) {
  const size_t control = bytes_.size();
  bytes_.push_back('\0');
  unsigned code = 0;
  if (size_ == 0) {
    first_ms_ = t_ms;
  } else {
    const int64_t distance = t_ms - last_ms_;
    const uint64_t change = zigzag(distance - distance_ms_);
    code = change == 0 ? 0 : change <= UINT8_MAX ? 1 : change <= UINT32_MAX ? 2 : 3;
    put_bytes(bytes_, change, distance_bytes[code]);
    distance_ms_ = distance;
  }
  const auto bits = std::bit_cast<uint64_t>(v);
  code |= put_value(bytes_, last_bits_, bits) << 2;
  bytes_[control] = static_cast<char>(code);
  last_ms_ = t_ms;
  last_bits_ = bits;
  ++size_;
}

bool unpack(const PackedView& packed, int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) {
  Unpacking from(packed.bytes);
  auto t = static_cast<uint64_t>(packed.first_ms);  // bytes that nobody packed wrap around, and harm nobody
  uint64_t distance = 0, bits = 0, change = 0;
  unsigned control = 0;
  for (uint32_t i = 0; i < packed.samples; ++i) {
    if (!from.byte(control)) return false;
    if (i > 0) {
      if ((control & 3) != 0) {
        if (!from.number(distance_bytes[control & 3], change)) return false;
        distance += static_cast<uint64_t>(unzigzag(change));
      }
      t += distance;
    }
    if (!from.value(control >> 2, bits)) return false;
    const auto t_ms = static_cast<int64_t>(t);
    if (t_ms > end_ms) return true;
    if (t_ms >= start_ms) out.push_back({t_ms, std::bit_cast<double>(bits)});
  }
  return from.left() == 0;
}

void Packed::read(int64_t start_ms, int64_t end_ms, std::vector<FloatPoint>& out) const {
  if (size_ == 0 || last_ms_ < start_ms || first_ms_ > end_ms) return;
  HS_ASSERT(unpack(view(), start_ms, end_ms, out), "memory is as it was written");
}

}  // namespace hs::promql::store
