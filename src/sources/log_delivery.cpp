#include "sources/log_delivery.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>

namespace hs::sources {
namespace {

constexpr int64_t wait_min_ms = 50, wait_max_ms = 5'000;  // between two offers

}  // namespace

bool is_temporary(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::resource_exhausted;
}

LogDelivery::LogDelivery(Options options, api::otlp::Sink sink)
    : options_(std::move(options)), sink_(std::move(sink)) {}

Status LogDelivery::offer(const std::string& request, UnixNanos received_at) const {
  ingest::Incoming incoming;
  incoming.signal = model::Signal::logs;
  incoming.tenant = options_.tenant;
  incoming.received_at = received_at;
  incoming.parse_text = options_.parse_text && options_.parse_text();
  incoming.body = request;
  if (options_.gate.enter) HS_TRY(options_.gate.enter(incoming));
  HS_ASSIGN(model::Batch batch, api::otlp::decode(incoming, options_.body_bytes_max));
  if (options_.gate.settle) options_.gate.settle(incoming, batch);
  const auto answer = std::make_shared<std::promise<Status>>();
  std::future<Status> answered = answer->get_future();
  sink_(std::move(incoming), std::move(batch), [answer](Status status) { answer->set_value(std::move(status)); });
  return answered.get();  // the journal answers everybody, also when it stops
}

Status LogDelivery::deliver(const std::string& request, UnixNanos received_at, const std::stop_token& stop) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  while (true) {
    Status status = offer(request, received_at);
    if (status || !is_temporary(status.error()) || stop.stop_requested()) return status;
    const int64_t pause = std::clamp(status.error().retry_after_ms, wait_min_ms, wait_max_ms);
    wake.wait_for(lock, stop, std::chrono::milliseconds(pause), [] { return false; });
  }
}

}  // namespace hs::sources
