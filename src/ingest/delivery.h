#pragma once
// Brings a cut into the engine, once: the same blocks at each attempt, and after doubt the engine is asked first.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "ingest/backlog.h"
#include "ingest/incoming.h"
#include "ingest/journal.h"
#include "ingest/memory.h"
#include "ingest/quarantine.h"

namespace hs::ingest {

// One sender's work. One thread.
class Delivery {
 public:
  struct Outside {
    Journal& journal;
    Sink& sink;
    Quarantine& quarantine;
    Memory& memory;
    const std::function<Result<model::Batch>(const Incoming&)>& decode;
    std::function<void(Cut&)> encoded;  // its blocks are made, its batches no longer needed
  };
  explicit Delivery(Outside outside) : outside_(std::move(outside)) {}

  bool busy() const { return cut_ != nullptr; }
  Cut& cut() { return *cut_; }
  void start(std::shared_ptr<Cut> cut);
  // Forgets the cut and its blocks.
  void drop();

  enum class Outcome : uint8_t {
    done,         // all of it is in, or put aside
    engine_away,  // nobody answers: try the same again, nothing else would fare better
    later,        // this cut has trouble of its own: others may go first
    no_room,      // no memory to encode it while another delivery is under way
  };
  Outcome attempt();
  const Error& error() const { return error_; }  // of the last attempt, unless done

 private:
  bool take_room();
  Status prepare();
  struct Again {  // a request of the journal, decoded again
    uint64_t sequence = 0;
    Incoming head;
    model::Batch batch;
  };
  Status decode_journal(std::deque<Again>& requests);
  Status encode(const std::vector<StoredBatch>& stored);
  Status put_all_aside(const Error& why);
  Status deliver(const Block& block);
  Status insert_again(const Block& block);

  const Outside outside_;
  std::shared_ptr<Cut> cut_;
  std::vector<Block> blocks_;  // a delivered one is empty
  bool prepared_ = false;
  std::optional<Memory::Share> room_;  // for what is decoded again and for the blocks
  Error error_;
};

}  // namespace hs::ingest
