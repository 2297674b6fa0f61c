#pragma once
// A world around Ingest for its tests: records that are numbers, an engine in memory that dedups, fails and dawdles.

#include <algorithm>
#include <charconv>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "ingest/ingest.h"
#include "io/clock.h"
#include "io/disk_sim.h"
#include "io/random.h"

namespace hs::ingest {

// A body is "12,13,14": one log record a number. Rows of a number go to partition number % 3, but the engine never
// takes those of "bad".
inline constexpr uint64_t poison = 101;

inline std::vector<uint64_t> numbers_of(std::string_view body) {
  std::vector<uint64_t> out;
  while (!body.empty()) {
    uint64_t value = 0;
    const auto end = std::from_chars(body.data(), body.data() + body.size(), value).ptr;
    out.push_back(value);
    body.remove_prefix(std::min<size_t>(body.size(), static_cast<size_t>(end - body.data()) + 1));
  }
  return out;
}

inline Result<model::Batch> decode_numbers(const Incoming& incoming) {
  if (incoming.body.starts_with("!")) return fail(Code::invalid_argument, "undecodable");
  model::Batch batch;
  batch.signal = model::Signal::logs;
  for (const uint64_t number : numbers_of(batch.arena.adopt(incoming.body))) {
    batch.logs.time.push_back(static_cast<UnixNanos>(number));
    batch.logs.body.push_back(batch.arena.copy(fmt::format("{}", number)));
  }
  return batch;
}

inline Incoming incoming_of(std::string body, UnixNanos now, std::string tenant = "") {
  Incoming incoming;
  incoming.signal = model::Signal::logs;
  incoming.tenant = std::move(tenant);
  incoming.received_at = now;
  incoming.body = std::move(body);
  return incoming;
}

// The engine. Thread-safe. An insert is atomic and durable; a token in the window of its table is not inserted again.
class EngineModel final : public Sink {
 public:
  explicit EngineModel(uint64_t seed, size_t dedup_window = 4) : random_(seed), dedup_window_(dedup_window) {}

  struct Faults {            // shares of calls
    double away = 0;         // unavailable, nothing happened
    double lost_answer = 0;  // unavailable, but the rows are in
    double late = 0;         // deadline_exceeded; the rows come in during one of the next calls
    double exhausted = 0;    // resource_exhausted: memory, nothing happened
    double burnt = 0;        // unavailable: it died when it had written the token down, and not yet the rows
  };
  void set_faults(Faults faults) {
    const std::lock_guard lock(mutex_);
    faults_ = faults;
  }
  void set_down(bool down) {
    const std::lock_guard lock(mutex_);
    down_ = down;
  }
  // The machine or the process ends: what dawdled is in, or never will be. The next life waits for that.
  void restart() {
    const std::lock_guard lock(mutex_);
    for (const Block& block : late_)
      if (random_.uniform() < 0.5) commit(block);
    late_.clear();
    told_.clear();  // it is the process that remembers
    ++life_;
    down_ = false;
  }

  Result<std::vector<Block>> encode(const std::vector<StoredBatch>& batches, uint64_t cut) override {
    std::map<std::string, std::string> parts;
    std::map<std::string, uint64_t> rows;
    for (const StoredBatch& stored : batches)
      for (size_t row = 0; row < stored.batch->size(); ++row) {
        if (!stored.kept.has(row)) continue;
        const std::string_view body = stored.batch->logs.body[row];
        uint64_t number = 0;
        std::from_chars(body.data(), body.data() + body.size(), number);
        const std::string partition = number % poison == 0 ? "bad" : fmt::format("p{}", number % 3);
        parts[partition] += std::string(body) + ",";
        ++rows[partition];
      }
    std::vector<Block> blocks;
    for (auto& [partition, bytes] : parts)
      blocks.push_back({"logs", partition, fmt::format("{}-logs-{}", cut, partition), rows[partition], true, bytes});
    const std::lock_guard lock(mutex_);
    std::string news;  // of partitions nobody has told the engine about
    for (const auto& [partition, bytes] : parts)
      if (told_.insert(partition).second) news += partition + ",";
    if (!news.empty()) blocks.push_back({"names", "all", fmt::format("{}-names-all-{}", cut, life_), 1, false, news});
    return blocks;
  }

  void stop() override {}
  void abandoned() override {
    const std::lock_guard lock(mutex_);
    told_.clear();
  }

  Status insert(const Block& block) override {
    const std::lock_guard lock(mutex_);
    HS_TRY(begin_call());
    if (block.partition == "bad") return fail(Code::invalid_argument, "the engine never takes these");
    const double dice = random_.uniform();
    if (dice < faults_.exhausted) return fail(Code::resource_exhausted, "memory limit exceeded");
    if (dice < faults_.exhausted + faults_.late) {
      late_.push_back(block);
      return fail(Code::deadline_exceeded, "no answer in time");
    }
    if (dice < faults_.exhausted + faults_.late + faults_.burnt) {
      remember(block.token);
      told_.clear();  // a dictionary that did not arrive is told again
      return fail(Code::unavailable, "the connection broke");
    }
    commit(block);
    if (random_.uniform() < faults_.lost_answer) return fail(Code::unavailable, "the connection broke");
    return {};
  }

  void stored(const Block& block) override {
    const std::lock_guard lock(mutex_);
    if (!block.fact) return;
    for (const uint64_t number : numbers_of(block.bytes)) known_.insert(number);
  }

  Result<bool> has_cut(const std::string& table, const std::string& partition, uint64_t cut) override {
    const std::lock_guard lock(mutex_);
    HS_TRY(begin_call());
    return cuts_.contains({table + "/" + partition, cut});
  }

