#pragma once
// How OpenTelemetry's metrics and attributes are called in Prometheus: the strategies of Prometheus'
// otlp.translation_strategy. https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/

#include <string>
#include <string_view>

#include "model/batch.h"

namespace hs::promql::store {

struct Naming {
  bool escape = true;    // what is no letter, digit, '_' (or ':' in metrics) becomes '_'; otherwise names stay UTF-8
  bool suffixes = true;  // units, _total and _ratio are appended
  bool operator==(const Naming&) const = default;
};

// UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation.
Naming naming_of(std::string_view strategy);

// Of all series of a metric, before _bucket, _sum and _count.
std::string metric_name(const Naming& naming, std::string_view name, std::string_view unit, model::MetricKind kind,
                        bool monotonic);
std::string label_name(const Naming& naming, std::string_view name);

}  // namespace hs::promql::store
