#pragma once
// Log lines to templates, online and bounded: a fixed-depth tree by length and first words, then the most similar
// template (He et al., Drain, ICWS 2017), with words that carry digits taken as variables from the start.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/flat_table.h"

namespace hs::stream {

class Templates {
 public:
  static constexpr size_t per_service_max = 256;  // beyond: template 0 of the service, counted
  static constexpr size_t total_max = 8'192;      // about 400 bytes each
  static constexpr size_t words_max = 48;         // the rest of a line is one variable
  static constexpr size_t line_bytes_max = 1'024;
  static constexpr size_t pattern_bytes_max = 512;

  struct Template {
    uint64_t id = 0;  // stays when the pattern grows more variables
    uint64_t service = 0, leaf = 0;
    std::vector<std::string> words;
    std::string pattern = {};  // the words, printable and cut; kept, for it is asked for more often than it changes
    std::string text() const;
  };
  // The template of a line of `service` (a hash of its name, so that ids are the same in every run), nothing at a
  // bound. Valid until the next call.
  const Template* match(uint64_t service, std::string_view line);
  const std::vector<Template>& all() const { return all_; }
  void restore(Template known);
  uint64_t refused() const { return refused_; }
  void clear();

 private:
  static constexpr size_t leaf_max = 24;     // candidates that one line is compared with
  static constexpr double similar_at = 0.5;  // share of equal words; Drain's default
  bool has_room(uint64_t service, uint64_t leaf);
  static void generalise(Template& known, const std::vector<std::string_view>& words);
  Template* best_of(const std::vector<uint32_t>& leaf, const std::vector<std::string_view>& words);

  std::vector<Template> all_;
  FlatTable<std::vector<uint32_t>> leaves_;
  FlatTable<uint32_t> per_service_;
  uint64_t refused_ = 0;
};

}  // namespace hs::stream
