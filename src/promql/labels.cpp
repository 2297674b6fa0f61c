#include "promql/labels.h"

#include <algorithm>

#include "promql/quote.h"

namespace hs::promql {
namespace {

auto position_of(std::vector<Label>& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& label, std::string_view wanted) { return label.name < wanted; });
}

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Labels Labels::from(std::vector<Label> labels) {
  Labels out;
  out.labels_.reserve(labels.size());
  for (Label& label : labels) {
    const bool last = out.labels_.empty() || out.labels_.back().name < label.name;
    if (last && !label.value.empty()) {
      out.labels_.push_back(std::move(label));
    } else {
      out.set(label.name, label.value);
    }
  }
  return out;
}

std::string_view Labels::get(std::string_view name) const {
  const auto at = position_of(const_cast<std::vector<Label>&>(labels_), name);
  return at != labels_.end() && at->name == name ? std::string_view(at->value) : std::string_view();
}

void Labels::set(std::string_view name, std::string_view value) {
  const auto at = position_of(labels_, name);
  const bool found = at != labels_.end() && at->name == name;
  if (value.empty()) {
    if (found) labels_.erase(at);
  } else if (found) {
    at->value = value;
  } else {
    labels_.insert(at, Label{std::string(name), std::string(value)});
  }
}

Labels Labels::only(std::span<const std::string> names) const {
  Labels out;
  for (const Label& label : labels_) {
    if (contains(names, label.name)) out.labels_.push_back(label);
  }
  return out;
}

Labels Labels::without(std::span<const std::string> names) const {
  Labels out;
  out.labels_.reserve(labels_.size());
  for (const Label& label : labels_) {
    if (label.name != metric_name_label && !contains(names, label.name)) out.labels_.push_back(label);
  }
  return out;
}

Labels Labels::without_metadata() const {
  static const std::vector<std::string> names = {"__type__", "__unit__"};
  return without(names);
}

// FNV-1a over names and values with separators that cannot occur in UTF-8.
uint64_t Labels::hash() const {
  uint64_t h = 0xcbf29ce484222325;
  const auto mix = [&h](std::string_view text, unsigned char end) {
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    h = (h ^ end) * 0x100000001b3;
  };
  for (const Label& label : labels_) {
    mix(label.name, 0xfe);
    mix(label.value, 0xff);
  }
  return h;
}

std::string Labels::text() const {
  std::string out = "{";
  for (const Label& label : labels_) {
    if (out.size() > 1) out += ", ";
    out += plain_label_name(label.name) ? label.name : quote(label.name);
    out += '=';
    out += quote(label.value);
  }
  return out + "}";
}

}  // namespace hs::promql
