// Any bytes as a ledger's only segment: the reader finds fault, it never fails.

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "io/disk_sim.h"
#include "ledger/ledger.h"
#include "ledger/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  io::SimDisk disk(1);
  (void)disk.make_directories("l");
  auto file = disk.open("l/" + ledger::segment_name(1), io::Open::create);
  (void)(*file)->append(text);
  const auto key = ledger::SignerKey::from_seed("homeostat-fuzz", std::string(32, 'k'));
  ledger::ScanRequest request;
  request.key = &key->verifier();
  request.on_entry = [](const ledger::Entry& entry, std::string_view) { (void)ledger::to_words(entry); };
  const auto found = ledger::scan(disk, "l", request);
  HS_ASSERT(found, "a ledger that can be read is judged");
  (void)ledger::open_note(text, key->verifier());
  // What is continued is consistent afterwards.
  io::SimClock clock(0);
  if (auto opened = ledger::Ledger::open("l", disk, clock, *key, {})) {
    HS_ASSERT((*opened)->append("x", "{}") && (*opened)->commit(), "an opened ledger can be written");
    const auto after = ledger::scan(disk, "l", request);
    HS_ASSERT(after && after->findings.empty() && after->torn_bytes == 0, "an opened ledger is whole");
  }
  return 0;
}
