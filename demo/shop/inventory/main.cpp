// The shop's inventory: reserves stock. Each reservation takes a worker for 40 ms (a warehouse system of old age stands
// behind it); a request that its caller has given up on is worked off all the same.

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "telemetry.h"

namespace {

using shop::Json;
constexpr int waiting_max = 400;
constexpr auto reservation_time = std::chrono::milliseconds(40);
constexpr int shards = 4;

class Workers {
 public:
  void resize(int64_t count) {
    const std::lock_guard lock(mutex_);
    count_ = count < 1 ? 1 : count;
    changed_.notify_all();
  }
  // False: too many wait already.
  bool work() {
    std::unique_lock lock(mutex_);
    if (waiting_ >= waiting_max) return false;
    ++waiting_;
    const int drains = drains_;
    changed_.wait(lock, [&] { return drains_ != drains || (busy_ < count_ && !stalled()); });
    --waiting_;
    if (drains_ != drains) return false;
    ++busy_;
    lock.unlock();
    std::this_thread::sleep_for(reservation_time);
    lock.lock();
    --busy_;
    changed_.notify_one();
    return true;
  }
  void stall(std::chrono::milliseconds time) {
    {
      const std::lock_guard lock(mutex_);
      stalled_until_ = std::chrono::steady_clock::now() + time;
    }
    std::thread([this, time] {
      std::this_thread::sleep_for(time + std::chrono::milliseconds(5));
      changed_.notify_all();
    }).detach();
  }
  void drain() {  // turns away all who wait: what a restart does
    const std::lock_guard lock(mutex_);
    ++drains_;
    changed_.notify_all();
  }
  int waiting() {
    const std::lock_guard lock(mutex_);
    return waiting_;
  }

 private:
  bool stalled() const { return std::chrono::steady_clock::now() < stalled_until_; }
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t count_ = 4, busy_ = 0;
  int waiting_ = 0, drains_ = 0;
  std::chrono::steady_clock::time_point stalled_until_;
};

struct Inventory {
  shop::Telemetry telemetry;
  shop::Knobs knobs{shop::environment("SHOP_INSTANCE", "inventory-1")};
  Workers workers;
  std::atomic<int> lost_shard = -1;

  shop::Response reserve(const shop::Request& request, shop::Span& span) {
    const Json order = Json::parse(request.body, nullptr, false);
    if (!order.is_object()) return {400, R"({"error":"not JSON"})"};
    const int64_t sku = order.value("sku", int64_t{0});
    if (sku % shards == lost_shard) {
      telemetry.log("error", "stock of sku " + std::to_string(sku) + " cannot be read: shard is lost", span);
      return {500, R"({"error":"stock shard is lost"})"};
    }
    if (!workers.work()) {
      telemetry.log("error", "reservation refused: too many are waiting", span);
      return {503, R"({"error":"too many are waiting"})"};
    }
    return {200, R"({"reserved":true})"};
  }

  // {"stall_ms": n}: all workers stop for a while; {"lost_shard": n}: a quarter of the stock is unreadable, -1: none;
  // {"drain": true}: those who wait are turned away.
  shop::Response fault(const shop::Request& request) {
    const Json wanted = Json::parse(request.body, nullptr, false);
    if (!wanted.is_object()) return {400, "{}"};
    if (wanted.contains("stall_ms")) workers.stall(std::chrono::milliseconds(wanted.value("stall_ms", 0)));
    if (wanted.contains("drain")) workers.drain();
    if (wanted.contains("lost_shard")) lost_shard = wanted.value("lost_shard", -1);
    return {200, wanted.dump()};
  }

  shop::Response handle(const shop::Request& request) {
    if (request.path == "/healthz") return {200, "{}"};
    if (request.path == "/evaluations") return {200, knobs.evaluations()};
    if (request.method == "POST" && request.path == "/fault") return fault(request);
    if (request.method != "POST" || request.path != "/reservations") return {404, "{}"};
    shop::Span span = shop::server_span(request, "POST /reservations");
    knobs.record(span);
    const shop::Response response = reserve(request, span);
    span.end = shop::unix_nanos();
    span.status = response.status;
    telemetry.add(span);
    return response;
  }

  void watch_knobs() {
    for (;;) {
      workers.resize(knobs.integer("inventory.workers", 4));
      telemetry.set_level(knobs.text("log.level", "info"));
      telemetry.gauge("shop.inventory.waiting", workers.waiting());
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
};

}  // namespace

int main() {
  signal(SIGTERM, [](int) { _exit(0); });
  static Inventory inventory;
  std::thread([] { inventory.telemetry.run(); }).detach();
  std::thread([] { inventory.watch_knobs(); }).detach();
  const int connections_max = 1024;
  shop::serve(atoi(shop::environment("SHOP_PORT", "7105").c_str()), connections_max,
              [](const shop::Request& request) { return inventory.handle(request); });
}
