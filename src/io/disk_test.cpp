#include "io/disk.h"

#include <gtest/gtest.h>

#include "io/disk_sim.h"

namespace hs::io {
namespace {

void check_contract(Disk& disk, const std::string& dir) {
  ASSERT_TRUE(disk.make_directories(dir));
  const std::string path = dir + "/a";
  {
    auto file = disk.open(path, Open::create);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE((*file)->append("hello "));
    ASSERT_TRUE((*file)->append("world"));
    ASSERT_TRUE((*file)->sync());
    EXPECT_EQ(*(*file)->size(), 11U);
  }
  ASSERT_TRUE(disk.sync_directory(dir));
  EXPECT_EQ(disk.open(path, Open::create).error().code, Code::conflict);
  EXPECT_EQ(disk.open(dir + "/none", Open::read).error().code, Code::not_found);
  EXPECT_EQ(disk.open(dir + "/none", Open::append).error().code, Code::not_found);
  {
    auto file = disk.open(path, Open::append);
    ASSERT_TRUE((*file)->append("!"));
    EXPECT_EQ(*(*file)->read(6, 100), "world!");
    EXPECT_EQ(*(*file)->read(100, 100), "");
    EXPECT_EQ(*(*file)->read(0, 5), "hello");
    ASSERT_TRUE((*file)->rewrite(3));
    EXPECT_EQ(*(*file)->read(0, 100), "hello world!");
    ASSERT_TRUE((*file)->truncate(5));
    ASSERT_TRUE((*file)->append("."));
    EXPECT_EQ(*(*file)->read(0, 100), "hello.");
  }
  auto reader = disk.open(path, Open::read);
  EXPECT_FALSE((*reader)->append("no"));
  ASSERT_TRUE(disk.rename(path, dir + "/b"));
  EXPECT_EQ(*disk.list(dir), std::vector<std::string>{"b"});
  EXPECT_GT(*disk.free_bytes(dir), 0U);
  ASSERT_TRUE(disk.remove(dir + "/b"));
  EXPECT_EQ(disk.remove(dir + "/b").error().code, Code::not_found);
  EXPECT_TRUE(disk.list(dir)->empty());
}

TEST(Disk, BothTwinsKeepTheContract) {
  std::string dir = testing::TempDir() + "hs_disk_XXXXXX";
  ASSERT_NE(mkdtemp(dir.data()), nullptr);
  check_contract(system_disk(), dir + "/deep/er");
  SimDisk sim(1);
  check_contract(sim, "d");
}

TEST(SimDisk, KeepsWhatWasSyncedAndMayLoseTheRest) {
  int lost = 0;
  int kept = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimDisk disk(seed);
    auto file = disk.open("d/a", Open::create);
    ASSERT_TRUE((*file)->append("safe"));
    ASSERT_TRUE((*file)->sync());
    ASSERT_TRUE(disk.sync_directory("d"));
    ASSERT_TRUE((*file)->append("risky"));
    ASSERT_TRUE(disk.open("d/b", Open::create));
    disk.cut_power();
    EXPECT_FALSE((*file)->append("dead"));
    auto again = disk.open("d/a", Open::read);
    ASSERT_TRUE(again);
    const std::string content = *(*again)->read(0, 100);
    EXPECT_EQ(content.substr(0, 4), "safe");
    (content == "saferisky" ? kept : lost)++;
  }
  EXPECT_GT(lost, 5);
  EXPECT_GT(kept, 1);
}

TEST(SimDisk, AFailedSyncIsNotHealedByALaterOne) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimDisk disk(seed);
    auto file = disk.open("d/a", Open::create);
    ASSERT_TRUE(disk.sync_directory("d"));
    ASSERT_TRUE((*file)->append("first"));
    disk.set_faults({.sync_error = 1});
    EXPECT_FALSE((*file)->sync());
    disk.set_faults({});
    ASSERT_TRUE((*file)->append("second"));
    ASSERT_TRUE((*file)->sync());
    disk.cut_power();
    auto again = disk.open("d/a", Open::read);
    lost += *(*again)->read(0, 100) != "firstsecond";
  }
  EXPECT_GT(lost, 2);
}

TEST(SimDisk, RewritingHealsAFailedSync) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimDisk disk(seed);
    auto file = disk.open("d/a", Open::create);
    ASSERT_TRUE(disk.sync_directory("d"));
    ASSERT_TRUE((*file)->append("first"));
    disk.set_faults({.sync_error = 1});
    EXPECT_FALSE((*file)->sync());
    disk.set_faults({});
    ASSERT_TRUE((*file)->rewrite(0));
    ASSERT_TRUE((*file)->sync());
    disk.cut_power();
    auto again = disk.open("d/a", Open::read);
    EXPECT_EQ(*(*again)->read(0, 100), "first");
  }
}

TEST(SimDisk, DiesInTheMiddleAndFills) {
  SimDisk disk(3);
  disk.set_faults({.capacity_bytes = 10});
  auto file = disk.open("d/a", Open::create);
  EXPECT_EQ((*file)->append("0123456789abc").error().code, Code::resource_exhausted);
  EXPECT_EQ(*disk.free_bytes("d"), 0U);
  disk.set_faults({});
  disk.die_after(1);
  EXPECT_TRUE((*file)->append("x"));
  EXPECT_FALSE((*file)->append("y"));
  EXPECT_TRUE(disk.dead());
  EXPECT_FALSE((*file)->sync());
  EXPECT_FALSE(disk.list("d"));
  disk.restart_process();
  EXPECT_TRUE(disk.list("d"));
}

}  // namespace
}  // namespace hs::io
