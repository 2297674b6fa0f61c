#pragma once
// What waits to be told to one receiver of alerts. Pure: time is what the caller says.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rules/group.h"

namespace hs::notify {

// Labels that alerts get on their way out unless they have them, and where links lead.
struct Origin {
  promql::Labels external_labels;
  std::string external_url;
};

// One request: its body, and what it tells (Outbox::settle).
struct Delivery {
  std::string body;
  std::vector<rules::Note> notes;
  promql::Labels group;  // of a webhook
};

enum class Outcome : uint8_t {
  sent,
  again,    // not reached, or 429 or 5xx: the same later
  refused,  // any other answer: it would be refused again
};

class Outbox {
 public:
  // Alerts in an outbox; new ones beyond it are dropped and counted. Many times what a person could read.
  static constexpr size_t alerts_max = 10'000;

  virtual ~Outbox() = default;
  virtual void add(const std::vector<rules::Note>& notes, int64_t now_ms) = 0;
  // The next request that is due; the same again until it was settled.
  virtual std::optional<Delivery> next(int64_t now_ms) = 0;
  virtual void settle(const Delivery& delivery, Outcome outcome, int64_t now_ms) = 0;
  virtual size_t waiting() const = 0;
  uint64_t dropped() const { return dropped_; }

 protected:
  uint64_t dropped_ = 0;
};

// Alertmanager's API v2 (https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml): of each alert the
// newest word, in requests of at most 256. Grouping and repeating are the Alertmanager's business.
std::unique_ptr<Outbox> alertmanager_outbox(Origin origin);

struct Grouping {
  std::vector<std::string> by = {"alertname"};
  int64_t wait_ms = 10'000;           // before the first request of a group, so that it tells of all at once
  int64_t interval_ms = 60'000;       // between requests of a group that changed
  int64_t repeat_ms = 4 * 3'600'000;  // of a group that did not
};

// A webhook, told as Alertmanager tells its webhooks (version 4): groups of alerts, each once until something of it
// changes, resolved ones once.
// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
std::unique_ptr<Outbox> webhook_outbox(Origin origin, Grouping grouping);

// Labels with the origin's, and Alertmanager's time text. Shared by both.
promql::Labels outgoing_labels(const rules::Alert& alert, const Origin& origin);
std::string generator_url(const std::string& expr, const Origin& origin);
bool is_resolved(const rules::Alert& alert, int64_t now_ms);

}  // namespace hs::notify
