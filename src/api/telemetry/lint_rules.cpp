#include <algorithm>
#include <array>

#include "api/telemetry/lint.h"
#include "base/assert.h"

namespace hs::api::telemetry {
namespace {

constexpr std::array<LintRule, 7> rules = {{
    {.id = "service-name-missing",
     .what = "the resource has no service.name",
     .why = "nothing can be told apart by service: no objectives, no causes, no topology",
     .fix = "set OTEL_SERVICE_NAME=checkout, or service.name in OTEL_RESOURCE_ATTRIBUTES",
     .python = "Resource.create({\"service.name\": \"checkout\"})",
     .javascript = "resourceFromAttributes({ 'service.name': 'checkout' })",
     .java = "-Dotel.service.name=checkout",
     .go = "resource.NewSchemaless(semconv.ServiceName(\"checkout\"))"},
    {.id = "http-route-missing",
     .what = "spans of HTTP servers without http.route",
     .why = "requests can be grouped only by their path, of which there may be any number",
     .fix = "use the instrumentation of the web framework, not that of the bare HTTP server alone: only the framework "
            "knows the route",
     .python = "opentelemetry-instrumentation-flask, -django or -fastapi instead of -wsgi or -asgi alone",
     .javascript = "@opentelemetry/instrumentation-express (or -koa, -fastify) beside -instrumentation-http",
     .java = "the Java agent sets it for Spring, JAX-RS and Servlet mappings; elsewhere HttpServerRoute.update()",
     .go = "otelhttp with net/http's patterns of Go 1.22 or later, or otelgin, otelmux, otelecho"},
    {.id = "span-names-unbounded",
     .what = "very many different span names",
     .why = "names that carry ids cannot be aggregated, and each lives in a dictionary",
     .fix = "name spans after what is done (GET /orders/{id}), and put the id into an attribute",
     .python = "span.update_name(\"GET /orders/{id}\"); span.set_attribute(\"order.id\", order_id)",
     .javascript = "span.updateName('GET /orders/{id}'); span.setAttribute('order.id', id)",
     .java = "span.updateName(\"GET /orders/{id}\"); span.setAttribute(\"order.id\", id)",
     .go = "span.SetName(\"GET /orders/{id}\"); span.SetAttributes(attribute.String(\"order.id\", id))"},
    {.id = "spans-unparented",
     .what = "spans whose parent never came",
     .why = "their traces are in pieces: causes are looked for in the wrong place",
     .fix =
         "some service in between does not send, samples for itself (use parent-based samplers everywhere), or loses "
         "spans when it ends (flush at exit); a proxy may make spans that it sends elsewhere",
     .python = "OTEL_TRACES_SAMPLER=parentbased_traceidratio; provider.shutdown() at exit",
     .javascript = "OTEL_TRACES_SAMPLER=parentbased_traceidratio; await sdk.shutdown() at SIGTERM",
     .java = "OTEL_TRACES_SAMPLER=parentbased_traceidratio; the agent flushes by itself",
     .go = "sdktrace.ParentBased(...); defer provider.Shutdown(ctx)"},
    {.id = "metric-unit-missing",
     .what = "metrics without a unit",
     .why = "seconds and milliseconds look alike, and Prometheus' names get no suffix",
     .fix = "give the unit (UCUM: s, By, 1, {request}) when the instrument is made",
     .python = "meter.create_histogram(\"job.duration\", unit=\"s\")",
     .javascript = "meter.createHistogram('job.duration', { unit: 's' })",
     .java = "meter.histogramBuilder(\"job.duration\").setUnit(\"s\")",
     .go = "meter.Float64Histogram(\"job.duration\", metric.WithUnit(\"s\"))"},
    {.id = "conventions-deprecated",
     .what = "attributes with names of semantic conventions that were replaced (http.method, net.peer.name, "
             "db.statement ...)",
     .why = "queries and dashboards that know today's names do not find them",
     .fix = "update the instrumentation; those in between ask for the new names by "
            "OTEL_SEMCONV_STABILITY_OPT_IN=http,database",
     .python = "",
     .javascript = "",
     .java = "Java agent 2.x",
     .go = ""},
    {.id = "clock-skew",
     .what = "servers that begin before the call that they answer",
     .why = "durations between services are wrong by as much",
     .fix = "keep the clocks of the hosts together (chrony, or the provider's time service)",
     .python = "",
     .javascript = "",
     .java = "",
     .go = ""},
}};

}  // namespace

std::span<const LintRule> lint_rules() { return rules; }

const LintRule& lint_rule(std::string_view id) {
  const auto at = std::find_if(rules.begin(), rules.end(), [&](const LintRule& r) { return r.id == id; });
  HS_ASSERT(at != rules.end(), "a rule that is not in the table");
  return *at;
}

}  // namespace hs::api::telemetry
