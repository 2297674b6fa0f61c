#pragma once
// Plain values to bytes and back, by one list of fields for both directions (a `fields` beside each type). Reading
// trusts nothing: a length that cannot be is an end, never an allocation.

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace hs::archive {

class Writer {
 public:
  static constexpr bool reads = false;
  void number(uint64_t& v) {
    uint64_t left = v;
    for (; left >= 0x80; left >>= 7) out.push_back(static_cast<char>(left | 0x80));
    out.push_back(static_cast<char>(left));
  }
  void real(double& v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }
  void text(std::string& v) {
    uint64_t size = v.size();
    number(size);
    out += v;
  }
  std::string out;
};

class Reader {
 public:
  static constexpr bool reads = true;
  explicit Reader(std::string_view in) : in_(in) {}
  void number(uint64_t& v) {
    v = 0;
    for (int shift = 0; shift < 64 && !in_.empty(); shift += 7) {
      const auto byte = static_cast<uint8_t>(in_.front());
      in_.remove_prefix(1);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return;
    }
    stop();
  }
  void real(double& v) {
    if (in_.size() < sizeof v) return stop();
    std::memcpy(&v, in_.data(), sizeof v);
    in_.remove_prefix(sizeof v);
  }
  void text(std::string& v) {
    uint64_t size = 0;
    number(size);
    if (size > in_.size()) return stop();
    v.assign(in_.substr(0, size));
    in_.remove_prefix(size);
  }
  // How many items follow: each takes a byte at least.
  size_t count() {
    uint64_t n = 0;
    number(n);
    if (n > in_.size()) stop(), n = 0;
    return n;
  }
  void stop() { good_ = false, in_ = {}; }
  bool good() const { return good_; }
  bool done() const { return in_.empty(); }
  std::string_view rest() const { return in_; }

 private:
  std::string_view in_;
  bool good_ = true;
};

template <class A, class T>
void put(A& a, T& v);

template <class A, class... T>
void all(A& a, T&... v) {
  (put(a, v), ...);
}

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};
template <class T>
struct IsPair : std::false_type {};
template <class T, class U>
struct IsPair<std::pair<T, U>> : std::true_type {};
template <class T>
struct IsVariant : std::false_type {};
template <class... T>
struct IsVariant<std::variant<T...>> : std::true_type {};

template <class A, class T>
void put_items(A& a, std::vector<T>& v) {
  if constexpr (A::reads) {
    v.assign(a.count(), T{});
  } else {
    uint64_t size = v.size();
    a.number(size);
  }
  for (T& item : v) put(a, item);
}

template <class A, class T>
void put_optional(A& a, std::optional<T>& v) {
  bool there = v.has_value();
  put(a, there);
  if (!there) return v.reset();
  if constexpr (A::reads) v.emplace();
  put(a, *v);
}

template <size_t i = 0, class A, class... T>
void put_alternative(A& a, std::variant<T...>& v, uint64_t index) {
  if constexpr (i < sizeof...(T)) {
    if (index != i) return put_alternative<i + 1>(a, v, index);
    if constexpr (A::reads) v.template emplace<i>();
    put(a, std::get<i>(v));
  } else if constexpr (A::reads) {
    a.stop();
  }
}

// Whatever is none of the known forms has its fields listed in a `fields` of its own.
template <class A, class T>
void put(A& a, T& v) {
  if constexpr (std::is_same_v<T, double>) {
    a.real(v);
  } else if constexpr (std::is_same_v<T, std::string>) {
    a.text(v);
  } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
    uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(v));
    if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t>) bits = (bits << 1) ^ (v < 0 ? ~0ULL : 0);
    a.number(bits);
    if constexpr (std::is_same_v<T, int64_t> || std::is_same_v<T, int32_t>) bits = (bits >> 1) ^ (~(bits & 1) + 1);
    if constexpr (A::reads) v = static_cast<T>(bits);
  } else if constexpr (IsVector<T>::value) {
    put_items(a, v);
  } else if constexpr (IsOptional<T>::value) {
    put_optional(a, v);
  } else if constexpr (IsPair<T>::value) {
    all(a, v.first, v.second);
  } else if constexpr (IsVariant<T>::value) {
    uint64_t index = v.index();
    a.number(index);
    put_alternative(a, v, index);
  } else {
    fields(a, v);
  }
}

// A file of such bytes: what it is and its version (a line), XXH64 of the rest, the rest. Half a file, or another one,
// is told from a whole one.
inline std::string sealed(std::string_view magic, std::string_view body) {
  const uint64_t hash = hash64(body);
  std::string out(magic);
  out.append(reinterpret_cast<const char*>(&hash), sizeof hash);
  return out.append(body);
}
inline Result<std::string_view> unsealed(std::string_view magic, std::string_view bytes) {
  uint64_t hash = 0;
  if (!bytes.starts_with(magic) || bytes.size() < magic.size() + sizeof hash)
    return fail(Code::invalid_argument, "they are not of a known version");
  std::memcpy(&hash, bytes.data() + magic.size(), sizeof hash);
  const std::string_view body = bytes.substr(magic.size() + sizeof hash);
  if (hash64(body) != hash) return fail(Code::invalid_argument, "they are damaged");
  return body;
}

}  // namespace hs::archive
