#include "io/files.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "io/random.h"

namespace hs::io {
namespace {

class Files : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hs-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  std::string at(const std::string& name) const { return dir_ + "/" + name; }
  std::string dir_;
};

TEST_F(Files, ReplaceGivesContentAndMode) {
  ASSERT_TRUE(replace_file(at("a"), "one", 0600, Durable::name));
  const FileStamp first = stamp_of(at("a"));
  ASSERT_TRUE(replace_file(at("a"), "two", 0600, Durable::content));
  EXPECT_EQ(read_file(at("a"), 100).value(), "two");
  EXPECT_NE(stamp_of(at("a")), first);
  struct stat found{};
  ASSERT_EQ(::stat(at("a").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(Files, ReadRefusesWhatIsMissingOrTooLarge) {
  EXPECT_EQ(read_file(at("a"), 100).error().code, Code::not_found);
  ASSERT_TRUE(create_file(at("a"), std::string(101, 'x'), 0600));
  EXPECT_EQ(read_file(at("a"), 100).error().code, Code::too_large);
  EXPECT_EQ(read_file(at("a"), 101).value().size(), 101U);
}

TEST_F(Files, CreateNeverOverwrites) {
  ASSERT_TRUE(create_file(at("key"), "first", 0600));
  EXPECT_EQ(create_file(at("key"), "second", 0600).error().code, Code::conflict);
  EXPECT_EQ(read_file(at("key"), 100).value(), "first");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir_), {}), 1);
}

TEST_F(Files, MakeDirectoriesIsPrivate) {
  ASSERT_TRUE(make_directories(at("x/y/z")));
  ASSERT_TRUE(make_directories(at("x/y/z")));
  struct stat found{};
  ASSERT_EQ(::stat(at("x/y").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
}

TEST_F(Files, OneLockHolder) {
  auto first = FileLock::try_take(at("lock"));
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->write("123\n"));
  EXPECT_EQ(FileLock::try_take(at("lock")).error().code, Code::conflict);
  EXPECT_EQ(read_file(at("lock"), 10).value(), "123\n");
  {
    const FileLock released = std::move(*first);
  }
  EXPECT_TRUE(FileLock::try_take(at("lock")));
}

TEST(BootId, IsKnownHere) { EXPECT_EQ(boot_id().size(), 36U); }

TEST(Random, SeededIsTheReferenceSequence) {  // SplitMix64 with seed 1234567, as published with its source
  SeededRandom random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317U);
  EXPECT_EQ(random.next(), 3203168211198807973U);
}

TEST(Random, SystemBytesDiffer) {
  EXPECT_EQ(system_random().bytes(33).size(), 33U);
  EXPECT_NE(system_random().bytes(16), system_random().bytes(16));
}

}  // namespace
}  // namespace hs::io
