#pragma once
// Spans that belong together, found within a bounded horizon: the calls inside a server span (self time against
// waiting, whether a failed call explains a failed answer) and the callee behind a client span (topology). Children end
// before their parents but may be exported after them, so every order of arrival works; what comes after its caller was
// counted is returned as a correction.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/flat_table.h"
#include "base/time.h"

namespace hs::stream {

using SeriesId = uint32_t;  // the stream's id of (service, operation, instance, kind, peer, credential)
inline constexpr SeriesId no_series = UINT32_MAX;

enum class Role : uint8_t { unseen, inside, call, answer };  // internal; client or producer; server or consumer

struct SpanIn {
  uint64_t key = 0, parent = 0;  // mixes of trace and span id; parent 0: none
  UnixNanos start = 0, end = 0;
  SeriesId series = no_series;
  double weight = 1;
  uint64_t learned = 0;  // calls: what the callee is learned under (caller, span name, address)
  bool error = false;    // answers: a fault
  bool failed = false;   // calls: the caller did not get what it asked for
  bool async = false;    // producer or consumer
};

struct CallOut {  // a call inside an answer that has ended
  SeriesId caller = no_series, call = no_series, callee = no_series;
  int64_t second = 0;  // of the caller's end
  double weight = 1, total_ms = 0, offset_ms = 0, callee_ms = 0;
  bool failed = false, async = false, callee_failed = false;
  bool late = false;  // this call was returned before; now its callee has answered
};
struct Correction {  // an answer that was counted already waited longer than was known
  SeriesId answer = no_series;
  int64_t second = 0;
  double weight = 1, waiting_ms = 0;
  bool error_was_not_own = false;
};
struct Inside {  // of one answer
  double waiting_ms = 0;
  bool failed = false;
};
struct Met {  // a call and its callee have both been seen
  uint64_t learned = 0;
  SeriesId callee = no_series;
};

class Joins {
 public:
  // `horizon`: rotate() is called twice in it.
  Joins(size_t spans_max, UnixNanos horizon);
  // Whether it can be told of an answer that its parent never came. A caller that gave up on a slow answer was seen so
  // long before it that it may be forgotten; so may who left a message that waited in a queue.
  bool tells_of_parent(const SpanIn& answer) const {
    return answer.parent != 0 && !answer.async && answer.end - answer.start < horizon_ / 2;
  }
  // The callee of a call whose span has not been added yet, if its answer came first.
  SeriesId callee_of(uint64_t key);
  void add_inside(const SpanIn& span);
  // Returns the callee if it is known by now.
  void add_call(const SpanIn& span);
  Inside add_answer(const SpanIn& span);
  // Half a horizon has passed: what is older than a whole one is forgotten.
  void rotate();

  std::vector<CallOut> calls;
  std::vector<Correction> corrections;
  std::vector<Met> met;
  // Answers that waited a whole horizon for a parent that never came: their callers send no spans to us. Only of those
  // that tell (tells_of_parent).
  std::vector<SeriesId> orphans;
  uint64_t evicted() const { return evicted_; }
  void clear();

 private:
  struct Node {
    uint64_t parent = 0, learned = 0;
    UnixNanos start = 0, end = 0;
    uint64_t first_call = 0;  // of the calls inside it that are not claimed yet; 0: none
    SeriesId series = no_series, callee = no_series;
    SeriesId told = no_series;  // a call: the answer that it was returned with as a call of
    int64_t told_second = 0;
    float weight = 1, callee_ms = 0, call_ms = 0;
    Role role = Role::unseen;
    bool error = false, failed = false, failed_inside = false, callee_failed = false, moved = false;
    bool tells_of_parent = false;
  };
  struct Pending {  // a finished call that waits for the answer around it
    uint64_t id = 0, next = 0, key = 0;
    UnixNanos start = 0, end = 0;
    SeriesId series = no_series, callee = no_series;
    float weight = 1, callee_ms = 0;
    bool failed = false, async = false, callee_failed = false;
  };
  static constexpr int depth_max = 16;    // internal spans between a call and its answer
  static constexpr int inside_max = 256;  // calls of one answer that are looked at one by one

  Node& node(uint64_t key);
  Node* find(uint64_t key);
  Pending* pending(uint64_t id);
  uint64_t keep(const Pending& call);
  void attach(uint64_t parent, Pending call);
  void correct(Node& answer, const Pending& call);
  void emit(SeriesId caller, UnixNanos caller_start, int64_t second, const Pending& call);
  void link_callee(const SpanIn& answer);
  std::vector<Pending> take(Node& from);

  size_t half_max_;
  UnixNanos horizon_;
  FlatTable<Node> young_, old_;
  std::vector<Pending> ring_;
  uint64_t next_id_ = 1;
  uint64_t evicted_ = 0;
};

}  // namespace hs::stream
