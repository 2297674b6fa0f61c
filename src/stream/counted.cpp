#include "stream/counted.h"

namespace hs::stream {

using model::Attribute;

void Teller::label(std::string_view key, std::string_view value) {
  if (!value.empty()) labels_.push_back({key, value});
}

void Teller::number(std::string_view name, double value) {
  labels_.push_back({"__name__", name});
  each_(labels_, value, first_);
  labels_.pop_back();
}

void Teller::bucket(std::string_view name, std::string_view bound, double value) {
  labels_.push_back({"le", bound});
  number(name, value);
  labels_.pop_back();
}

}  // namespace hs::stream
