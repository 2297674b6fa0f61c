#pragma once
// What is recorded of each value that the loop is fed: every field, in order. A field that is added to a struct is
// added here, and the version in recording.h goes up; the round-trip test notices a forgotten one.

#include "base/archive.h"
#include "config/declarations.h"
#include "loop/events.h"
#include "loop/incident/understanding.h"
#include "stream/frame.h"
#include "stream/sketch_archive.h"

namespace hs::archive {

#define HS_FIELDS(type, ...)   \
  template <class A>           \
  void fields(A& a, type& v) { \
    auto& [__VA_ARGS__] = v;   \
    all(a, __VA_ARGS__);       \
  }
// A structured binding names every member: a struct that grows does not compile until this list grows too.

HS_FIELDS(stream::Example, trace, failed, marked, duration_ms)
HS_FIELDS(stream::Cell, second, service, operation, instance, kind, peer, credential, count, errors, own_errors, denied,
          limited, regular, regular_limited, self_ms, waiting_ms, spans, subjects, duration_ms, examples)
HS_FIELDS(stream::Call, second, service, operation, callee, callee_operation, traced, async, count, errors, total_ms,
          offset_ms, joined, joined_ms, callee_ms, answered_errors, callee_errors)
HS_FIELDS(stream::Outcome, second, trace, unit, knob, by_instance, revision, variant, service, operation, instance,
          reader, credential, entry, message, error, denied, limited, regular, started, duration_ms, weight)
HS_FIELDS(stream::LogCell, second, service, instance, severity, template_id, pattern, credential, count, subjects, trace)
HS_FIELDS(stream::KpiPoint, second, name, numerator, denominator, values)
HS_FIELDS(stream::ProbeResult, second, name, service, ok, duration_ms)
HS_FIELDS(stream::FiringAlert, id, name, service, labels, rule_from, value, since)
HS_FIELDS(stream::Served, knob, variant, revision, count)
HS_FIELDS(stream::ConfigSeen, knob, service, instance, variant, reason, value)
HS_FIELDS(stream::RecentChange, second, service, kind, detail, credential)
HS_FIELDS(stream::Frame, tick, cells, calls, outcomes, logs, kpis, probes, alerts_told, alerts, served, seen, changes,
          shed, service_credentials)

HS_FIELDS(config::Objective, name, service, operation, kind, target, threshold_ms, window_ms)
HS_FIELDS(config::Kpi, name, kind, source, service, operation, metric, attribute, value, good_attribute, good_value,
          quantile, direction, target)
HS_FIELDS(config::Expectation, service, operation, measure, when, improves)
HS_FIELDS(config::Knob, key, type, base, min, max, step, variants, services, dependency, scope, effect, applies, expect,
          description)
HS_FIELDS(config::Probe, name, url, service, interval_ms, timeout_ms)
HS_FIELDS(config::Proxy, name, listen, upstream, protocol)
HS_FIELDS(config::Declarations, objectives, kpis, knobs, probes, proxies)

HS_FIELDS(loop::KnobState, knob, settled, promoted, candidate)
HS_FIELDS(loop::Started, at, knobs)
HS_FIELDS(loop::ConfigChanged, at, declarations)
HS_FIELDS(loop::Operator, at, order, knob, who, why)
HS_FIELDS(loop::Tick, at)
HS_FIELDS(loop::Receipt, deed, change, revision, ok, error, previous, at)
HS_FIELDS(loop::InjectedFault, id, service, kind, started, ended)

#undef HS_FIELDS

}  // namespace hs::archive
