// The law of the journal, tried at every place where the machine may stop: what was acknowledged is stored exactly
// once, everything else at most once, and what was put aside is in the quarantine.

#include <gtest/gtest.h>

#include "base/log.h"
#include "ingest/world_for_test.h"

namespace hs::ingest {
namespace {

// CRASH_SEED=n runs one seed alone, with the log; CRASH_SEEDS=n so many (the soak takes more).
const char* const only_seed = std::getenv("CRASH_SEED");
const bool silent = [] {  // the faults are on purpose
  if (only_seed == nullptr) log::configure(static_cast<log::Level>(9), log::Format::logfmt);
  return true;
}();
const uint64_t seeds = std::getenv("CRASH_SEEDS") != nullptr ? std::stoull(std::getenv("CRASH_SEEDS")) : 700;
bool skip(uint64_t seed) { return only_seed != nullptr && std::stoull(only_seed) != seed; }

// Senders that repeat what was not answered, and the check at the end.
class Crashes : public World {
 public:
  // Half of the worlds hold some requests, and store some of those.
  explicit Crashes(uint64_t seed) : World(seed), dice_(seed + 3), half_(seed + 4) {
    if (seed % 2 == 0) sampler = &half_;
  }

  double chance() { return dice_.uniform(); }
  uint64_t below(uint64_t n) { return static_cast<uint64_t>(chance() * static_cast<double>(n)); }

  struct Request {
    std::string body;
    bool acknowledged = false;
    bool open = false;  // an answer is owed
  };

  void send_new() {
    std::string body;
    for (uint64_t rows = 1 + below(12); rows > 0; --rows) body += fmt::format("{},", ++last_number_);
    requests_.push_back({body});
    transmit(requests_.size() - 1);
  }

  void transmit(size_t index) {
    if (requests_[index].acknowledged || requests_[index].open) return;
    requests_[index].open = true;
    send(requests_[index].body, [this, index](const Status& status) {
      requests_[index].open = false;
      if (!disk.dead()) requests_[index].acknowledged |= status.has_value();  // the dead say nothing
    });
  }

  void step() {
    const double dice = chance();
    if (dice < 0.25)
      send_new();
    else if (dice < 0.35 && !requests_.empty())
      transmit(below(requests_.size()));
    else if (dice < 0.65)
      ingest->turn(Ingest::Crank::commit);
    else if (dice < 0.85 && !disk.dead())
      ingest->turn(Ingest::Crank::send);
    else if (dice < 0.92 && !disk.dead())
      ingest->turn(Ingest::Crank::hold);
    else
      clock.advance(static_cast<int64_t>(below(600)) * nanos_per_ms);
  }

  void live(int steps) {
    for (int i = 0; i < steps && !disk.dead(); ++i) step();
  }

  void die(bool power_cut) {
    engine.set_down(true);  // what is dead sends nothing
    ingest.reset();
    for (Request& r : requests_) r.open = false;
    if (power_cut)
      disk.cut_power();
    else
      disk.restart_process();
    engine.restart();
  }

  // Opens, also when the disk dies while the journal is being read; then it is tried again.
  void reopen(bool power_cut) {
    for (int i = 0; i < 50; ++i) {
      if (open()) return;
      engine.restart();
      if (power_cut)
        disk.cut_power();
      else
        disk.restart_process();
      disk.set_faults({});
    }
    FAIL() << "the journal cannot be opened any more";
  }

  void check() {
    disk.die_after(1ULL << 40);
    disk.set_faults({});
    engine.set_faults({});
    settle();
    for (int round = 0; round < 3; ++round) {  // senders get through in the end
      for (size_t i = 0; i < requests_.size(); i += 2) transmit(i);
      settle();
    }
    const std::string aside = put_aside();
    const auto stored = engine.stored();
    for (const Request& r : requests_) check_request(r, stored, aside);
    const std::string names = engine.names();
    for (const auto& [n, times] : stored)
      EXPECT_NE(names.find(fmt::format("p{},", n % 3)), std::string::npos)
          << "partition of " << n << " is not described";
    EXPECT_EQ(ingest->health().waiting_rows, 0U);
    EXPECT_LE(ingest->health().journal_segments, 2U);
    EXPECT_EQ(ingest->health().corrupt_segments, 0U);
  }

