// Any text as a configuration, as an override and as a file of scrape targets: taken whole, or refused with a reason.

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "config/config.h"
#include "config/scrape_groups.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto taken = config::parse(text, "c.yaml");
  HS_ASSERT(taken || !taken.error().message.empty(), "a refusal has a reason");
  if (taken) (void)config::check_reload(**taken, **taken);
  (void)config::parse("", "c.yaml", {text.substr(0, text.find('\n'))});
  (void)config::parse_target_groups(text);
  return 0;
}
