#include "promql/labels.h"

#include <algorithm>

#include "promql/quote.h"

namespace hs::promql {
namespace {

template <class Vector>
auto position_of(Vector& labels, std::string_view name) {
  return std::lower_bound(labels.begin(), labels.end(), name,
                          [](const Label& label, std::string_view wanted) { return label.name < wanted; });
}

bool contains(std::span<const std::string> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

struct Labels::Body {
  explicit Body(std::vector<Label> given) : labels(std::move(given)) {}
  std::vector<Label> labels;
  mutable std::atomic<uint64_t> hash{0};  // 0: not computed yet
  mutable std::once_flag bare_made;
  mutable Labels bare;  // without_metadata()
};

Labels::Labels(std::vector<Label> sorted)
    : body_(sorted.empty() ? nullptr : std::make_shared<const Body>(std::move(sorted))) {}

const std::vector<Label>& Labels::all() const {
  static const std::vector<Label> none;
  return body_ ? body_->labels : none;
}

Labels Labels::from(std::vector<Label> labels) {
  std::vector<Label> sorted;
  sorted.reserve(labels.size());
  for (Label& label : labels) {
    const auto at = sorted.empty() || sorted.back().name < label.name ? sorted.end() : position_of(sorted, label.name);
    const bool found = at != sorted.end() && at->name == label.name;
    if (found && label.value.empty())
      sorted.erase(at);
    else if (found)
      at->value = std::move(label.value);
    else if (!label.value.empty())
      sorted.insert(at, std::move(label));
  }
  return Labels(std::move(sorted));
}

std::string_view Labels::get(std::string_view name) const {
  const auto at = position_of(all(), name);
  return at != all().end() && at->name == name ? std::string_view(at->value) : std::string_view();
}

void Labels::set(std::string_view name, std::string_view value) {
  std::vector<Label> labels = all();
  const auto at = position_of(labels, name);
  const bool found = at != labels.end() && at->name == name;
  if (value.empty()) {
    if (!found) return;
    labels.erase(at);
  } else if (found) {
    if (at->value == value) return;
    at->value = value;
  } else {
    labels.insert(at, Label{std::string(name), std::string(value)});
  }
  *this = Labels(std::move(labels));
}

Labels Labels::only(std::span<const std::string> names) const {
  std::vector<Label> kept;
  for (const Label& label : *this) {
    if (contains(names, label.name)) kept.push_back(label);
  }
  return Labels(std::move(kept));
}

Labels Labels::without(std::span<const std::string> names) const {
  std::vector<Label> kept;
  kept.reserve(size());
  for (const Label& label : *this) {
    if (label.name != metric_name_label && !contains(names, label.name)) kept.push_back(label);
  }
  return kept.size() == size() ? *this : Labels(std::move(kept));
}

Labels Labels::without_metadata() const {
  static const std::vector<std::string> names = {"__type__", "__unit__"};
  if (!body_) return {};
  if (get(metric_name_label).empty() && get(names[0]).empty() && get(names[1]).empty()) return *this;
  std::call_once(body_->bare_made, [&] { body_->bare = without(names); });
  return body_->bare;
}

// FNV-1a over names and values with separators that cannot occur in UTF-8.
uint64_t Labels::hash() const {
  if (!body_) return 0;
  if (const uint64_t known = body_->hash.load(std::memory_order_relaxed); known != 0) return known;
  uint64_t h = 0xcbf29ce484222325;
  const auto mix = [&h](std::string_view text, unsigned char end) {
    for (const char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    h = (h ^ end) * 0x100000001b3;
  };
  for (const Label& label : *this) {
    mix(label.name, 0xfe);
    mix(label.value, 0xff);
  }
  body_->hash.store(h, std::memory_order_relaxed);
  return h;
}

bool Labels::operator==(const Labels& other) const { return body_ == other.body_ || all() == other.all(); }

std::strong_ordering Labels::operator<=>(const Labels& other) const {
  if (body_ == other.body_) return std::strong_ordering::equal;
  return all() <=> other.all();
}

std::string Labels::text() const {
  std::string out = "{";
  for (const Label& label : *this) {
    if (out.size() > 1) out += ", ";
    out += plain_label_name(label.name) ? label.name : quote(label.name);
    out += '=';
    out += quote(label.value);
  }
  return out + "}";
}

}  // namespace hs::promql