 private:
  std::string put_aside() {
    std::string all = ",";
    const auto names = disk.list("data/quarantine");
    if (!names) return "the quarantine cannot be listed";
    for (const std::string& name : *names) {
      const auto file = disk.open("data/quarantine/" + name, io::Open::read);
      const std::string content = *(*file)->read(0, 1 << 20);
      EXPECT_FALSE(name.ends_with(".part"));
      all += content.substr(content.find('\n') + 1);
    }
    return all;
  }

  // A held one may be left out, but whole: what was decided before a crash is not decided otherwise after it.
  void check_request(const Request& r, const std::map<uint64_t, int>& stored, const std::string& aside) {
    std::set<int> times;
    const bool held = sampler != nullptr && sampler->holds(incoming_of(r.body, 0));
    for (const uint64_t n : numbers_of(r.body)) times.insert(check_number(n, r.acknowledged && !held, stored, aside));
    EXPECT_EQ(times.size(), 1U) << "a part of request " << r.body;
  }

  int check_number(uint64_t n, bool acknowledged, const std::map<uint64_t, int>& stored, const std::string& aside) {
    const auto found = stored.find(n);
    int times = found == stored.end() ? 0 : found->second;
    if (n % poison == 0) {
      const std::string text = fmt::format(",{},", n);
      for (size_t at = aside.find(text); at != std::string::npos; at = aside.find(text, at + 1)) ++times;
    }
    if (acknowledged)
      EXPECT_EQ(times, 1) << "acknowledged record " << n;
    else
      EXPECT_LE(times, 1) << "record " << n << " that need not be there";
    return times;
  }

  io::SeededRandom dice_;
  HalfSampler half_;
  std::vector<Request> requests_;
  uint64_t last_number_ = 0;
};

// A short life with every fault of the engine, stopped before operation k, for each k.
TEST(Crash, AtEveryWriteAndSync) {
  int deaths = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (const bool power_cut : {true, false}) {
      uint64_t operations = 1;
      for (uint64_t k = 0; k < operations; ++k) {
        SCOPED_TRACE(fmt::format("seed {} operation {} power cut {}", seed, k, power_cut));
        Crashes world(seed);
        world.engine.set_faults({.away = 0.05, .lost_answer = 0.1, .late = 0.1, .exhausted = 0.1, .burnt = 0.05});
        world.disk.die_after(k);
        if (world.open()) world.live(120);
        if (!world.disk.dead())
          operations = 0;  // no more operations to die at: the last round
        else
          operations = k + 2;
        if (world.ingest)
          world.die(power_cut);
        else
          world.disk.cut_power();
        world.reopen(power_cut);
        world.check();
        ++deaths;
        if (testing::Test::HasFailure()) return;
      }
    }
  RecordProperty("deaths", deaths);
}

// Several lives, each ending anywhere, also while the former one's rest is being replayed, with a failing disk too.
TEST(Crash, AgainAndAgain) {
  int deaths = 0;
  for (uint64_t seed = 1000; seed < 1000 + seeds; ++seed) {
    if (skip(seed)) continue;
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Crashes world(seed);
    ASSERT_TRUE(world.open());
    const uint64_t lives = 1 + world.below(4);
    for (uint64_t life = 0; life < lives; ++life) {
      const bool power_cut = world.chance() < 0.5;
      world.engine.set_faults({.away = 0.1, .lost_answer = 0.1, .late = 0.1, .exhausted = 0.1, .burnt = 0.1});
      if (world.chance() < 0.5) world.disk.set_faults({.append_error = 0.03, .sync_error = 0.03, .other_error = 0.02});
      if (world.chance() < 0.2) world.engine.set_down(true);
      world.disk.die_after(world.below(80));
      world.live(150);
      world.die(power_cut);
      deaths += 1;
      world.disk.die_after(world.chance() < 0.5 ? world.below(12) : 1000);
      world.reopen(power_cut);
    }
    world.check();
    if (testing::Test::HasFailure()) return;
  }
  RecordProperty("deaths", deaths);
}

}  // namespace
}  // namespace hs::ingest
