#include "ledger/ledger.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/text.h"
#include "io/disk_sim.h"
#include "io/files.h"
#include "ledger/verify.h"

namespace hs::ledger {
namespace {

SignerKey test_key(char fill = 'k') { return SignerKey::from_seed("homeostat-test", std::string(32, fill)).value(); }

TEST(Merkle, RootsOfRfc6962) {
  MerkleTree tree;
  EXPECT_EQ(to_base64(security::view(tree.root())).substr(0, 8), "47DEQpj8");
  for (int i = 0; i < 7; ++i) {
    tree.add("e" + std::to_string(i));
    const std::string root = to_base64(security::view(tree.root())).substr(0, 8);
    if (i + 1 == 1) EXPECT_EQ(root, "lWrlG9Pi");
    if (i + 1 == 3) EXPECT_EQ(root, "ZLJJxOBg");
    if (i + 1 == 7) EXPECT_EQ(root, "TL2ONYSU");
  }
}

TEST(Note, TheExampleOfTheSpecificationOpens) {  // c2sp.org/signed-note; also golang.org/x/mod/sumdb/note
  const auto key = VerifierKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->text(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
  const auto signer =
      SignerKey::parse("PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz");
  ASSERT_TRUE(signer);
  EXPECT_EQ(signer->verifier().text(), key->text());
}

TEST(Note, OnlyTheRightKeyAndTextOpen) {
  const SignerKey key = test_key();
  const Head head{"homeostat-test", 7, security::sha256("x")};
  const std::string note = key.sign(head);
  const auto back = open_note(note, key.verifier());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->size, 7U);
  EXPECT_EQ(back->root, head.root);
  EXPECT_FALSE(open_note(note, test_key('x').verifier()));
  for (size_t i = 0; i < note.size(); ++i) {
    std::string edited = note;
    edited[i] = static_cast<char>(edited[i] ^ 1);
    EXPECT_FALSE(open_note(edited, key.verifier())) << i;
  }
  std::string witnessed = note + "\xE2\x80\x94 witness AAAAAAAA\n";  // somebody else's signature is passed over
  EXPECT_TRUE(open_note(witnessed, key.verifier()));
}

class Recording : public testing::Test {
 protected:
  std::unique_ptr<Ledger> open(Options options = {}) {
    auto ledger = Ledger::open("l", disk_, clock_, test_key(), std::move(options));
    EXPECT_TRUE(ledger) << ledger.error().message;
    return ledger ? std::move(*ledger) : nullptr;
  }
  void fill(Ledger& ledger, int entries) {
    for (int i = 0; i < entries; ++i) {
      ASSERT_TRUE(ledger.append("decision", R"({"incident":"inc-1-1","n":)" + std::to_string(i) + "}"));
      if (i % 3 == 2) {
        ASSERT_TRUE(ledger.commit());
      }
    }
    ASSERT_TRUE(ledger.commit());
  }
  Scan look() {
    const VerifierKey key = test_key().verifier();
    ScanRequest request;
    request.key = &key;
    return scan(disk_, "l", request).value();
  }

