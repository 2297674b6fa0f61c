// Any text as a query over a few series: no crash and no endless work, whatever it asks for.

#include <cstdint>
#include <string>

#include "promql/engine.h"
#include "promql/json.h"

namespace hs::promql {
namespace {

// A counter with a reset, a gauge with NaN and a stale marker, classic buckets, native histograms of both kinds.
class FuzzSource : public Source {
 public:
  FuzzSource() {
    for (const char* instance : {"a", "b"}) {
      add("counter_total", instance, "", [](int i) { return static_cast<double>(i % 7); });
      add("gauge", instance, "", [](int i) {
        return i % 5 == 0 ? stale_marker() : i % 11 == 0 ? 0.0 / 0.0 : i - 10.0;
      });
      for (const char* le : {"1", "+Inf"}) add("b_bucket", instance, le, [](int i) { return i * 2.0; });
      histograms("native", instance, 2);
      histograms("custom", instance, custom_buckets_schema);
    }
  }

  Result<Selection> select(const Select& select) const override {
    Selection out;
    for (const Series& s : series_) {
      bool matches = true;
      for (const Matcher& m : select.matchers) matches = matches && m.matches(s.labels.get(m.name()));
      if (matches) out.series.push_back(s);
    }
    return out;
  }

 private:
  static Labels labels(const char* name, const char* instance, const char* le) {
    return Labels::from({{"__name__", name}, {"instance", instance}, {"job", "j"}, {"le", le}});
  }

  void add(const char* name, const char* instance, const char* le, double (*value)(int)) {
    Series s;
    s.labels = labels(name, instance, le);
    for (int i = 0; i < 20; ++i) s.floats.push_back({i * 15'000, value(i)});
    series_.push_back(std::move(s));
  }

  void histograms(const char* name, const char* instance, int32_t schema) {
    Series s;
    s.labels = labels(name, instance, "");
    for (int i = 0; i < 20; ++i) {
      auto h = std::make_shared<Histogram>();
      h->schema = i == 12 && schema > 0 ? schema - 1 : schema;
      h->count = 3.0 * (i % 9);
      h->sum = i;
      h->positive_spans = {{0, 2}, {1, 1}};
      h->positive = {h->count / 3, h->count / 3, h->count / 3};
      if (h->custom()) h->custom_values = {1, 2, 5.0 + i % 2};
      s.histograms.push_back({i * 15'000, std::move(h)});
    }
    series_.push_back(std::move(s));
  }

  std::vector<Series> series_;
};

}  // namespace
}  // namespace hs::promql

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hs::promql;
  static const FuzzSource source;
  if (size < 1) return 0;
  Options options;
  options.features = {.experimental_functions = true,
                      .duration_expressions = true,
                      .delayed_name_removal = (data[0] & 1) != 0,
                      .extended_range_selectors = true,
                      .fill_modifiers = true};
  options.limits.max_samples = 20'000;
  int looks = 0;
  options.interrupt = [&looks] { return ++looks > 200 ? Interrupt::timeout : Interrupt::none; };
  Query query{std::string(reinterpret_cast<const char*>(data) + 1, size - 1), 240'000, 240'000, 0};
  if ((data[0] & 2) != 0) query.start_ms = 0, query.step_ms = 30'000;
  const auto got = evaluate(source, query, options);
  std::string out;
  if (got) write_json_data(out, got->value);
  return 0;
}
