#include "ingest/journal.h"

#include <cstring>

#include <gtest/gtest.h>

#include "io/disk_sim.h"

namespace hs::ingest {
namespace {

struct JournalTest : testing::Test {
  io::SimDisk disk{5};
  io::SimClock clock{1000};
  io::SeededRandom random{6};
  std::vector<std::string> found;  // bodies that opening showed
  JournalReport report;
  std::unique_ptr<Journal> journal;

  void open(uint64_t segment_bytes = 1 << 20) {
    found.clear();
    report = {};
    journal.reset();
    auto opened = Journal::open(
        {"d/journal", "d/quarantine", segment_bytes}, disk, clock, random,
        [&](const SegmentReader::Record& r, Location) { found.emplace_back(r.payload); }, report);
    ASSERT_TRUE(opened) << opened.error().message;
    journal = std::move(*opened);
  }
  Result<uint64_t> write(const std::vector<std::string>& bodies) {
    HS_TRY(journal->begin());
    uint64_t sequence = 0;
    for (const std::string& body : bodies) sequence = journal->add(RecordType::request, body).sequence;
    HS_TRY(journal->commit());
    return sequence;
  }
  std::string path_of_only_segment_with(std::string_view what) {
    const auto names = disk.list("d/journal");
    for (const std::string& name : *names) {
      const auto file = disk.open("d/journal/" + name, io::Open::read);
      if ((*(*file)->read(0, 1 << 20)).find(what) != std::string::npos) return "d/journal/" + name;
    }
    return "";
  }
};

TEST_F(JournalTest, WhatWasCommittedIsThereAgain) {
  open();
  ASSERT_TRUE(write({"a", "b"}));
  ASSERT_TRUE(write({"c"}));
  disk.cut_power();
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_FALSE(report.closed_in_order);
  journal->close();
  open();
  EXPECT_EQ(found.size(), 4U);  // and the end record
}

TEST_F(JournalTest, AFailedGroupNeverComesBack) {
  open();
  ASSERT_TRUE(write({"good"}));
  for (const bool sync : {true, false}) {
    disk.set_faults({.append_error = sync ? 0.0 : 1.0, .sync_error = sync ? 1.0 : 0.0});
    ASSERT_TRUE(journal->begin().has_value() || journal->failed());
    EXPECT_FALSE(write({"bad"}));
    EXPECT_TRUE(journal->failed());
    disk.set_faults({});
    ASSERT_TRUE(write({"after"}));
  }
  disk.restart_process();  // all bytes are still there, also those of the failed groups
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"good", "after", "after"}));
  EXPECT_EQ(report.corrupt_segments, 0U);
}

TEST_F(JournalTest, SequencesGrowAcrossLivesAndLostJournals) {
  open();
  const uint64_t first = *write({"a"});
  open();
  const uint64_t second = *write({"b"});
  EXPECT_GT(second, first);
  clock.set_wall(2'000'000'000'000);
  io::SimDisk fresh(9);
  auto opened = Journal::open({"d/journal", "d/quarantine", 1 << 20}, fresh, clock, random, [](auto&, auto) {}, report);
  journal = std::move(*opened);
  EXPECT_GT(*write({"c"}), second);
}

TEST_F(JournalTest, SegmentsRotateAndGoWhenDelivered) {
  open(200);
  std::vector<uint64_t> sequences;
  for (int i = 0; i < 20; ++i) sequences.push_back(*write({std::string(100, 'x')}));
  EXPECT_GT(journal->segments(), 8U);
  journal->release(sequences[0]);  // nothing below it
  EXPECT_EQ(disk.list("d/journal")->size(), journal->segments());
  EXPECT_GT(journal->segments(), 8U);
  journal->release(sequences[10]);
  std::vector<uint64_t> seen;
  ASSERT_TRUE(journal->read({1, 64}, sequences[10], sequences[12],
                            [&](const SegmentReader::Record& r) { seen.push_back(r.header.sequence); }));
  EXPECT_EQ(seen, (std::vector<uint64_t>{sequences[10], sequences[11], sequences[12]}));
  journal->release(UINT64_MAX);
  EXPECT_EQ(journal->segments(), 1U);
  EXPECT_LT(journal->bytes(), 1000U);
}

