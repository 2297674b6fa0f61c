// What it costs to make an acknowledgement true: admission, hash, checksum, journal, fdatasync. Decoding and the engine
// are not part of it: batches are empty columns, the sink takes everything at once.
//   journal_bench DIRECTORY [RECORDS_PER_REQUEST=100] [BYTES_PER_RECORD=250] [IN_FLIGHT=64] [SECONDS=5]
//                 [REQUESTS_PER_S=0] [away]
// With a rate, requests start on their schedule whatever the answers do (no coordinated omission); without one,
// IN_FLIGHT are always under way. With "away" the engine takes nothing, and afterwards the journal is opened again:
// what a start costs. The directory is created and left behind.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/metrics.h"
#include "ingest/ingest.h"

namespace {

using namespace hs;

struct NoEngine final : ingest::Sink {
  bool away = false;
  Result<std::vector<ingest::Block>> encode(const std::vector<ingest::StoredBatch>&, uint64_t) override {
    if (away) return fail(Code::unavailable, "away");
    return std::vector<ingest::Block>{};
  }
  Status insert(const ingest::Block&) override { return {}; }
  void abandoned() override {}
  void stop() override {}
  Result<bool> has_cut(const std::string&, const std::string&, uint64_t) override { return true; }
};

struct Settings {
  std::string directory;
  size_t records = 100, record_bytes = 250;
  int64_t in_flight = 64;
  double seconds = 5, rate = 0;
  bool away = false;
};

double cpu_s() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

struct Run {
  explicit Run(const Settings& s) : settings(s), clock(io::system_clock()) {
    for (size_t i = 0; i < s.records * s.record_bytes; ++i) body += static_cast<char>('a' + i * 7919 % 26);
  }

  ingest::Incoming next() {
    ingest::Incoming incoming;
    incoming.signal = model::Signal::logs;
    incoming.received_at = clock.wall();
    incoming.body = body;
    ++serial;  // no two are the same, else they are recognised as retries
    std::memcpy(incoming.body.data(), &serial, std::min(sizeof serial, incoming.body.size()));
    return incoming;
  }

  void send(ingest::Ingest& ingest, MonoNanos due) {
    model::Batch batch;
    batch.signal = model::Signal::logs;
    batch.logs.time.resize(settings.records);
    ingest.append(next(), std::move(batch), [this, due](const Status& status) {
      const MonoNanos now = clock.mono();
      const std::lock_guard lock(mutex);
      if (status)
        latencies_ms.push_back(static_cast<double>(now - due) * 1e-6);
      else
        ++refused;
      --under_way;
      wake.notify_one();
    });
  }

  void load(ingest::Ingest& ingest) {
    const MonoNanos start = clock.mono();
    for (int64_t i = 0;; ++i) {
      MonoNanos due = clock.mono();
      if (settings.rate > 0) {
        due = start + static_cast<MonoNanos>(static_cast<double>(i) * 1e9 / settings.rate);
        if (due > clock.mono()) std::this_thread::sleep_for(std::chrono::nanoseconds(due - clock.mono()));
      }
      if (static_cast<double>(clock.mono() - start) > settings.seconds * 1e9) return;
      {
        std::unique_lock lock(mutex);
        if (settings.rate <= 0) wake.wait(lock, [&] { return under_way < settings.in_flight; });
        ++under_way;
      }
      send(ingest, settings.rate > 0 ? due : clock.mono());
    }
  }

  const Settings settings;
  io::Clock& clock;
  std::string body;
  uint64_t serial = 0;
  std::mutex mutex;
  std::condition_variable wake;
  int64_t under_way = 0;
  uint64_t refused = 0;
  std::vector<double> latencies_ms;
};

double quantile(std::vector<double>& sorted, double q) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))];
}

double counter(const char* name) {
  const std::string page = metrics::exposition();
  const size_t at = page.find(std::string("\n") + name + " ");
  return at == std::string::npos ? 0 : std::atof(page.c_str() + at + std::strlen(name) + 2);
}

long rss_mib() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss / 1024;
}

void measure_start(const std::function<Result<std::unique_ptr<ingest::Ingest>>()>& open, io::Clock& clock) {
  const MonoNanos start = clock.mono();
  const double cpu_start = cpu_s();
  auto opened = open();
  if (!opened) return;
  const ingest::Health health = (*opened)->health();
  std::printf(
      "start: %.1f MB of journal, %lu cuts and %lu rows waiting, %.2f s, %.2f CPU-s; largest RSS so far %ld MiB\n",
      static_cast<double>(health.journal_bytes) * 1e-6, health.waiting_cuts, health.waiting_rows,
      static_cast<double>(clock.mono() - start) * 1e-9, cpu_s() - cpu_start, rss_mib());
}

int measure(const Settings& settings) {
  Run run(settings);
  const double making_start = cpu_s();
  for (int i = 0; i < 2000; ++i) run.next();
  const double making_s = (cpu_s() - making_start) / 2000;

  NoEngine engine;
  ingest::Options options;
  options.data_directory = settings.directory;
  engine.away = settings.away;
  const auto decode = [](const ingest::Incoming&) -> Result<model::Batch> { return model::Batch{}; };
  const auto open = [&] {
    return ingest::Ingest::open(options,
                                {io::system_disk(), run.clock, io::system_random(), engine, decode, {}, {}, {}});
  };
  auto opened = open();
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  const double cpu_start = cpu_s();
  const MonoNanos start = run.clock.mono();
  run.load(**opened);
  {
    std::unique_lock lock(run.mutex);
    run.wake.wait(lock, [&] { return run.under_way == 0; });
  }
  const double wall = static_cast<double>(run.clock.mono() - start) * 1e-9;
  const double cpu = cpu_s() - cpu_start;
  opened->reset();
  std::sort(run.latencies_ms.begin(), run.latencies_ms.end());
  const auto requests = static_cast<double>(run.latencies_ms.size());
  const double records = requests * static_cast<double>(settings.records);
  std::printf("%.0f requests, %.0f records, %.1f MB in %.1f s: %.0f records/s, %lu refused\n", requests, records,
              records * static_cast<double>(settings.record_bytes) * 1e-6, wall, records / wall, run.refused);
  std::printf("CPU-s per million records: %.3f (of which making the bodies: %.3f)\n", cpu / records * 1e6,
              making_s * requests / records * 1e6);
  std::printf("ack ms: p50 %.2f p90 %.2f p99 %.2f max %.2f; requests a group %.1f\n", quantile(run.latencies_ms, 0.5),
              quantile(run.latencies_ms, 0.9), quantile(run.latencies_ms, 0.99), quantile(run.latencies_ms, 1),
              requests / std::max(1.0, counter("homeostat_journal_groups_total")));
  if (settings.away) measure_start(open, run.clock);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2)
    return std::fprintf(stderr,
                        "usage: journal_bench DIRECTORY [RECORDS_PER_REQUEST] [BYTES_PER_RECORD] "
                        "[IN_FLIGHT] [SECONDS] [REQUESTS_PER_S]\n"),
           2;
  Settings settings;
  settings.directory = argv[1];
  if (argc > 2) settings.records = static_cast<size_t>(std::atol(argv[2]));
  if (argc > 3) settings.record_bytes = static_cast<size_t>(std::atol(argv[3]));
  if (argc > 4) settings.in_flight = std::atol(argv[4]);
  if (argc > 5) settings.seconds = std::atof(argv[5]);
  if (argc > 6) settings.rate = std::atof(argv[6]);
  settings.away = argc > 7 && std::string_view(argv[7]) == "away";
  return measure(settings);
}
