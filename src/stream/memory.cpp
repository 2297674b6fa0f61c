// What the stream has learned, over a restart: who answers which call, the templates of log lines, which operations are
// entries, what runs where. Not its seconds, and nothing that waits to be joined. docs/formats/loop_memory.md

#include <fmt/format.h>

#include "base/archive.h"
#include "stream/state.h"

namespace hs::stream {
namespace {

constexpr std::string_view magic = "homeostat-stream/1\n";
constexpr int64_t age_max_s = 24 * 3'600;      // older, and too much of it was moved, renamed or deployed since
constexpr size_t memory_bytes_max = 32 << 20;  // all tables at their bounds are about half of it

struct Callee {
  uint64_t key = 0;
  std::string service, operation;
  uint32_t service_flips = 0, operation_flips = 0;
};
struct Line {
  uint64_t id = 0, service = 0, leaf = 0;
  std::vector<std::string> words;
};
struct Entry {  // of the answers of one series: how many had a parent id, how many never met the parent
  std::string service, operation, instance, credential;
  uint8_t kind = 0;
  double named = 0, orphaned = 0;
};
struct Process {
  uint64_t instance = 0, version = 0, process = 0;
};
using Version = std::pair<uint64_t, uint64_t>;  // service, version

struct Memory {
  UnixNanos at = 0;
  std::vector<Callee> callees;
  std::vector<Line> lines;
  std::vector<Entry> entries;
  std::vector<Process> processes;
  std::vector<Version> versions;
};

template <class A>
void fields(A& a, Callee& v) {
  archive::all(a, v.key, v.service, v.operation, v.service_flips, v.operation_flips);
}
template <class A>
void fields(A& a, Line& v) {
  archive::all(a, v.id, v.service, v.leaf, v.words);
}
template <class A>
void fields(A& a, Entry& v) {
  archive::all(a, v.service, v.operation, v.instance, v.credential, v.kind, v.named, v.orphaned);
}
template <class A>
void fields(A& a, Process& v) {
  archive::all(a, v.instance, v.version, v.process);
}
template <class A>
void fields(A& a, Memory& v) {
  archive::all(a, v.at, v.callees, v.lines, v.entries, v.processes, v.versions);
}

}  // namespace

std::string Stream::State::memory(UnixNanos now) const {
  Memory known{.at = now};
  peers.learned().each([&](uint64_t key, const Peers::Learned& l) {
    known.callees.push_back(
        {key, names.text(l.callee.service), names.text(l.callee.operation), l.service_flips, l.operation_flips});
  });
  for (const Templates::Template& t : templates.all()) known.lines.push_back({t.id, t.service, t.leaf, t.words});
  for (size_t id = 0; id < series.size(); ++id) {
    const Series& s = series[id];
    const Parents& p = parents[id];
    if (p.named > 0)
      known.entries.push_back({names.text(s.service), names.text(s.operation), names.text(s.instance),
                               names.text(s.credential), s.kind, p.named, p.orphaned});
  }
  changes.processes().each([&](uint64_t instance, const Changes::Process& p) {
    known.processes.push_back({instance, p.version, p.process});
  });
  changes.versions().each([&](uint64_t service, uint64_t version) { known.versions.emplace_back(service, version); });
  archive::Writer body;
  archive::put(body, known);
  return archive::sealed(magic, body.out);
}

Status Stream::State::restore(std::string_view bytes, UnixNanos now) {
  if (bytes.size() > memory_bytes_max) return fail(Code::too_large, "it is larger than we would have written");
  HS_ASSIGN(const std::string_view body, archive::unsealed(magic, bytes));
  archive::Reader reader(body);
  Memory known;
  archive::put(reader, known);
  if (!reader.good() || !reader.done()) return fail(Code::invalid_argument, "they are not as they were written");
  const int64_t age_s = (now - known.at) / nanos_per_s;
  if (age_s > age_max_s || age_s < -age_max_s)
    return fail(Code::invalid_argument, fmt::format("they are {} s old", age_s));
  for (const Callee& c : known.callees)
    peers.restore(c.key, {{names.id(c.service), names.id(c.operation)}, c.service_flips, c.operation_flips});
  for (Line& l : known.lines)
    templates.restore({.id = l.id, .service = l.service, .leaf = l.leaf, .words = std::move(l.words)});
  for (const Entry& e : known.entries) {
    const SeriesId id = series_of({.service = names.id(e.service),
                                   .operation = names.id(e.operation),
                                   .instance = names.id(e.instance),
                                   .credential = names.id(e.credential),
                                   .kind = e.kind});
    if (id != no_series) parents[id] = {e.named, e.orphaned};
  }
  for (const Process& p : known.processes) changes.restore(p.instance, {p.version, p.process});
  for (const auto& [service, version] : known.versions) changes.restore(service, version);
  return {};
}

}  // namespace hs::stream
