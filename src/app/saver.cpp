#include "app/saver.h"

#include "base/log.h"
#include "io/files.h"

namespace hs::app {

Saver::Saver() : thread_([this](const std::stop_token& stop) { run(stop); }) {}

Saver::~Saver() {
  thread_.request_stop();
  thread_.join();
}

void Saver::save(const std::string& path, std::string content) {
  {
    const std::lock_guard lock(mutex_);
    waiting_[path] = std::move(content);
  }
  wake_.notify_one();
}

void Saver::run(const std::stop_token& stop) {
  for (;;) {
    std::map<std::string, std::string> files;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, stop, [this] { return !waiting_.empty(); });
      files.swap(waiting_);
    }
    if (files.empty()) return;  // asked to stop, and nothing waits
    for (const auto& [path, content] : files)
      if (const Status ok = io::replace_file(path, content, 0600, io::Durable::content); !ok)
        log::error("what the loop remembers could not be saved", {{"path", path}, {"why", ok.error().message}});
  }
}

}  // namespace hs::app
