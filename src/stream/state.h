#pragma once
// The inside of stream::Stream: private to this folder.

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "stream/changes.h"
#include "stream/facts.h"
#include "stream/joins.h"
#include "stream/kpis.h"
#include "stream/names.h"
#include "stream/outcomes.h"
#include "stream/peers.h"
#include "stream/regulars.h"
#include "stream/stream.h"
#include "stream/subjects.h"
#include "stream/templates.h"

namespace hs::stream {

struct Series {
  NameId service = no_name, operation = no_name, instance = no_name, peer = no_name, credential = no_name;
  uint8_t kind = 0;
};

struct Growing {  // a cell of the running tick
  SeriesId series = no_series;
  Cell cell;                       // its names are filled in at the tick
  std::vector<Subjects> subjects;  // none or one: most spans name no subject
};

struct GrowingLog {
  NameId service = no_name, instance = no_name, credential = no_name;
  LogCell cell;
  Subjects subjects;
};

struct GrowingCall {
  Call call;  // its names are filled in at the tick
  SeriesId caller = no_series;
  NameId callee = no_name, operation = no_name;
};

struct Arrived {  // what one span brings, read once
  Facts facts;
  Ending ending;
  UnixNanos start = 0, end = 0;
  int64_t second = 0;
  uint64_t trace = 0, key = 0, parent = 0;
  NameId service = no_name, instance = no_name;
  double weight = 1, duration_ms = 0;
  uint8_t kind = 0;
};

struct Stream::State {
  explicit State(Limits l);
  void begin(UnixNanos received_at, std::string_view from);
  void add_spans(const model::Batch& batch);
  void add_logs(const model::Batch& batch);
  void add_points(const model::Batch& batch);
  Frame tick(UnixNanos now);
  std::string memory(UnixNanos now) const;
  Status restore(std::string_view bytes, UnixNanos now);

  Kpis kpis;
  Shed shed;

 private:
  bool in_time(int64_t second);
  void add_span(const model::Batch& batch, size_t row);
  void add_answer(const model::Batch& batch, size_t row, const Arrived& span);
  void add_call(const model::Batch& batch, size_t row, const Arrived& span);
  void add_evaluations(const model::Batch& batch, size_t row, const Arrived& span);
  void evaluated(uint64_t trace, const Facts& facts, NameId service, NameId instance, int64_t second);
  void add_log(const model::Batch& batch, size_t row);
  void see_resources(const model::Batch& batch);
  NameId peer_of(const model::Batch& batch, size_t row, const Arrived& span, uint64_t learned);
  SeriesId series_of(const Series& series);
  Growing* cell_of(SeriesId series, int64_t second);
  Growing* count(const Arrived& span, SeriesId series);
  void exemplify(Growing& at, const model::Batch& batch, size_t row, const Arrived& span);
  void settle_joins();
  void add_out(const CallOut& out);
  void correct(const Correction& correction);
  bool is_entry(const Joined& joined);
  void forget_everything();

  void tick_cells(Frame& frame);
  void tick_calls(Frame& frame);
  void tick_outcomes(Frame& frame);
  void tick_logs(Frame& frame);
  void tick_sheds(Frame& frame);

  Limits limits;
  Names names;
  Operations operations;
  Joins joins;
  Outcomes outcomes;
  Peers peers;
  Regulars regulars;
  Templates templates;
  Changes changes;

  FlatTable<SeriesId> series_ids;
  std::vector<Series> series;
  struct Parents {  // of the answers of one series: how many had a parent id, how many never met the parent
    double named = 0, orphaned = 0;
  };
  std::vector<Parents> parents;  // by SeriesId

  struct Typical {  // duration of one series' spans: what a slow one is told by
    double mean_ms = 0, n = 0;
  };
  std::vector<Typical> typical;  // by SeriesId

  FlatTable<uint32_t> cell_ids;
  std::vector<Growing> cells;
  FlatTable<uint32_t> log_ids;
  std::vector<GrowingLog> logs;
  FlatTable<uint32_t> call_ids;
  std::vector<GrowingCall> calls;
  std::set<std::pair<NameId, NameId>> senders;  // (service, credential) of this tick

  std::vector<std::pair<NameId, NameId>> resources;  // (service, instance) of the batch at hand
  UnixNanos received = 0, rotated = 0, forgotten = 0;
  std::string credential;
  NameId credential_id = no_name;
  uint64_t shed_before = 0;
};

}  // namespace hs::stream