  Result<bool> is_under_way(const std::string& token) override {
    const std::lock_guard lock(mutex_);
    HS_TRY(begin_call());
    return std::any_of(late_.begin(), late_.end(), [&](const Block& late) { return late.token == token; });
  }

  // The dictionary: "p0,p2,".
  std::string names() const {
    const std::lock_guard lock(mutex_);
    return names_;
  }
  // Numbers of which the sink was told that they are stored.
  std::set<uint64_t> known() const {
    const std::lock_guard lock(mutex_);
    return known_;
  }
  // How often each number is stored.
  std::map<uint64_t, int> stored() const {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  uint64_t inserts() const {
    const std::lock_guard lock(mutex_);
    return inserts_;
  }
  uint64_t largest_block() const {
    const std::lock_guard lock(mutex_);
    return largest_block_;
  }

 private:
  Status begin_call() {
    if (!late_.empty() && random_.uniform() < 0.7) {  // what dawdled arrives, in the shade of the window
      commit(late_.front());
      late_.pop_front();
    }
    if (down_ || random_.uniform() < faults_.away) return fail(Code::unavailable, "connection refused");
    return {};
  }

  // False when it was known.
  bool remember(const std::string& token) {
    if (std::find(tokens_.begin(), tokens_.end(), token) != tokens_.end()) return false;
    tokens_.push_back(token);
    if (tokens_.size() > dedup_window_) tokens_.pop_front();
    return true;
  }

  void commit(const Block& block) {
    if (!remember(block.token)) return;
    if (!block.fact) names_ += block.bytes;
    if (!block.fact) return;
    for (const uint64_t number : numbers_of(block.bytes)) ++stored_[number];
    ++inserts_;
    largest_block_ = std::max(largest_block_, block.rows);
    cuts_.insert({block.table + "/" + block.partition, std::stoull(block.token)});
  }

  mutable std::mutex mutex_;
  io::SeededRandom random_;
  const size_t dedup_window_;
  Faults faults_;
  bool down_ = false;
  std::map<uint64_t, int> stored_;
  std::set<uint64_t> known_;
  std::set<std::pair<std::string, uint64_t>> cuts_;
  std::set<std::string> told_;
  std::string names_;
  uint64_t life_ = 0;
  std::deque<std::string> tokens_;
  std::deque<Block> late_;
  uint64_t inserts_ = 0, largest_block_ = 0;
};

// Holds requests that begin with an even number and keeps half of them, whole.
class HalfSampler final : public Sampler {
 public:
  explicit HalfSampler(uint64_t seed) : random_(seed) {}
  bool holds(const Incoming& incoming) override {
    const std::vector<uint64_t> numbers = numbers_of(incoming.body);
    return !numbers.empty() && numbers.front() % 2 == 0;
  }
  int64_t wait_ms() const override { return waits_ms; }
  uint64_t held_bytes_max() const override { return bytes_max; }
  void observe(const std::vector<StoredBatch>& cut) override { observed += cut.size(); }
  bool crowded() const override { return is_crowded; }
  Verdicts decide(const std::vector<StoredBatch>& cut, bool early) override {
    Verdicts verdicts;
    for (const StoredBatch& stored : cut) {
      const bool keep = keep_all || random_.uniform() < 0.5;
      verdicts.codes.insert(verdicts.codes.end(), stored.batch->size(),
                            keep ? model::Kept::whole : model::Kept::dropped);
      kept += keep ? 1 : 0;
      ++(early ? decided_early : decided);
    }
    return verdicts;
  }
  int64_t waits_ms = 2000;
  uint64_t bytes_max = 1 << 20;
  bool is_crowded = false, keep_all = false;
  uint64_t observed = 0, kept = 0, decided = 0, decided_early = 0;  // requests

 private:
  io::SeededRandom random_;
};

// Ingest with everything around it, turned by hand.
struct World {
  explicit World(uint64_t seed, size_t dedup_window = 4)
      : disk(seed), random(seed + 1), engine(seed + 2, dedup_window) {
    options.data_directory = "data";
    options.segment_bytes = 600;
    options.journal_max_bytes = 1 << 20;
    options.min_free_bytes = 0;
    options.cut_max_rows = 20;
    options.sender_threads = 0;
  }

  Status open() {
    auto opened = Ingest::open(options, {disk, clock, random, engine, decode_numbers, tee, sampler, {}, {}});
    if (!opened) return tl::unexpected(opened.error());
    ingest = std::move(*opened);
    return {};
  }
  void send(std::string body, Done done, std::string tenant = "") {
    Incoming incoming = incoming_of(std::move(body), clock.wall(), std::move(tenant));
    model::Batch batch = *decode_numbers(incoming);
    ingest->append(std::move(incoming), std::move(batch), std::move(done));
  }
  // Turns everything until nothing is left to do, time passing.
  void settle(int seconds = 300) {
    for (int i = 0; i < seconds * 4; ++i) {
      while (ingest->turn(Ingest::Crank::commit) || ingest->turn(Ingest::Crank::send) ||
             ingest->turn(Ingest::Crank::tee) || ingest->turn(Ingest::Crank::hold)) {
      }
      const Health health = ingest->health();
      if (i > 8 && health.waiting_cuts == 0 && health.waiting_rows == 0 && health.held_rows == 0) return;
      clock.advance(nanos_per_s / 4);
    }
  }

  io::SimDisk disk;
  io::SimClock clock{1'700'000'000 * nanos_per_s};
  io::SeededRandom random;
  EngineModel engine;
  Options options;
  std::function<void(std::shared_ptr<const model::Batch>, const Incoming&)> tee;
  Sampler* sampler = nullptr;
  std::unique_ptr<Ingest> ingest;
};

}  // namespace hs::ingest
