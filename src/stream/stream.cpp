#include "stream/stream.h"

#include "stream/state.h"

namespace hs::stream {

Stream::Stream(Limits limits) : state_(std::make_unique<State>(limits)) {}
Stream::~Stream() = default;

void Stream::declare(const config::Declarations& declarations) { state_->kpis.declare(declarations.kpis); }

void Stream::add(const model::Batch& batch, UnixNanos received_at, std::string_view credential) {
  state_->begin(received_at, credential);
  if (batch.signal == model::Signal::traces) state_->add_spans(batch);
  if (batch.signal == model::Signal::logs) state_->add_logs(batch);
  if (batch.signal == model::Signal::metrics) state_->add_points(batch);
}

Frame Stream::tick(UnixNanos now) { return state_->tick(now); }

std::string Stream::memory(UnixNanos now) const { return state_->memory(now); }
Status Stream::restore(std::string_view bytes, UnixNanos now) { return state_->restore(bytes, now); }

const Shed& Stream::shed() const { return state_->shed; }

}  // namespace hs::stream
