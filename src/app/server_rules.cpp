// The rules' side of the server.

#include "app/server.h"
#include "base/metrics.h"

namespace hs::app {
namespace {

// What a former process acknowledged is on its way from the journal to the engine: until it is there, conditions that
// hold seem not to. A journal that takes longer than this must not keep rules from being evaluated at all.
constexpr int64_t replay_patience_ms = 60'000;

}  // namespace

// Asked by one thread.
bool Server::rules_ready() {
  if (!storage_->state().ready) return false;
  if (engine_ready_at_ == 0) engine_ready_at_ = clock_.mono();
  return !storage_->ingest().health().replaying || clock_.mono() - engine_ready_at_ > replay_patience_ms * nanos_per_ms;
}

Status Server::open_rules() {
  const std::string directory = data() + "/rules";
  HS_TRY(io::make_directories(directory));
  ruler_ = std::make_unique<Ruler>(Ruler::Outside{.client = storage_->client(),
                                                  .clock = clock_,
                                                  .http = http_,
                                                  .samples = {write_options(), clock_, sink()},
                                                  .options = [this] { return prometheus_options(); },
                                                  .refresh = [this] { freshness_->wait(); },
                                                  .series = storage_->series(),
                                                  .recent = storage_->recent(),
                                                  .packed = storage_->packed(),
                                                  .ready = [this] { return rules_ready(); },
                                                  .configuration = common_.source.file,
                                                  .data_directory = directory});
  const auto config = config_.load();
  HS_ASSIGN(Ruler::Prepared prepared, ruler_->prepare(*config));
  ruler_->apply(*config, std::move(prepared));
  loop_->alerts_from([this](stream::Frame& frame) { ruler_->fill(frame); });
  metrics::add_collector([this](std::vector<metrics::Sample>& out) {
    if (ruler_) ruler_->metrics(out);
  });
  return {};
}

}  // namespace hs::app
