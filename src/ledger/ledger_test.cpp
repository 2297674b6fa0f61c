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

TEST_F(Recording, AStartReadsTheLastSegmentFromItsAnchor) {
  auto ledger = open({.segment_bytes = 500'000});
  const std::string payload = "[\"" + std::string(50'000, 'y') + "\"]";
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(ledger->append("bulk", payload));
  ASSERT_TRUE(ledger->commit());
  const uint64_t size = ledger->size(), segments = look().segments.size();
  ASSERT_GT(segments, 3U);
  const std::string head = ledger->head().note;
  ledger.reset();
  disk_.flip("l/" + segment_name(1), 100);  // verification finds it; a start does not look there
  ledger = open({.segment_bytes = 500'000});
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(ledger->size(), size);
  EXPECT_EQ(ledger->head().note, head);
  EXPECT_EQ(ledger->first(), 0U);
  EXPECT_EQ(ledger->read(size - 2, 10).value().size(), 2U);
  fill(*ledger, 2);
  EXPECT_FALSE(look().findings.empty());
  ledger.reset();
  ASSERT_TRUE(disk_.remove("l/" + anchor_name(segments - 1)));  // now everything has to be read
  EXPECT_EQ(Ledger::open("l", disk_, clock_, test_key(), {}).error().code, Code::conflict);
  disk_.flip("l/" + segment_name(1), 100);
  EXPECT_NE(open(), nullptr);
}

TEST_F(Recording, AnEmptyLastSegmentIsChainedToTheOneBefore) {
  auto ledger = open({.segment_bytes = 500'000});
  const std::string payload = "[\"" + std::string(50'000, 'y') + "\"]";
  while (look().segments.size() < 2) ASSERT_TRUE(ledger->append("bulk", payload));
  ledger.reset();
  ASSERT_TRUE(disk_.remove("l/" + segment_name(2)));
  ASSERT_TRUE(disk_.open("l/" + segment_name(2), io::Open::create));
  fill(*open(), 3);
  EXPECT_TRUE(look().findings.empty());
}

class AtTheBound : public Recording {
 protected:
  static constexpr uint64_t bound = 2'000'000;
  void record(Ledger& ledger, int entries) {
    const std::string payload = "[\"" + std::string(50'000, 'y') + "\"]";
    for (int i = 0; i < entries; ++i) ASSERT_TRUE(ledger.append("bulk", payload));
    ASSERT_TRUE(ledger.commit());
  }
  Options options() const { return {.segment_bytes = 500'000, .max_bytes = bound}; }
};

TEST_F(AtTheBound, TheOldestEntriesGoAndTheChainGoesOn) {
  auto ledger = open(options());
  const std::string large = "[\"" + std::string(300'000, 'x') + "\"]";
  ASSERT_TRUE(ledger->append("large", large));
  ASSERT_TRUE(ledger->append("bulk", "[1]"));
  record(*ledger, 20);
  EXPECT_EQ(ledger->first(), 0U);
  const std::string early = ledger->head().note;
  for (int i = 0; i < 10; ++i) {
    record(*ledger, 20);
    EXPECT_LE(disk_.used_bytes(), bound + 20'000) << "with the anchors and names";
  }
  EXPECT_GT(ledger->first(), 0U);
  EXPECT_TRUE(disk_.list("l/blobs").value().empty()) << "side files go with their entries";
  const Scan seen = look();
  EXPECT_TRUE(seen.findings.empty()) << seen.findings.front().what;
  EXPECT_EQ(seen.first_index, ledger->first());
  EXPECT_EQ(seen.tree.size(), ledger->size());
  const auto oldest = ledger->read(0, 1).value();
  ASSERT_EQ(oldest.size(), 1U);
  EXPECT_EQ(oldest[0].index, ledger->first());
  ledger.reset();
  disk_.cut_power();
  ledger = open(options());
  record(*ledger, 3);
  EXPECT_TRUE(look().findings.empty());
}

TEST_F(AtTheBound, OnlyTheLedgerItselfMayDrop) {
  auto ledger = open(options());
  record(*ledger, 40);
  ledger.reset();
  const uint64_t first = look().segments.front().number;
  ASSERT_GT(first, 1U);
  ASSERT_TRUE(disk_.remove("l/" + segment_name(first)));
  EXPECT_NE(look().findings.at(0).what.find("no entry says that it was ours"), std::string::npos);
  ASSERT_TRUE(disk_.remove("l/" + anchor_name(first + 1)));
  EXPECT_NE(look().findings.at(0).what.find("no signed anchor"), std::string::npos);
}

TEST_F(AtTheBound, AnAnchorOfAnotherTreeIsRefused) {
  MerkleTree tree, other;
  for (int i = 0; i < 5; ++i) tree.add("a" + std::to_string(i)), other.add("b" + std::to_string(i));
  const std::string text = encode_anchor(test_key(), tree);
  const auto good = decode_anchor(text, test_key().verifier());
  ASSERT_TRUE(good);
  MerkleTree resumed = good->tree;
  resumed.add("more"), tree.add("more");
  EXPECT_EQ(resumed.root(), tree.root());
  EXPECT_FALSE(decode_anchor(text, test_key('x').verifier()));
  const std::string foreign = encode_anchor(test_key(), other);
  const size_t trees = text.find("\"subtrees\""), of_other = foreign.find("\"subtrees\"");
  EXPECT_FALSE(decode_anchor(text.substr(0, trees) + foreign.substr(of_other), test_key().verifier()));
  EXPECT_FALSE(MerkleTree::resume(5, {}));
}

TEST_F(AtTheBound, TheNewestValueIsLookedForBackwards) {
  auto ledger = open(options());
  ASSERT_TRUE(ledger->append("receipt", R"({"revision":41})"));
  const auto revision = [](const Entry& e) -> std::optional<int64_t> {
    return e.kind == "receipt" ? json::integer(e.payload, "revision") : std::nullopt;
  };
  record(*ledger, 20);
  EXPECT_GT(look().segments.size(), 1U);
  EXPECT_EQ(ledger->newest(revision), 41);
  ASSERT_TRUE(ledger->append("receipt", R"({"revision":43})"));
  ASSERT_TRUE(ledger->append("receipt", R"({"revision":42})"));
  EXPECT_EQ(ledger->newest(revision), 43);
  EXPECT_EQ(ledger->newest([](const Entry&) { return std::optional<int64_t>(); }), std::nullopt);
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

// The same while segments begin and old ones are dropped: what is left is an unbroken end of what was committed.
TEST(Crashes, AtTheBoundNeitherEndsTheChain) {
  const uint64_t segment_bytes = 2 * (entry_bytes_max + 1) + 3'000;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    io::SimDisk disk(seed);
    io::SeededRandom random(seed);
    io::SimClock clock(0);
    int64_t next = 0, committed = -1;
    uint64_t dropped = 0;
    const VerifierKey key = test_key().verifier();
    for (int life = 0; life < 8; ++life) {
      auto opened = Ledger::open("l", disk, clock, test_key(),
                                 {.segment_bytes = segment_bytes, .max_bytes = segment_bytes + 12'000});
      ASSERT_TRUE(opened) << "seed " << seed << " life " << life << ": " << opened.error().message;
      Ledger& ledger = **opened;
      ScanRequest request;
      request.key = &key;
      ASSERT_TRUE(ledger.commit());
      const Scan seen = scan(disk, "l", request).value();
      ASSERT_TRUE(seen.findings.empty()) << "seed " << seed << ": " << seen.findings.front().what;
      int64_t last = -1;
      const auto entries = ledger.read(0, 100'000);
      ASSERT_TRUE(entries);
      ASSERT_EQ(entries->size(), ledger.size() - ledger.first()) << "seed " << seed;
      for (const Entry& e : *entries)
        if (e.kind == "n") last = e.payload["n"].get<int64_t>();
      ASSERT_GE(last, committed) << "seed " << seed;
      dropped = std::max(dropped, ledger.first());
      disk.set_faults({.append_error = 0.02, .sync_error = 0.02, .other_error = 0.02});
      disk.die_after(random.next() % 120);
      for (int i = 0; i < 60; ++i) {
        const std::string filler(random.next() % 900, 'f');
        (void)ledger.append("n", R"({"n":)" + std::to_string(next++) + R"(,"f":")" + filler + "\"}");
        if (random.next() % 3 == 0 && ledger.commit()) committed = -2;
        if (committed == -2) {
          committed = -1;
          const auto tail = ledger.read(ledger.size() - 2, 2);  // the entry before the head
          if (tail && tail->size() == 2 && tail->front().kind == "n")
            committed = tail->front().payload["n"].get<int64_t>();
        }
      }
      disk.set_faults({});
      if (random.next() % 3 == 0)
        disk.restart_process();
      else
        disk.cut_power();
    }
    EXPECT_GT(dropped, 0U) << "seed " << seed;
  }
}

}  // namespace
}  // namespace hs::ledger
