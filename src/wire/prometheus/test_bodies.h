#pragma once
// Remote write bodies by hand, for tests.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <protozero/pbf_writer.hpp>

namespace hs::wire::prometheus::test {

using Texts = std::vector<std::pair<std::string, std::string>>;

// A block of literals: valid, not smaller.
inline std::string snappy(std::string_view bytes) {
  std::string out;
  protozero::write_varint(std::back_inserter(out), bytes.size());
  for (size_t at = 0; at < bytes.size(); at += 60) {
    const std::string_view piece = bytes.substr(at, 60);
    out.push_back(static_cast<char>((piece.size() - 1) << 2));
    out += piece;
  }
  return out;
}

inline void add_labels(protozero::pbf_writer& to, uint32_t tag, const Texts& labels) {
  for (const auto& [name, value] : labels) {
    protozero::pbf_writer label(to, tag);
    label.add_string(1, name);
    label.add_string(2, value);
  }
}

struct SampleOf {
  int64_t time_ms = 0;
  double value = 0;
};

class WriteBody {
 public:
  WriteBody& series(const Texts& labels, const std::vector<SampleOf>& samples) {
    protozero::pbf_writer request(bytes_);
    protozero::pbf_writer series(request, 1);
    add_labels(series, 1, labels);
    for (const SampleOf& s : samples) {
      protozero::pbf_writer sample(series, 2);
      sample.add_double(1, s.value);
      sample.add_int64(2, s.time_ms);
    }
    return *this;
  }
  // `histogram` is the bytes of a prometheus.Histogram.
  WriteBody& histogram(const Texts& labels, const std::string& histogram) {
    protozero::pbf_writer request(bytes_);
    protozero::pbf_writer series(request, 1);
    add_labels(series, 1, labels);
    series.add_message(4, histogram);
    return *this;
  }
  WriteBody& exemplar(const Texts& labels, const Texts& exemplar_labels, SampleOf at) {
    protozero::pbf_writer request(bytes_);
    protozero::pbf_writer series(request, 1);
    add_labels(series, 1, labels);
    protozero::pbf_writer exemplar(series, 3);
    add_labels(exemplar, 1, exemplar_labels);
    exemplar.add_double(2, at.value);
    exemplar.add_int64(3, at.time_ms);
    return *this;
  }
  WriteBody& family(std::string_view name, int32_t type, std::string_view help, std::string_view unit) {
    protozero::pbf_writer request(bytes_);
    protozero::pbf_writer family(request, 3);
    family.add_enum(1, type);
    family.add_string(2, name.data(), name.size());
    family.add_string(4, help.data(), help.size());
    family.add_string(5, unit.data(), unit.size());
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace hs::wire::prometheus::test
