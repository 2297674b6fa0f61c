#pragma once
// Reads protobuf's wire format, field by field: https://protobuf.dev/programming-guides/encoding
//
// A receiver reads some ten fields an item, nearly all with a tag and a length of one byte each. Those are read here,
// inline; whatever else stands there, and whatever is no protobuf, is left to protozero, which throws
// protozero::exception: the decoders' entry points catch it. The calls are protozero::pbf_reader's, so its
// documentation holds: next() goes to a field, which is then read or skipped once.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <protozero/pbf_reader.hpp>

namespace hs::protobuf {

static_assert(std::endian::native == std::endian::little, "fixed numbers are copied as they lie in memory");

constexpr uint32_t varint(uint32_t tag) { return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint); }
constexpr uint32_t fixed64(uint32_t tag) { return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed64); }
constexpr uint32_t fixed32(uint32_t tag) { return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed32); }
constexpr uint32_t bytes(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}

// A view of a message, which must outlive it.
class Reader {
 public:
  Reader(const char* data, size_t size) : at_(data), end_(data + size) {}

  bool next() {
    if (at_ == end_) return false;
    field_ = at_;
    const auto byte = static_cast<unsigned char>(*at_);
    constexpr unsigned good_types = 1U << 0 | 1U << 1 | 1U << 2 | 1U << 5;  // varint, fixed64, bytes, fixed32
    if (byte < 8 || byte >= 128 || (good_types >> (byte & 7) & 1) == 0) return next_slowly();
    key_ = byte;
    ++at_;
    return true;
  }
  uint32_t tag_and_type() const { return key_; }
  uint32_t tag() const { return key_ >> 3; }
  protozero::pbf_wire_type wire_type() const { return static_cast<protozero::pbf_wire_type>(key_ & 7); }

  // f(protozero::pbf_reader at this field) reads what is rare.
  template <class F>
  auto slowly(F f) {
    protozero::pbf_reader r(field_, static_cast<size_t>(end_ - field_));
    r.next();
    const auto value = f(r);
    at_ = r.data().data();
    return value;
  }
  std::string_view view() {
    const uint32_t size = get_uint32();
    if (end_ - at_ < static_cast<ptrdiff_t>(size)) too_short();
    at_ += size;
    return {at_ - size, size};
  }
  Reader get_message() {
    const std::string_view message = view();
    return {message.data(), message.size()};
  }
  uint64_t get_uint64() {
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 128) return static_cast<unsigned char>(*at_++);
    return protozero::decode_varint(&at_, end_);
  }
  int64_t get_int64() { return static_cast<int64_t>(get_uint64()); }
  int64_t get_sint64() { return protozero::decode_zigzag64(get_uint64()); }
  uint32_t get_uint32() { return static_cast<uint32_t>(get_uint64()); }
  int32_t get_sint32() { return protozero::decode_zigzag32(static_cast<uint32_t>(get_uint64())); }
  int32_t get_enum() { return static_cast<int32_t>(get_uint64()); }
  bool get_bool() { return get_uint64() != 0; }
  uint64_t get_fixed64() { return fixed<uint64_t>(); }
  int64_t get_sfixed64() { return fixed<int64_t>(); }
  uint32_t get_fixed32() { return fixed<uint32_t>(); }
  double get_double() { return fixed<double>(); }

  void skip() {
    switch (wire_type()) {
      case protozero::pbf_wire_type::varint:
        (void)get_uint64();
        return;
      case protozero::pbf_wire_type::fixed64:
        (void)get_fixed64();
        return;
      case protozero::pbf_wire_type::fixed32:
        (void)get_fixed32();
        return;
      default:
        (void)view();
    }
  }

  auto get_packed_double() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_double(); });
  }
  auto get_packed_fixed64() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_fixed64(); });
  }
  auto get_packed_uint32() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_uint32(); });
  }
  auto get_packed_uint64() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_uint64(); });
  }
  auto get_packed_sint64() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_sint64(); });
  }
  auto get_packed_enum() {
    return slowly([](protozero::pbf_reader& r) { return r.get_packed_enum(); });
  }

 private:
  template <class T>
  T fixed() {
    if (end_ - at_ < static_cast<ptrdiff_t>(sizeof(T))) too_short();
    T value{};
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  // A tag of several bytes, or none that can be.
  bool next_slowly();
  [[noreturn]] void too_short() const;

  const char* at_;
  const char* end_;
  const char* field_ = nullptr;  // the field's tag
  uint32_t key_ = 0;
};

inline std::string_view view_of(Reader& r) { return r.view(); }

}  // namespace hs::protobuf
