#include "promql/store/packed_histograms.h"

#include <bit>
#include <utility>

#include "base/assert.h"
#include "promql/store/packed_code.h"

namespace hs::promql::store {
namespace {

// Before each histogram: bit 0, a layout follows; bits 1-2, the hint about resets.
constexpr unsigned layout_follows = 1, hint_shift = 1;

bool same_layout(const Histogram& a, const Histogram& b) {
  const auto bits = [](double v) { return std::bit_cast<uint64_t>(v); };
  return a.schema == b.schema && bits(a.zero_threshold) == bits(b.zero_threshold) &&
         a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
         a.positive.size() == b.positive.size() && a.negative.size() == b.negative.size() &&
         a.custom_values == b.custom_values;
}

void put_layout(std::string& out, const Histogram& h) {
  put_varint(out, zigzag(h.schema));
  put_bytes(out, std::bit_cast<uint64_t>(h.zero_threshold), 8);
  for (const auto* spans : {&h.positive_spans, &h.negative_spans}) {
    put_varint(out, spans->size());
    for (const BucketSpan& span : *spans) put_varint(out, zigzag(span.offset)), put_varint(out, span.length);
  }
  put_varint(out, h.custom_values.size());
  for (const double bound : h.custom_values) put_bytes(out, std::bit_cast<uint64_t>(bound), 8);
  put_varint(out, h.positive.size());
  put_varint(out, h.negative.size());
}

bool take_count(Unpacking& from, size_t& count) {
  uint64_t n = 0;
  if (!from.varint(n) || n > from.left()) return false;  // each takes a byte at least
  count = n;
  return true;
}

bool take_number(Unpacking& from, double& value) {
  uint64_t bits = 0;
  if (!from.number(8, bits)) return false;
  value = std::bit_cast<double>(bits);
  return true;
}

// No span is empty, and they have so many buckets: so spans are no more than what bytes pay for.
bool covers(const std::vector<BucketSpan>& spans, uint64_t buckets) {
  for (const BucketSpan& span : spans) {
    if (span.length == 0 || span.length > buckets) return false;
    buckets -= span.length;
  }
  return buckets == 0;
}

bool take_layout(Unpacking& from, Histogram& h) {
  uint64_t schema = 0, offset = 0, length = 0;
  if (!from.varint(schema) || !take_number(from, h.zero_threshold)) return false;
  h.schema = static_cast<int32_t>(unzigzag(schema));
  size_t n = 0;
  for (auto* spans : {&h.positive_spans, &h.negative_spans}) {
    if (!take_count(from, n)) return false;
    spans->assign(n, {});
    for (BucketSpan& span : *spans) {
      if (!from.varint(offset) || !from.varint(length)) return false;
      span = {static_cast<int32_t>(unzigzag(offset)), static_cast<uint32_t>(length)};
    }
  }
  if (!take_count(from, n)) return false;
  h.custom_values.assign(n, 0);
  for (double& bound : h.custom_values)
    if (!take_number(from, bound)) return false;
  for (const auto& [spans, counts] :
       {std::pair(&h.positive_spans, &h.positive), std::pair(&h.negative_spans, &h.negative)}) {
    if (!take_count(from, n) || !covers(*spans, n)) return false;
    counts->assign(n, 0);
  }
  return true;
}

// The numbers of a histogram, in the order in which they are written.
template <class H, class F>
bool each_number(H& h, F f) {
  if (!f(h.count) || !f(h.zero_count) || !f(h.sum)) return false;
  for (auto* counts : {&h.positive, &h.negative})
    for (auto& count : *counts)
      if (!f(count)) return false;
  return true;
}

void put_numbers(std::string& out, const Histogram& h, const Histogram& before) {
  std::vector<uint64_t> was;
  each_number(before, [&](double v) { return was.push_back(std::bit_cast<uint64_t>(v)), true; });
  size_t i = 0;
  each_number(h, [&](double v) {
    const size_t control = out.size();
    out.push_back('\0');
    out[control] = static_cast<char>(put_value(out, was[i++], std::bit_cast<uint64_t>(v)));
    return true;
  });
}

bool take_numbers(Unpacking& from, Histogram& h) {
  return each_number(h, [&](double& v) {
    unsigned code = 0;
    auto bits = std::bit_cast<uint64_t>(v);
    if (!from.byte(code) || !from.value(code, bits)) return false;
    v = std::bit_cast<double>(bits);
    return true;
  });
}

// One with the layout of `h`, and zeros.
Histogram empty_like(const Histogram& h) {
  Histogram out = h;
  each_number(out, [](double& v) { return v = 0, true; });
  return out;
}

}  // namespace

void PackedHistograms::add(const HistogramPoint& point) {
  const Histogram& h = *point.h;
  if (size_ == 0) first_ms_ = last_ms_ = point.t_ms;
  put_varint(bytes_, zigzag(point.t_ms - last_ms_));
  const bool same = last_ != nullptr && same_layout(*last_, h);
  bytes_.push_back(static_cast<char>((same ? 0U : layout_follows) | static_cast<unsigned>(h.hint) << hint_shift));
  if (!same) put_layout(bytes_, h);
  put_numbers(bytes_, h, same ? *last_ : empty_like(h));
  last_ = point.h;
  last_ms_ = point.t_ms;
  ++size_;
}

bool unpack(const PackedView& packed, int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out) {
  Unpacking from(packed.bytes);
  Histogram h;
  auto t = static_cast<uint64_t>(packed.first_ms);  // bytes that nobody packed wrap around, and harm nobody
  for (uint32_t i = 0; i < packed.samples; ++i) {
    uint64_t distance = 0;
    unsigned control = 0;
    if (!from.varint(distance) || !from.byte(control)) return false;
    if ((control & layout_follows) != 0) {
      h = {};
      if (!take_layout(from, h)) return false;
    }
    h.hint = static_cast<ResetHint>(control >> hint_shift & 3);
    if (!take_numbers(from, h)) return false;
    t += static_cast<uint64_t>(unzigzag(distance));
    const auto t_ms = static_cast<int64_t>(t);
    if (t_ms > end_ms) return true;
    if (t_ms >= start_ms) out.push_back({t_ms, std::make_shared<Histogram>(h)});
  }
  return from.left() == 0;
}

void PackedHistograms::read(int64_t start_ms, int64_t end_ms, std::vector<HistogramPoint>& out) const {
  if (size_ == 0 || last_ms_ < start_ms || first_ms_ > end_ms) return;
  HS_ASSERT(unpack(view(), start_ms, end_ms, out), "memory is as it was written");
}

void PackedHistograms::shrink() {
  bytes_.shrink_to_fit();
  last_ = nullptr;
}

size_t PackedHistograms::memory_bytes() const {
  const size_t last = last_ == nullptr ? 0 : sizeof(Histogram) + 8 * (last_->positive.size() + last_->negative.size());
  return sizeof(PackedHistograms) + bytes_.capacity() + last;
}

}  // namespace hs::promql::store
