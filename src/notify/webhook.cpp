#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"
#include "notify/outbox.h"

namespace hs::notify {
namespace {

using json::Json;
using promql::Labels;
using rules::Note;

constexpr size_t alerts_per_request = 1'000;  // what is beyond it is counted in truncatedAlerts

template <class List>
Json labels_json(const List& labels) {
  Json out = Json::object();
  for (const promql::Label& label : labels) out[label.name] = label.value;
  return out;
}

// Keeps of `common` what `other` has too.
void intersect(Json& common, const Json& other) {
  for (auto at = common.begin(); at != common.end();)
    at = other.contains(at.key()) && other[at.key()] == at.value() ? std::next(at) : common.erase(at);
}

class WebhookOutbox final : public Outbox {
 public:
  WebhookOutbox(Origin origin, Grouping grouping) : origin_(std::move(origin)), grouping_(std::move(grouping)) {}

  void add(const std::vector<Note>& notes, int64_t now_ms) override {
    for (const Note& note : notes) add(note, now_ms);
  }

  std::optional<Delivery> next(int64_t now_ms) override {
    for (auto at = groups_.begin(); at != groups_.end();) {
      expire(at->second, now_ms);
      if (at->second.alerts.empty()) {
        at = groups_.erase(at);
        continue;
      }
      if (at->second.next_ms <= now_ms) return delivery(at->first, at->second, now_ms);
      ++at;
    }
    return std::nullopt;
  }

  void settle(const Delivery& delivery, Outcome outcome, int64_t now_ms) override {
    const auto at = groups_.find(delivery.group);
    if (outcome == Outcome::again || at == groups_.end()) return;
    if (outcome == Outcome::refused) dropped_ += delivery.notes.size();
    Group& group = at->second;
    group.sent_ms = now_ms;
    bool changed = false;
    for (const Note& note : delivery.notes) {
      const auto one = group.alerts.find(note.alert.labels);
      if (one == group.alerts.end()) continue;
      const bool resolved = note.alert.resolved_at_ms != 0;
      one->second.told = true;
      if ((one->second.note.alert.resolved_at_ms != 0) != resolved)
        changed = true;  // meanwhile
      else if (resolved)
        group.alerts.erase(one), --alerts_;
    }
    group.next_ms = now_ms + (changed ? grouping_.interval_ms : grouping_.repeat_ms);
    if (group.alerts.empty()) groups_.erase(at);
  }

  size_t waiting() const override { return alerts_; }

 private:
  struct Held {
    Note note;
    bool told = false;  // that it fires
  };
  struct Group {
    std::map<Labels, Held> alerts;
    int64_t next_ms = 0, sent_ms = 0;
  };

  void add(const Note& note, int64_t now_ms) {
    const bool resolved = note.alert.resolved_at_ms != 0;
    const Labels key = outgoing_labels(note.alert, origin_).only(grouping_.by);
    auto group = groups_.find(key);
    const bool known = group != groups_.end() && group->second.alerts.contains(note.alert.labels);
    if (!known && resolved) return;  // nobody was told, or all were told that it is over
    if (!known && alerts_ >= alerts_max) {
      ++dropped_;
      return;
    }
    if (group == groups_.end()) {
      group = groups_.try_emplace(key).first;
      group->second.next_ms = now_ms + grouping_.wait_ms;
    }
    Held& held = group->second.alerts[note.alert.labels];
    const bool changed = !known || (held.note.alert.resolved_at_ms != 0) != resolved;
    alerts_ += known ? 0 : 1;
    held.note = note;
    if (changed && group->second.sent_ms != 0)
      group->second.next_ms =
          std::min(group->second.next_ms, std::max(now_ms, group->second.sent_ms + grouping_.interval_ms));
  }

  // What nobody spoke of any more is over; what was over before anybody was told is nothing.
  void expire(Group& group, int64_t now_ms) {
    for (auto at = group.alerts.begin(); at != group.alerts.end();) {
      rules::Alert& alert = at->second.note.alert;
      if (alert.resolved_at_ms == 0 && is_resolved(alert, now_ms)) {
        alert.resolved_at_ms = alert.valid_until_ms;
        group.next_ms = std::min(group.next_ms, std::max(now_ms, group.sent_ms + grouping_.interval_ms));
      }
      const bool nothing = alert.resolved_at_ms != 0 && !at->second.told;
      at = nothing ? (--alerts_, group.alerts.erase(at)) : std::next(at);
    }
  }

  Delivery delivery(const Labels& key, const Group& group, int64_t) const {
    Delivery out;
    out.group = key;
    Json alerts = Json::array(), labels, annotations;
    bool firing = false;
    for (const auto& [id, held] : group.alerts) {
      const bool resolved = held.note.alert.resolved_at_ms != 0;
      firing = firing || !resolved;
      out.notes.push_back(held.note);
      if (alerts.size() == alerts_per_request) continue;
      Json one = alert_json(held.note, resolved);
      if (alerts.empty()) labels = one["labels"], annotations = one["annotations"];
      intersect(labels, one["labels"]);
      intersect(annotations, one["annotations"]);
      alerts.push_back(std::move(one));
    }
    const size_t truncated = out.notes.size() - alerts.size();
    out.body = json::dump({{"version", "4"},
                           {"groupKey", key.text()},
                           {"truncatedAlerts", truncated},
                           {"status", firing ? "firing" : "resolved"},
                           {"receiver", "homeostat"},
                           {"groupLabels", labels_json(key)},
                           {"commonLabels", std::move(labels)},
                           {"commonAnnotations", std::move(annotations)},
                           {"externalURL", origin_.external_url},
                           {"alerts", std::move(alerts)}});
    return out;
  }

  Json alert_json(const Note& note, bool resolved) const {
    const Labels labels = outgoing_labels(note.alert, origin_);
    return {{"status", resolved ? "resolved" : "firing"},
            {"labels", labels_json(labels)},
            {"annotations", labels_json(note.alert.annotations)},
            {"startsAt", format_rfc3339(note.alert.fired_at_ms * nanos_per_ms)},
            {"endsAt", resolved ? format_rfc3339(note.alert.resolved_at_ms * nanos_per_ms) : "0001-01-01T00:00:00Z"},
            {"generatorURL", generator_url(note.expr, origin_)},
            {"fingerprint", fmt::format("{:016x}", hash64(labels.text()))}};
  }

  const Origin origin_;
  const Grouping grouping_;
  std::map<Labels, Group> groups_;
  size_t alerts_ = 0;
};

}  // namespace

std::unique_ptr<Outbox> webhook_outbox(Origin origin, Grouping grouping) {
  return std::make_unique<WebhookOutbox>(std::move(origin), std::move(grouping));
}

}  // namespace hs::notify
