#pragma once
// Where to see what an explanation says: paths of our own API (docs/api.md, docs/api/telemetry.md,
// docs/api/prometheus.md) with the traces, logs and series of the incident's time. Only what telemetry was seen for is
// linked to. Pure.

#include <string>
#include <vector>

#include "loop/detect/history.h"
#include "loop/explain/blame.h"
#include "loop/explain/parts.h"
#include "loop/types.h"

namespace hs::loop {

struct About {  // what a sentence is about; empty: not narrowed down
  Starts starts = Starts::own_errors;
  std::string service = {}, operation = {}, instance = {}, peer = {};
};

class Links {
 public:
  // `within`: from the onset to now. Links reach from a little before it to a little after, in steps, so that they do
  // not change with every second.
  Links(const History& history, const std::vector<const Symptom*>& symptoms, Stretch within);
  std::vector<Link> of(const About& about) const;

 private:
  std::vector<Examples::One> examples(const About& about) const;
  void add_spans(const About& about, std::vector<Link>& out) const;
  void add_logs(const About& about, std::vector<Link>& out) const;
  void add_series(const About& about, std::vector<Link>& out) const;
  std::string query_of_answers(const About& about) const;
  std::string query_of_calls(const About& about) const;
  Link series(std::string query) const;

  const History& history_;
  Stretch within_, shown_;
  std::vector<std::string> kpis_;  // that depart
};

}  // namespace hs::loop