  io::SimDisk disk_{1};
  io::SimClock clock_{1'700'000'000 * nanos_per_s};
};

TEST_F(Recording, ComesBackAsItWas) {
  SignedHead head;
  {
    auto ledger = open();
    fill(*ledger, 10);
    head = ledger->head();
    EXPECT_EQ(head.head.size + 1, ledger->size());
  }
  disk_.cut_power();
  auto ledger = open();
  EXPECT_EQ(ledger->head().note, head.note);
  EXPECT_EQ(ledger->size(), 14U);  // ten entries, four heads
  const auto entries = ledger->read(2, 3).value();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].payload["n"], 2);
  EXPECT_EQ(entries[1].kind, kind_head);
  EXPECT_EQ(ledger->read(13, 10).value().size(), 1U);
  EXPECT_EQ(ledger->read(99, 10).value().size(), 0U);
  fill(*ledger, 2);
  EXPECT_TRUE(look().findings.empty());
}

TEST_F(Recording, TickSignsWhenItIsTime) {
  int heads = 0;
  auto ledger = open({.on_head = [&](const SignedHead&) { ++heads; }});
  ASSERT_TRUE(ledger->append("a", "{}"));
  ASSERT_TRUE(ledger->tick());
  EXPECT_EQ(heads, 0);
  clock_.advance(nanos_per_s);
  ASSERT_TRUE(ledger->tick());
  EXPECT_EQ(heads, 1);
  clock_.advance(nanos_per_s);
  ASSERT_TRUE(ledger->tick());  // nothing new
  EXPECT_EQ(heads, 1);
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(ledger->append("a", "{}"));
  ASSERT_TRUE(ledger->tick());
  EXPECT_EQ(heads, 2);
}

TEST_F(Recording, LargeAndBrokenPayloadsAreKeptToo) {
  auto ledger = open();
  const std::string large = "[\"" + std::string(200'000, 'x') + "\"]";
  ASSERT_TRUE(ledger->append("large", large));
  ASSERT_TRUE(ledger->append("broken", "{\"a\":\xff\x1b"));
  ASSERT_TRUE(ledger->append("escaped", "[\"" + std::string(30'000, '\x7f') + "\\u0000\"]"));
  ASSERT_TRUE(ledger->commit());
  EXPECT_FALSE(ledger->append("too large", std::string(blob_bytes_max + 1, ' ')));
  const auto entries = ledger->read(0, 10).value();
  ASSERT_EQ(entries.size(), 4U);
  const auto reference = blob_of(entries[0].payload);
  ASSERT_TRUE(reference);
  EXPECT_EQ(ledger->blob(*reference).value(), large);
  EXPECT_TRUE(entries[1].payload.is_string());
  EXPECT_TRUE(look().findings.empty());
  disk_.flip("l/blobs/" + reference->hash, 100);
  EXPECT_EQ(look().findings.at(0).what, "the side file of entry 0 was edited");
  ASSERT_TRUE(disk_.remove("l/blobs/" + reference->hash));
  EXPECT_NE(look().findings.at(0).what.find("is gone"), std::string::npos);
}

TEST_F(Recording, SegmentsRoll) {
  auto ledger = open({.segment_bytes = 500'000});
  const std::string payload = "[\"" + std::string(50'000, 'y') + "\"]";
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(ledger->append("bulk", payload));
  ASSERT_TRUE(ledger->commit());
  EXPECT_EQ(look().segments.size(), 2U);
  const uint64_t second = look().segments[1].first_index;
  EXPECT_EQ(ledger->read(second - 1, 2).value().at(1).index, second);
  ledger.reset();
  disk_.cut_power();
  fill(*open(), 2);
  EXPECT_TRUE(look().findings.empty());
}

TEST_F(Recording, AFullDiskRefusesAndGoesOnLater) {
  auto ledger = open();
  fill(*ledger, 4);
  ASSERT_TRUE(ledger->append("decision", R"({"owed":true})"));
  const uint64_t before = ledger->size();
  disk_.set_faults({.append_error = 1});
  EXPECT_FALSE(ledger->append("decision", R"({"lost":true})"));
  EXPECT_FALSE(ledger->append("decision", R"({"lost":true})"));
  EXPECT_FALSE(ledger->commit());
  disk_.set_faults({});
  ASSERT_TRUE(ledger->append("decision", R"({"kept":true})"));
  ASSERT_TRUE(ledger->commit());
  EXPECT_EQ(ledger->size(), before + 2);
  const auto entries = ledger->read(before - 1, 2).value();
  EXPECT_EQ(entries[0].payload["owed"], true);
  EXPECT_EQ(entries[1].payload["kept"], true);
  EXPECT_TRUE(look().findings.empty());
}

TEST_F(Recording, AnotherKeyDoesNotContinueIt) {
  fill(*open(), 4);
  EXPECT_EQ(Ledger::open("l", disk_, clock_, test_key('x'), {}).error().code, Code::conflict);
}

// Random failures, kills and power cuts: what commit() confirmed is there in order, the chain holds, and it goes on.
TEST(Crashes, LoseNothingThatWasCommitted) {
  for (uint64_t seed = 0; seed < 12; ++seed) {
    io::SimDisk disk(seed);
    io::SeededRandom random(seed);
    io::SimClock clock(0);
    std::vector<uint64_t> committed, pending;
    uint64_t next = 0;
    for (int life = 0; life < 6; ++life) {
      auto opened = Ledger::open("l", disk, clock, test_key(), {});
      ASSERT_TRUE(opened) << "seed " << seed << ": " << opened.error().message;
      Ledger& ledger = **opened;
      std::vector<uint64_t> found;
      const auto entries = ledger.read(0, 100'000);
      for (const Entry& e : *entries)
        if (e.kind == "n") found.push_back(e.payload["n"].get<uint64_t>());
      // Everything committed, then perhaps some of what was under way, in order.
      ASSERT_GE(found.size(), committed.size()) << "seed " << seed;
      ASSERT_TRUE(std::equal(committed.begin(), committed.end(), found.begin())) << "seed " << seed;
      ASSERT_TRUE(std::is_sorted(found.begin(), found.end())) << "seed " << seed;
      committed = found;
      disk.set_faults({.append_error = 0.03, .sync_error = 0.03, .other_error = 0.03});
      disk.die_after(random.next() % 60);
      pending.clear();
      for (int i = 0; i < 60; ++i) {
        const std::string filler(random.next() % 900, 'f');
        if (ledger.append("n", R"({"n":)" + std::to_string(next) + R"(,"f":")" + filler + "\"}"))
          pending.push_back(next);
        ++next;
        if (random.next() % 3 != 0) continue;
        if (!ledger.commit()) continue;
        committed.insert(committed.end(), pending.begin(), pending.end());
        pending.clear();
      }
      disk.set_faults({});
      if (random.next() % 3 == 0)
        disk.restart_process();
      else
        disk.cut_power();
      const VerifierKey key = test_key().verifier();
      ScanRequest request;
      request.key = &key;
      (void)scan(disk, "l", request);
    }
  }
}

}  // namespace
}  // namespace hs::ledger
