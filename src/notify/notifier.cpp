#include "notify/notifier.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/log.h"
#include "promql/quote.h"

namespace hs::notify {
namespace {

constexpr int64_t look_ms = 500;                 // how late a group's time may be noticed
constexpr size_t answer_bytes_max = 64UL << 10;  // an error's text
constexpr std::string_view alerts_path = "/api/v2/alerts";

std::string posted_to(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url.ends_with(alerts_path) ? url : url + std::string(alerts_path);
}

Outcome outcome_of(const Result<http::Response>& answer) {
  if (!answer) return answer.error().code == Code::invalid_argument ? Outcome::refused : Outcome::again;
  if (answer->status >= 200 && answer->status < 300) return Outcome::sent;
  return answer->status == 429 || answer->status >= 500 ? Outcome::again : Outcome::refused;
}

}  // namespace

bool Settings::operator==(const Settings& other) const {
  const auto key = [](const Settings& s) {
    return std::tie(s.alertmanagers, s.webhooks, s.origin.external_labels, s.origin.external_url, s.grouping.by,
                    s.grouping.wait_ms, s.grouping.interval_ms, s.grouping.repeat_ms);
  };
  return key(*this) == key(other);
}

Status check(const Settings& settings) {
  const auto all = [](const std::vector<std::string>& urls, std::string_view setting) -> Status {
    for (const std::string& url : urls)
      if (const auto parsed = io::parse_url(url); !parsed)
        return fail(Code::invalid_argument, fmt::format("{}: '{}': {}", setting, url, parsed.error().message));
    return {};
  };
  HS_TRY(all(settings.alertmanagers, "alerts.alertmanagers"));
  return all(settings.webhooks, "alerts.webhooks");
}

class Notifier::Receiver {
 public:
  Receiver(Notifier& owner, std::string url, std::unique_ptr<Outbox> outbox)
      : owner_(owner), url_(std::move(url)), to_(*io::parse_url(url_)), outbox_(std::move(outbox)) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }

  const std::string& url() const { return url_; }

  void add(const std::vector<rules::Note>& notes) {
    {
      const std::lock_guard lock(mutex_);
      outbox_->add(notes, now_ms());
      poked_ = true;
    }
    wake_.notify_all();
  }

  void metrics(std::vector<metrics::Sample>& out) const {
    const std::lock_guard lock(mutex_);
    const std::string labels = "alertmanager=" + promql::quote(url_);
    const auto add = [&](std::string name, std::string help, std::string type, uint64_t value) {
      out.push_back(
          {"prometheus_notifications_" + name, std::move(help), std::move(type), labels, static_cast<double>(value)});
    };
    add("sent_total", "Alerts that a receiver took.", "counter", sent_);
    add("errors_total", "Requests that a receiver did not take.", "counter", errors_);
    add("dropped_total", "Alerts that were refused, too many, or too old.", "counter", outbox_->dropped());
    add("queue_length", "Alerts that wait for a receiver or may be repeated to it.", "gauge", outbox_->waiting());
    add("queue_capacity", "Alerts that may wait for a receiver.", "gauge", Outbox::alerts_max);
  }

 private:
  int64_t now_ms() const { return owner_.clock_.wall() / nanos_per_ms; }

  void run(const std::stop_token& stop) {
    int64_t pause_ms = 0;
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      // After a failure nothing but time helps.
      wake_.wait_for(lock, stop, std::chrono::milliseconds(std::max(pause_ms, look_ms)),
                     [&] { return poked_ && pause_ms == 0; });
      poked_ = false;
      pause_ms = 0;
      while (!stop.stop_requested()) {
        const std::optional<Delivery> delivery = outbox_->next(now_ms());
        if (!delivery) break;
        lock.unlock();
        const Outcome outcome = post(*delivery, stop);
        lock.lock();
        outbox_->settle(*delivery, outcome, now_ms());
        count(outcome, delivery->notes.size());
        if (outcome != Outcome::again) continue;
        pause_ms = next_pause_ms_;
        next_pause_ms_ = std::min(next_pause_ms_ * 2, pause_max_ms);
        break;
      }
      if (pause_ms == 0) next_pause_ms_ = pause_min_ms;
    }
  }

  void count(Outcome outcome, size_t alerts) {
    if (outcome == Outcome::sent)
      sent_ += alerts;
    else
      ++errors_;
  }

  Outcome post(const Delivery& delivery, const std::stop_token& stop) const {
    io::HttpRequest request{.method = "POST", .target = to_.target, .body = delivery.body};
    request.headers.set("Content-Type", "application/json");
    const auto answer = owner_.http_.request(
        to_.endpoint, request, {.timeout_ms = timeout_ms, .body_bytes_max = answer_bytes_max, .cancel = stop});
    const Outcome outcome = outcome_of(answer);
    if (outcome != Outcome::sent && !stop.stop_requested())
      log::warn(outcome == Outcome::again ? "alerts were not sent; again later" : "alerts were refused",
                {{"to", url_},
                 {"alerts", static_cast<int64_t>(delivery.notes.size())},
                 {"why", answer ? fmt::format("{} {}", answer->status, answer->body.substr(0, 200))
                                : answer.error().message}});
    return outcome;
  }

  Notifier& owner_;
  const std::string url_;
  const io::Url to_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::unique_ptr<Outbox> outbox_;
  bool poked_ = false;
  int64_t next_pause_ms_ = pause_min_ms;
  uint64_t sent_ = 0, errors_ = 0;
  std::jthread thread_;  // last: stops first
};

Notifier::Notifier(io::Http& http, io::Clock& clock) : http_(http), clock_(clock) {}
Notifier::~Notifier() = default;

void Notifier::configure(const Settings& checked) {
  const std::lock_guard lock(mutex_);
  if (checked == settings_) return;
  settings_ = checked;
  receivers_.clear();
  for (const std::string& url : settings_.alertmanagers)
    receivers_.push_back(std::make_unique<Receiver>(*this, posted_to(url), alertmanager_outbox(settings_.origin)));
  for (const std::string& url : settings_.webhooks)
    receivers_.push_back(std::make_unique<Receiver>(*this, url, webhook_outbox(settings_.origin, settings_.grouping)));
}

void Notifier::add(const std::vector<rules::Note>& notes) {
  const std::lock_guard lock(mutex_);
  for (const auto& receiver : receivers_) receiver->add(notes);
}

std::vector<std::string> Notifier::alertmanagers() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const std::string& url : settings_.alertmanagers) out.push_back(posted_to(url));
  return out;
}

void Notifier::metrics(std::vector<metrics::Sample>& out) const {
  const std::lock_guard lock(mutex_);
  out.push_back({"prometheus_notifications_alertmanagers_discovered", "Alertmanagers that alerts go to.", "gauge", "",
                 static_cast<double>(settings_.alertmanagers.size())});
  for (const auto& receiver : receivers_) receiver->metrics(out);
}

}  // namespace hs::notify
