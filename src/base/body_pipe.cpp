#include "base/body_pipe.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

namespace hs::http {

using Ready = std::function<void(Result<std::string>)>;

struct BodyWriter::Shared {
  explicit Shared(size_t max) : bytes_max(max) {}
  const size_t bytes_max;
  std::mutex mutex;
  std::condition_variable room;
  std::string waiting;
  Ready ready;                  // set while the reader waits for news
  std::optional<Status> ended;  // how the producer ended
  bool closed = false;          // the reader is gone

  // Takes the waiting reader, if there is news for it. Call what it returns without the lock.
  std::pair<Ready, Result<std::string>> take_news() {
    if (!ready || (waiting.empty() && !ended)) return {nullptr, std::string()};
    auto to = std::exchange(ready, nullptr);
    room.notify_one();
    if (waiting.empty() && !*ended) return {std::move(to), tl::unexpected(ended->error())};
    return {std::move(to), std::exchange(waiting, {})};  // empty: the end
  }
};

namespace {

class PipeSource final : public BodySource {
 public:
  explicit PipeSource(std::shared_ptr<BodyWriter::Shared> shared) : shared_(std::move(shared)) {}
  ~PipeSource() override {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
    shared_->ready = nullptr;
    shared_->waiting.clear();
    shared_->room.notify_all();
  }
  void next(Ready ready) override {
    std::unique_lock lock(shared_->mutex);
    shared_->ready = std::move(ready);
    auto [to, news] = shared_->take_news();
    lock.unlock();
    if (to) to(std::move(news));
  }

 private:
  std::shared_ptr<BodyWriter::Shared> shared_;  // with the writer
};

void end(BodyWriter::Shared& shared, Status how) {
  std::unique_lock lock(shared.mutex);
  if (!shared.ended) shared.ended = std::move(how);
  auto [to, news] = shared.take_news();
  lock.unlock();
  if (to) to(std::move(news));
}

}  // namespace

BodyWriter::BodyWriter(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
BodyWriter::BodyWriter(BodyWriter&&) noexcept = default;
BodyWriter::~BodyWriter() {
  if (shared_) end(*shared_, hs::fail(Code::internal, "the producer of the body gave up"));
}

bool BodyWriter::write(std::string chunk) {
  if (chunk.empty()) return true;  // an empty piece would read as the end
  std::unique_lock lock(shared_->mutex);
  shared_->room.wait(lock, [&] { return shared_->closed || shared_->waiting.size() < shared_->bytes_max; });
  if (shared_->closed) return false;
  if (shared_->waiting.empty())
    shared_->waiting = std::move(chunk);
  else
    shared_->waiting += chunk;
  auto [to, news] = shared_->take_news();
  lock.unlock();
  if (to) to(std::move(news));
  return true;
}

void BodyWriter::finish() { end(*shared_, Status()); }
void BodyWriter::fail(Error error) { end(*shared_, tl::unexpected(std::move(error))); }

BodyPipe make_body_pipe(size_t bytes_max) {
  auto shared = std::make_shared<BodyWriter::Shared>(bytes_max);  // owned by both ends
  return {BodyWriter(shared), std::make_shared<PipeSource>(shared)};
}

}  // namespace hs::http
