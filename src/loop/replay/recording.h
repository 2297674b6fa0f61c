#pragma once
// What the loop was fed, item by item, as bytes; and a fresh loop fed with it again (law 4). Pure: files are app's.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "loop/events.h"
#include "loop/incident/understanding.h"
#include "loop/machine/machine.h"

namespace hs::loop::replay {

// First bytes of every part; of another version: refused, not guessed.
inline constexpr std::string_view magic = "homeostat-recording/6\n";
inline constexpr size_t item_bytes_max = 256UL << 20;  // a frame of 20,000 cells with wide sketches has some 100 MB

// The settings among the loop's numbers; the others are the binary's.
struct Settings {
  bool act = true;
  int64_t lease_ms = 0;
  uint64_t changes_per_hour = 0, changes_per_incident = 0;
  int64_t cooldown_ms = 0;
  static Settings of(const Policy& policy);
  Policy policy() const;
};

struct Begin {  // a loop was made: the first item of a run
  UnixNanos at = 0;
  std::string version;        // of the binary
  bool has_ledger = false;    // decisions were recorded...
  uint64_t ledger_index = 0;  // ...from this entry on
  Settings settings;
  config::Declarations declarations;  // that the snapshot was restored with
  std::string snapshot;               // "" = it began without memory
  std::string baselines;              // "" = it began without having learned anything
};

using Item = std::variant<Begin, Event, stream::RecentChange, InjectedFault, Settings>;

// Length, then the item. Appends to `out`.
void encode(const Item& item, std::string& out);
// Takes one item from the front of `bytes`. Nothing: there is no whole one yet. An error: these are not our bytes.
Result<std::optional<Item>> take(std::string_view& bytes);

// A loop that is fed items. What it asks for is the caller's to compare.
class Replayer {
 public:
  // Before the first Begin: nothing happens.
  std::vector<Action> feed(const Item& item);

 private:
  std::optional<Machine> machine_;
};

}  // namespace hs::loop::replay
