#pragma once
// Values of a template while it is expanded. Internal to rules/.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "promql/value.h"

namespace hs::rules {

struct TemplateData;
struct Value;
using SamplePtr = std::shared_ptr<const promql::Sample>;
using Samples = std::vector<SamplePtr>;
using Arguments = std::shared_ptr<const std::map<std::string, Value>>;  // of args

struct Moment {  // toTime
  int64_t ns = 0;
};
struct Span {  // toDuration
  int64_t ns = 0;
};

struct Value {
  // Nothing: nil. TemplateData: what the whole is about (`.` at the top).
  std::variant<std::monostate, bool, int64_t, double, std::string, promql::Labels, SamplePtr, Samples, Arguments,
               promql::HistogramPtr, Moment, Span, const TemplateData*>
      v;
  template <class T>
  const T* get() const {
    return std::get_if<T>(&v);
  }
};

std::string_view type_name(const Value& value);  // as Go calls it: string, float64 ...
bool truth(const Value& value);
std::string print(const Value& value);  // Go's %v
// Of numbers and of texts that are numbers.
Result<double> to_float(const Value& value);
// Go's fmt.Sprintf over these values.
std::string print_formatted(std::string_view format, const std::vector<Value>& values);
// `.name` of the value: a field or a key; an absent key of labels is "".
Result<Value> field_of(const Value& value, const std::string& name);

std::string humanize(double v);
std::string humanize_1024(double v);
std::string humanize_duration(double seconds);
std::string humanize_percentage(double ratio);
Result<std::string> humanize_timestamp(double seconds);
std::string moment_text(int64_t unix_ns);  // 2015-11-18 18:33:31.5 +0000 UTC
std::string span_text(int64_t ns);         // 1h2m3.5s

}  // namespace hs::rules
