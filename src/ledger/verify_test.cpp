// Every way to tamper that we know, on real files.

#include "ledger/verify.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "base/text.h"
#include "io/files.h"
#include "ledger/ledger.h"

namespace hs::ledger {
namespace {

class Verifying : public testing::Test {
 protected:
  Verifying() {
    std::string name = testing::TempDir() + "hs-ledger-XXXXXX";
    dir_ = std::string(::mkdtemp(name.data())) + "/ledger";
    key_ = std::make_unique<SignerKey>(ensure_key(dir_, random_).value());
    auto ledger = open();
    for (int i = 0; i < 12; ++i) {
      EXPECT_TRUE(ledger->append("decision", R"({"incident":"inc-7-1","n":)" + std::to_string(100 + i) + "}"));
      if (i % 4 == 3) {
        EXPECT_TRUE(ledger->commit());
      }
      if (i == 7) kept_ = ledger->head().note;
    }
    lines_ = read_lines();
  }
  ~Verifying() override { std::filesystem::remove_all(std::filesystem::path(dir_).parent_path()); }

  std::unique_ptr<Ledger> open() {
    auto ledger = Ledger::open(dir_, io::system_disk(), clock_, *key_, {});
    EXPECT_TRUE(ledger) << ledger.error().message;
    return ledger ? std::move(*ledger) : nullptr;
  }
  std::string file() const { return dir_ + "/" + segment_name(1); }
  std::vector<std::string> read_lines() const {
    std::ifstream in(file());
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  void write_lines(const std::vector<std::string>& lines, const std::string& tail = "") const {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    ASSERT_TRUE(io::replace_file(file(), text + tail, 0600, io::Durable::content));
  }
  // As somebody without the key would: every later hash is made right again.
  static void rechain(std::vector<std::string>& lines) {
    Digest last{};
    for (size_t i = 0; i < lines.size(); ++i) {
      Entry entry = decode_entry(lines[i]).value();
      entry.index = i;
      entry.previous = last;
      lines[i] = encode(entry);
      last = security::sha256(lines[i]);
    }
  }
  int verify(const std::string& head = "", const std::string& key = "") {
    out_.clear();
    return run_verify(io::system_disk(), {dir_, head, key}, out_);
  }
  bool says(std::string_view text) const { return out_.find(text) != std::string::npos; }

  io::SeededRandom random_{3};
  io::SimClock clock_{1'700'000'000 * nanos_per_s};
  std::string dir_, kept_, out_;
  std::unique_ptr<SignerKey> key_;
  std::vector<std::string> lines_;
};

TEST_F(Verifying, AHeadOfWhatWasDroppedProvesNothing) {
  const Options small{.segment_bytes = 500'000, .max_bytes = 1'500'000};
  auto ledger = Ledger::open(dir_, io::system_disk(), clock_, *key_, small).value();
  const std::string payload = "[\"" + std::string(50'000, 'y') + "\"]";
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(ledger->append("bulk", payload));
  ASSERT_TRUE(ledger->commit());
  ASSERT_GT(ledger->first(), 0U);
  EXPECT_EQ(verify(), 0) << out_;
  EXPECT_TRUE(says("were dropped at the ledger's bound")) << out_;
  EXPECT_EQ(verify(kept_), 0);
  EXPECT_TRUE(says("completeness not proven")) << out_;
  EXPECT_EQ(verify(ledger->head().note), 0);
  EXPECT_TRUE(says("complete up to the kept head")) << out_;
  std::string shown;
  EXPECT_EQ(run_show(io::system_disk(), dir_, "", shown), 0);
  EXPECT_EQ(shown.find("WARNING"), std::string::npos) << shown;
}

TEST_F(Verifying, AnHonestLedger) {
  EXPECT_EQ(verify(), 0);
  EXPECT_TRUE(says("15 entries, 3 signed heads")) << out_;
  EXPECT_TRUE(says("consistent; completeness not proven")) << out_;
  EXPECT_EQ(verify(kept_), 0);
  EXPECT_TRUE(says("complete up to the kept head")) << out_;
  EXPECT_EQ(verify("", key_->verifier().text()), 0);
  struct stat found{};
  ASSERT_EQ(::stat((dir_ + "/key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
}

TEST_F(Verifying, AnyEditedByteIsFound) {
  const std::string text = io::read_file(file(), 1 << 20).value();
  for (size_t i = 0; i < text.size(); i += 23) {
    std::string edited = text;
    edited[i] = static_cast<char>(edited[i] ^ 2);
    ASSERT_TRUE(io::replace_file(file(), edited, 0600, io::Durable::content));
    // A newest head that no longer calls itself one leaves what it signed unsigned: that is said, and is all there is.
    const bool is_said = i > text.size() - lines_.back().size() && verify(kept_) == 0 && says("are not signed yet");
    EXPECT_TRUE(is_said || verify(kept_) == 1) << "byte " << i << " of " << text.size() << ": " << out_;
  }
}

TEST_F(Verifying, AnEditedDecision) {
  const size_t at = lines_[2].find("102");
  lines_[2].replace(at, 3, "999");
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("entry 2 is not the one that entry 3 was chained to")) << out_;
  EXPECT_EQ(Ledger::open(dir_, io::system_disk(), clock_, *key_, {}).error().code, Code::conflict);
}

TEST_F(Verifying, AnEditWithTheChainMadeRightAgain) {
  const size_t at = lines_[2].find("102");
  lines_[2].replace(at, 3, "999");
  rechain(lines_);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("are not those that it signed")) << out_;
}

TEST_F(Verifying, ADeletedEntry) {
  lines_.erase(lines_.begin() + 5);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("entries 5 to 5 are missing")) << out_;
  rechain(lines_);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
}

TEST_F(Verifying, ADeletedBeginning) {
  lines_.erase(lines_.begin(), lines_.begin() + 5);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("entries 0 to 4 are missing")) << out_;
}

TEST_F(Verifying, SwappedEntries) {
  std::swap(lines_[5], lines_[6]);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  rechain(lines_);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
}

TEST_F(Verifying, AnInsertedEntry) {
  lines_.insert(lines_.begin() + 6, lines_[6]);
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("stands where entry 7 belongs")) << out_;
}

TEST_F(Verifying, ATruncationNeedsTheKeptHead) {
  lines_.resize(5);  // up to and with the first head
  write_lines(lines_);
  EXPECT_EQ(verify(), 0);
  EXPECT_TRUE(says("completeness not proven")) << out_;
  EXPECT_EQ(verify(kept_), 1);
  EXPECT_TRUE(says("the kept head covers 9 entries, here are 5")) << out_;
  ASSERT_TRUE(io::replace_file(dir_ + "/kept", kept_, 0600, io::Durable::content));
  EXPECT_EQ(verify(dir_ + "/kept"), 1);
}

TEST_F(Verifying, ARollbackThatGrewAgainNeedsTheKeptHead) {
  lines_.resize(5);
  write_lines(lines_);
  {
    auto ledger = open();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(ledger->append("decision", R"({"other":true})"));
    ASSERT_TRUE(ledger->commit());
  }
  EXPECT_EQ(verify(), 0);
  EXPECT_EQ(verify(kept_), 1);
  EXPECT_TRUE(says("history was rewritten")) << out_;
}

TEST_F(Verifying, AnotherKeyInItsPlaceNeedsTheKeptKey) {
  const std::string real = key_->verifier().text();
  ASSERT_TRUE(std::filesystem::remove(dir_ + "/key"));
  ASSERT_TRUE(std::filesystem::remove(file()));
  key_ = std::make_unique<SignerKey>(ensure_key(dir_, random_).value());
  ASSERT_TRUE(open()->append("decision", "{}"));
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->append("decision", "{}"));
    ASSERT_TRUE(ledger->commit());
  }
  EXPECT_EQ(verify(), 0);
  EXPECT_EQ(verify("", real), 1);
  EXPECT_TRUE(says("is not signed by the key")) << out_;
  EXPECT_EQ(verify(kept_), 2);  // the kept head is not this key's
}

TEST_F(Verifying, ATornTailIsToldApart) {
  write_lines(lines_, R"({"index":15,"kind":"dec)");
  EXPECT_EQ(verify(kept_), 0);
  EXPECT_TRUE(says("torn tail: 23 bytes after entry 14")) << out_;
  {
    auto ledger = open();
    EXPECT_EQ(ledger->read(15, 1).value().at(0).kind, kind_recovered);
    ASSERT_TRUE(ledger->commit());
  }
  EXPECT_EQ(verify(kept_), 0);
  EXPECT_TRUE(says("1 recovery after a crash")) << out_;
  EXPECT_FALSE(says("torn tail")) << out_;
}

TEST_F(Verifying, DamageBeforeTwoHeadsIsNoCrash) {
  lines_[3] = std::string(lines_[3].size(), '\0');
  write_lines(lines_);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("entry 3 is damaged")) << out_;
  EXPECT_FALSE(says("torn tail")) << out_;
  EXPECT_EQ(Ledger::open(dir_, io::system_disk(), clock_, *key_, {}).error().code, Code::conflict);
}

TEST_F(Verifying, AMissingSegment) {
  ASSERT_EQ(std::rename(file().c_str(), (dir_ + "/" + segment_name(2)).c_str()), 0);
  EXPECT_EQ(verify(), 1);
  EXPECT_TRUE(says("is missing")) << out_;
}

TEST_F(Verifying, SizeAndRootAloneAreAHeadToo) {
  const Head head = open_note(kept_, key_->verifier()).value();
  EXPECT_EQ(verify(std::to_string(head.size) + ":" + to_base64(security::view(head.root))), 0);
  EXPECT_TRUE(says("complete")) << out_;
  EXPECT_EQ(verify(std::to_string(head.size - 1) + ":" + to_base64(security::view(head.root))), 1);
  EXPECT_EQ(verify("nonsense"), 2);
}

TEST_F(Verifying, HeadPrintsTheLastSignedOne) {
  EXPECT_EQ(run_head(io::system_disk(), dir_, out_), 0);
  EXPECT_EQ(open_note(out_, key_->verifier()).value().size, 14U);
}

TEST_F(Verifying, ShowTellsAnIncidentWithoutControlCharacters) {
  {
    auto ledger = open();
    ASSERT_TRUE(ledger->append("change", R"({"incident":"inc-9-1","words":"raise \u001b[31mtimeout\u0007\nFAKE"})"));
    ASSERT_TRUE(ledger->append("verdict", R"({"incident":"inc-9-1","kind":"pass","why":"errors fell","n":[1,2]})"));
    ASSERT_TRUE(ledger->append("incident", R"({"id":"inc-9-1","state":"closed"})"));
    ASSERT_TRUE(ledger->commit());
  }
  EXPECT_EQ(run_show(io::system_disk(), dir_, "inc-9-1", out_), 0);
  EXPECT_EQ(out_,
            "#15 2023-11-14T22:13:20.000Z  change: raise  [31mtimeout  FAKE\n"
            "#16 2023-11-14T22:13:20.000Z  verdict: errors fell; kind=pass; n=[1,2]\n"
            "#17 2023-11-14T22:13:20.000Z  incident: id=inc-9-1; state=closed\n");
  out_.clear();
  EXPECT_EQ(run_show(io::system_disk(), dir_, "", out_), 0);
  EXPECT_NE(out_.find("inc-7-1"), std::string::npos);
  EXPECT_EQ(run_show(io::system_disk(), dir_, "inc-0-0", out_), 1);
}

}  // namespace
}  // namespace hs::ledger
