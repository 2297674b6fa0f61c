#pragma once
// A response body made by plain blocking code: one thread writes, the connection drains. Bounded, and both ends learn
// when the other one goes away.

#include <cstddef>
#include <memory>
#include <string>

#include "base/http_message.h"

namespace hs::http {

// What may wait to be sent. A megabyte keeps a fast socket busy while the producer makes the next part.
inline constexpr size_t body_pipe_bytes_max = 1024 * 1024;

// The producer's end. Move-only; one thread at a time. Destroyed before finish(), it breaks the body off, so that the
// client sees a torn body and never a short one.
class BodyWriter {
 public:
  struct Shared;
  explicit BodyWriter(std::shared_ptr<Shared> shared);
  BodyWriter(BodyWriter&&) noexcept;
  BodyWriter& operator=(BodyWriter&&) = delete;
  ~BodyWriter();

  // Waits while the bound is reached, so never call it on a connection's thread. False: the reader is gone; stop.
  bool write(std::string chunk);
  // The body is whole.
  void finish();
  // The body is broken; `error` is for the log.
  void fail(Error error);

 private:
  std::shared_ptr<Shared> shared_;  // with the reader's end
};

struct BodyPipe {
  BodyWriter writer;
  std::shared_ptr<BodySource> source;  // goes into Response::stream
};
BodyPipe make_body_pipe(size_t bytes_max = body_pipe_bytes_max);

}  // namespace hs::http
