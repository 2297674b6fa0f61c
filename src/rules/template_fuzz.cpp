// Any text as a template of an alert: it is refused, or it expands within its bounds.

#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "rules/template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs;
  using promql::Labels;
  const auto parsed = rules::Template::parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  rules::TemplateData given;
  given.labels = Labels::from({{"instance", "web-1:9100"}, {"job", "{{ $labels.job }}"}});
  given.external_labels = Labels::from({{"cluster", "eu"}});
  given.external_url = "http://localhost:4319/prometheus";
  given.value.f = 1234.5;
  given.now_ms = 1'500'000'000'250;
  given.query = [](const std::string& expr) -> Result<promql::Vector> {
    if (expr != "up") return fail(Code::invalid_argument, "unknown metric");
    return promql::Vector{{Labels::from({{"__name__", "up"}, {"job", "b"}}), 0, 2, nullptr},
                          {Labels::from({{"__name__", "up"}, {"job", "a"}}), 0, 0.0 / 0.0, nullptr}};
  };
  const auto text = parsed->expand(given);
  HS_ASSERT(!text || text->size() <= rules::Template::output_bytes_max, "an expansion has a bound");
  HS_ASSERT(parsed->expand(given).has_value() == text.has_value(), "the same data, the same outcome");
  return 0;
}