TEST_F(JournalTest, DamageInTheMiddleStopsThatSegmentAndIsPutAside) {
  open();
  ASSERT_TRUE(write({"first"}));
  ASSERT_TRUE(write({"rotten"}));
  ASSERT_TRUE(write({"behind"}));
  const std::string path = path_of_only_segment_with("rotten");
  open();  // a second segment
  ASSERT_TRUE(write({"later"}));
  disk.flip(path, segment_header_bytes + record_bytes(5) + record_header_bytes + 2);
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"first", "later"}));
  EXPECT_EQ(report.corrupt_segments, 1U);
  ASSERT_TRUE(write({"new"}));
  open();  // found again at each start while it is there
  EXPECT_EQ(report.corrupt_segments, 1U);
  ASSERT_TRUE(write({"new"}));
  journal->release(UINT64_MAX);
  EXPECT_EQ(disk.list("d/quarantine")->size(), 1U);
  open();
  EXPECT_EQ(report.corrupt_segments, 0U);
}

TEST_F(JournalTest, DamageInTheNewestSegmentIsNotTakenForATornTail) {
  open();
  ASSERT_TRUE(write({"first"}));
  ASSERT_TRUE(write({"rotten"}));
  ASSERT_TRUE(write({"behind"}));
  disk.flip(path_of_only_segment_with("rotten"), segment_header_bytes + record_bytes(5) + record_header_bytes + 2);
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"first"}));
  EXPECT_EQ(report.corrupt_segments, 1U);
  EXPECT_EQ(report.torn_tails, 0U);
  open();
  EXPECT_EQ(report.corrupt_segments, 1U);
}

TEST_F(JournalTest, ARottenHeaderPutsTheSegmentAside) {
  open();
  ASSERT_TRUE(write({"lost"}));
  const std::string path = path_of_only_segment_with("lost");
  open();
  ASSERT_TRUE(write({"kept"}));
  disk.flip(path, 20);
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"kept"}));
  EXPECT_EQ(report.corrupt_segments, 1U);
  EXPECT_EQ(disk.list("d/quarantine")->size(), 1U);
}

TEST_F(JournalTest, AMissingSegmentIsSaid) {
  open(100);
  for (const char* body : {"one", "two", "three"}) ASSERT_TRUE(write({body + std::string(100, '.')}));
  ASSERT_TRUE(disk.remove(path_of_only_segment_with("two.")));
  open(100);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_EQ(report.corrupt_segments, 1U);
}

TEST_F(JournalTest, AFullDiskRefusesAndRecoversByItself) {
  open();
  ASSERT_TRUE(write({"before"}));
  disk.set_faults({.capacity_bytes = disk.used_bytes() + 50});
  EXPECT_EQ(write({std::string(500, 'x')}).error().code, Code::resource_exhausted);
  EXPECT_FALSE(write({std::string(500, 'x')}));
  disk.set_faults({});
  ASSERT_TRUE(write({"after"}));
  disk.cut_power();
  open();
  EXPECT_EQ(found, (std::vector<std::string>{"before", "after"}));
}

TEST_F(JournalTest, ANewerFormatIsRefusedNotDestroyed) {
  open();
  ASSERT_TRUE(write({"a"}));
  const std::string path = path_of_only_segment_with("a");
  std::string header = encode_segment_header({99, 1, 1, 64, 5});
  header[8] = static_cast<char>(format_version + 1);
  const uint32_t crc = crc32c(std::string_view(header).substr(0, 60));
  std::memcpy(header.data() + 60, &crc, 4);
  ASSERT_TRUE((*disk.open("d/journal/0000000000000099.seg", io::Open::create))->append(header));
  const auto opened =
      Journal::open({"d/journal", "d/quarantine", 1 << 20}, disk, clock, random, [](auto&, auto) {}, report);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::unsupported_media);
  EXPECT_TRUE(disk.open(path, io::Open::read));
}

}  // namespace
}  // namespace hs::ingest
