#pragma once
// Prometheus' relabelling: rules that rewrite, keep and drop label sets.
// https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config

#include <memory>
#include <vector>

#include "base/error.h"
#include "config/scrape.h"
#include "model/attributes.h"

namespace hs::scrape {

using Labels = std::vector<model::Attribute>;  // names unique, in any order

// The value of `name`, "" when absent.
std::string_view value_of(const Labels& labels, std::string_view name);
// An empty value removes the label.
void set_label(Labels& labels, std::string_view name, std::string_view value);

// Immutable; thread-safe.
class Relabeler {
 public:
  // Errors: a regex that RE2 does not take.
  static Result<Relabeler> make(const std::vector<config::RelabelRule>& rules);
  // False: dropped. New texts live in `arena`. Lower and upper case are ASCII's.
  bool apply(Labels& labels, model::Arena& arena) const;
  bool empty() const { return rules_.empty(); }

 private:
  struct Rule;
  std::vector<std::shared_ptr<const Rule>> rules_;
};

}  // namespace hs::scrape
