#pragma once
// The one thread that turns what the stream saw into decisions, and decisions into changes of knobs. The loop itself is
// pure (loop/machine); here are its clock, its ledger, its hands and its memory between restarts.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/code_defaults.h"
#include "app/observer.h"
#include "app/recorder.h"
#include "app/saver.h"
#include "base/bounded_queue.h"
#include "config/config.h"
#include "io/clock.h"
#include "ledger/ledger.h"
#include "loop/events.h"
#include "loop/machine/machine.h"
#include "stream/stream.h"
#include "values/actuator.h"

namespace hs::app {

class LoopThread {
 public:
  static constexpr size_t orders_max = 256;  // operators' words and notices between two ticks
  // What was decided is saved at once; this is for what only counts and fades.
  static constexpr int64_t snapshot_every_s = 60;

  struct Outside {
    io::Clock& clock;
    values::Actuator& actuator;
    ledger::Ledger* ledger;  // nullptr: it cannot be continued; nothing is changed, everything else goes on
    Observer& observer;
    std::string state_file;      // <data>/loop/state.json
    std::string baselines_file;  // <data>/loop/baselines
    std::string stream_file;     // <data>/loop/stream
    Recorder& recorder;
    // Called on the loop's thread with each frame, before the loop sees it.
    std::function<void(const stream::Frame&)> seen;
    // Called on the loop's thread after each frame, with the loop as it stands now.
    std::function<void(const loop::Machine&, const CodeDefaults&, UnixNanos)> publish;
  };

  LoopThread(Outside outside, std::shared_ptr<const config::Snapshot> config);
  ~LoopThread();

  // From ingest's tee: any one thread at a time.
  void add(const model::Batch& batch, UnixNanos received_at, std::string_view credential);
  // Any thread. False when too many wait: the caller answers 503.
  bool order(loop::Operator word);
  // The knob ("" = all) goes back to its base, promoted values included.
  bool reset(std::string knob, std::string who, std::string why);
  bool tell(stream::RecentChange change);
  bool injected(loop::InjectedFault fault);
  // What adds the alerts that fire to each frame; {}: nobody any more. Called on the loop's thread.
  void alerts_from(std::function<void(stream::Frame&)> fill);
  // The knobs are declared to the actuator already. Any thread; false when too many wait: nothing is applied.
  bool configure(std::shared_ptr<const config::Snapshot> config);

 private:
  using Job = std::function<void()>;
  void run(const std::stop_token& stop);
  void start();
  void begin_run(std::string snapshot, std::string baselines);
  void tell_what_is_in_force();
  void reset_one(const values::KnobState& knob, const std::string& who, const std::string& why);
  void note_revision(int64_t revision);
  void tick();
  void handle(const loop::Event& event);
  std::vector<loop::Receipt> perform(const std::vector<loop::Action>& actions);
  std::optional<loop::Receipt> perform_one(const loop::Action& action, const Status& durable);
  loop::Receipt receipt(loop::Deed deed, const std::string& change, const Result<values::Receipt>& done);
  std::optional<loop::Receipt> renew(const loop::Renew& renew);
  Status commit();
  void record(std::string_view kind, std::string_view json);
  void save();
  void save_learned();
  void recall_stream();

  Outside outside_;
  std::shared_ptr<const config::Snapshot> config_;
  std::mutex stream_mutex_;
  stream::Stream stream_;
  std::mutex alerts_mutex_;
  std::function<void(stream::Frame&)> fill_alerts_;
  loop::Machine machine_;
  CodeDefaults code_defaults_;
  Saver saver_;
  BoundedQueue<Job> jobs_{orders_max};
  bool dirty_ = false;  // something was decided that is not saved yet
  int64_t saved_s_ = 0, learned_s_ = 0, noted_revision_ = 0;
  std::jthread thread_;  // last: stops first
};

}  // namespace hs::app
