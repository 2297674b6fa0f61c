#include <algorithm>

#include <fmt/format.h>

#include "base/http_message.h"
#include "base/json.h"
#include "notify/outbox.h"

namespace hs::notify {
namespace {

using json::Json;
using promql::Labels;
using rules::Note;

constexpr size_t batch_max = 256;  // as Prometheus: well below what an Alertmanager takes as one request

Json labels_json(const Labels& labels) {
  Json out = Json::object();
  for (const promql::Label& label : labels) out[label.name] = label.value;
  return out;
}

class AlertmanagerOutbox final : public Outbox {
 public:
  explicit AlertmanagerOutbox(Origin origin) : origin_(std::move(origin)) {}

  void add(const std::vector<Note>& notes, int64_t) override {
    for (const Note& note : notes) {
      const auto at = waiting_.find(note.alert.labels);
      if (at != waiting_.end())
        at->second = note;
      else if (waiting_.size() < alerts_max)
        waiting_.emplace(note.alert.labels, note);
      else
        ++dropped_;
    }
  }

  std::optional<Delivery> next(int64_t now_ms) override {
    // Who was not reached for so long gets no old news: what still fires is told again anyway.
    dropped_ += std::erase_if(waiting_, [&](const auto& one) { return is_stale(one.second.alert, now_ms); });
    if (waiting_.empty()) return std::nullopt;
    Delivery out;
    Json list = Json::array();
    for (const auto& [labels, note] : waiting_) {
      if (out.notes.size() == batch_max) break;
      list.push_back(alert_json(note));
      out.notes.push_back(note);
    }
    out.body = json::dump(list);
    return out;
  }

  void settle(const Delivery& delivery, Outcome outcome, int64_t) override {
    if (outcome == Outcome::again) return;
    if (outcome == Outcome::refused) dropped_ += delivery.notes.size();
    for (const Note& note : delivery.notes) {
      const auto at = waiting_.find(note.alert.labels);
      const bool same = at != waiting_.end() && at->second.alert.last_sent_ms == note.alert.last_sent_ms;
      if (same) waiting_.erase(at);  // else there is newer word of it
    }
  }

  size_t waiting() const override { return waiting_.size(); }

 private:
  static bool is_stale(const rules::Alert& alert, int64_t now_ms) {
    if (alert.resolved_at_ms != 0) return now_ms - alert.resolved_at_ms > rules::resolved_kept_ms;
    return alert.valid_until_ms < now_ms;
  }

  Json alert_json(const Note& note) const {
    Json annotations = Json::object();
    for (const promql::Label& one : note.alert.annotations) annotations[one.name] = one.value;
    const int64_t ends = note.alert.resolved_at_ms != 0 ? note.alert.resolved_at_ms : note.alert.valid_until_ms;
    return {{"labels", labels_json(outgoing_labels(note.alert, origin_))},
            {"annotations", std::move(annotations)},
            {"startsAt", format_rfc3339(note.alert.fired_at_ms * nanos_per_ms)},
            {"endsAt", format_rfc3339(ends * nanos_per_ms)},
            {"generatorURL", generator_url(note.expr, origin_)}};
  }

  const Origin origin_;
  std::map<Labels, Note> waiting_;
};

}  // namespace

std::unique_ptr<Outbox> alertmanager_outbox(Origin origin) {
  return std::make_unique<AlertmanagerOutbox>(std::move(origin));
}

Labels outgoing_labels(const rules::Alert& alert, const Origin& origin) {
  Labels out = alert.labels;
  for (const promql::Label& label : origin.external_labels)
    if (!out.has(label.name)) out.set(label.name, label.value);
  return out;
}

std::string generator_url(const std::string& expr, const Origin& origin) {
  return fmt::format("{}/graph?g0.expr={}&g0.tab=1", origin.external_url, http::url_encode(expr));
}

bool is_resolved(const rules::Alert& alert, int64_t now_ms) {
  return alert.resolved_at_ms != 0 || alert.valid_until_ms < now_ms;
}

}  // namespace hs::notify
