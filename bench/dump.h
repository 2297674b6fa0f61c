#pragma once
// The load generator's dump of OTLP requests: "OTLPDUMP1\n", u32 length and a JSON header, then records {u8 signal,
// u32 lane, u32 items, u32 length, request}, little endian.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "model/batch.h"

namespace hs::bench {

struct Request {
  model::Signal signal = model::Signal::traces;
  uint32_t items = 0;
  std::string body;
};

inline uint32_t u32_at(const std::string& data, size_t at) {
  uint32_t value = 0;
  std::memcpy(&value, data.data() + at, sizeof(value));
  return value;
}

// Empty when the file is no dump; a torn end is left out.
inline std::vector<Request> read_dump(const std::string& path) {
  constexpr std::string_view magic = "OTLPDUMP1\n";
  constexpr size_t head_bytes = 13;
  std::ifstream file(path, std::ios::binary);
  const std::string data{std::istreambuf_iterator<char>(file), {}};
  std::vector<Request> out;
  if (data.size() < magic.size() + 4 || !data.starts_with(magic)) return out;
  size_t at = magic.size() + 4 + u32_at(data, magic.size());
  while (at + head_bytes <= data.size()) {
    const uint32_t length = u32_at(data, at + 9);
    if (at + head_bytes + length > data.size()) break;
    out.push_back({static_cast<model::Signal>(data[at]), u32_at(data, at + 5), data.substr(at + head_bytes, length)});
    at += head_bytes + length;
  }
  return out;
}

// The time of the newest item: what stands in for the time of reception.
inline int64_t newest_of(const model::Batch& b) {
  const auto& times = b.signal == model::Signal::traces ? b.spans.start
                      : b.signal == model::Signal::logs ? b.logs.time
                                                        : b.points.time;
  return times.empty() ? 0 : *std::max_element(times.begin(), times.end());
}

}  // namespace hs::bench
