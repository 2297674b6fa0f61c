// The telemetry of apptest/sdk_scenario.py, sent by the official Java SDK; prints the ids that it gave.

import static io.opentelemetry.api.common.AttributeKey.longArrayKey;
import static io.opentelemetry.api.common.AttributeKey.stringArrayKey;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.common.Value;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.api.trace.Tracer;
import io.opentelemetry.context.Context;
import io.opentelemetry.sdk.OpenTelemetrySdk;
import io.opentelemetry.sdk.autoconfigure.AutoConfiguredOpenTelemetrySdk;
import io.opentelemetry.sdk.common.CompletableResultCode;
import io.opentelemetry.sdk.resources.Resource;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

public final class Sdk {
  private static final long START_MS = Long.parseLong(System.getenv("SDK_START_MS"));

  private static Instant at(long ms) {
    return Instant.ofEpochMilli(START_MS + ms);
  }

  private static void log(Logger logger, Span span, long atMs, Severity severity, Value<?> body) {
    logger.logRecordBuilder().setContext(Context.root().with(span)).setTimestamp(at(atMs)).setSeverity(severity)
        .setSeverityText(severity.name()).setBody(body)
        .setAllAttributes(Attributes.builder().put("order.id", "o-77").build()).emit();
  }

  private static OpenTelemetrySdk start() {
    Attributes own = Attributes.builder().put("service.name", System.getenv("SDK_SERVICE"))
        .put("service.version", "1.2.3").put("sdk.replicas", 3L).build();
    return AutoConfiguredOpenTelemetrySdk.builder()
        .addPropertiesSupplier(() -> Map.of("otel.traces.exporter", "otlp", "otel.metrics.exporter", "otlp",
            "otel.logs.exporter", "otlp"))
        .addResourceCustomizer((resource, config) -> resource.merge(Resource.create(own)))
        .disableShutdownHook().build().getOpenTelemetrySdk();
  }

  private static void measure(OpenTelemetrySdk sdk) {
    var meter = sdk.getMeterProvider().meterBuilder("sdk.scope").setInstrumentationVersion("0.1").build();
    Attributes labels = Attributes.builder().put("code", 200L).put("route", "/a").build();
    meter.counterBuilder("sdk.orders").setUnit("{order}").setDescription("orders taken").build().add(7, labels);
    var latency = meter.histogramBuilder("sdk.latency").setUnit("s").setDescription("time to answer")
        .setExplicitBucketBoundariesAdvice(List.of(0.15, 1.0)).build();
    for (double seconds : new double[] {0.1, 0.2, 3.0}) latency.record(seconds, labels);
    meter.upDownCounterBuilder("sdk.queue").build().add(-3, labels);
    meter.gaugeBuilder("sdk.temperature").setUnit("Cel").build().set(21.5, labels);
  }

  private static Map<String, Span> trace(OpenTelemetrySdk sdk) {
    Tracer tracer = sdk.getTracerProvider().tracerBuilder("sdk.scope").setInstrumentationVersion("0.1").build();
    Logger logger = sdk.getSdkLoggerProvider().loggerBuilder("sdk.scope").setInstrumentationVersion("0.1").build();
    Span before = tracer.spanBuilder("before").setNoParent().setStartTimestamp(at(0)).startSpan();
    before.end(at(1));
    Span checkout = tracer.spanBuilder("checkout").setNoParent().setSpanKind(SpanKind.SERVER)
        .setStartTimestamp(at(0)).setAttribute("sdk.string", "h\u00e9llo").setAttribute("sdk.empty", "")
        .setAttribute("sdk.int", 42L).setAttribute("sdk.bool", true).setAttribute("sdk.double", 2.5)
        .setAttribute(stringArrayKey("sdk.strings"), List.of("a", "b"))
        .setAttribute(longArrayKey("sdk.ints"), List.of(1L, 2L)).startSpan();
    log(logger, checkout, 50, Severity.INFO, Value.of("order placed"));
    Context within = Context.root().with(checkout);
    Span charge = tracer.spanBuilder("charge-card").setParent(within).setSpanKind(SpanKind.CLIENT)
        .setStartTimestamp(at(100)).startSpan();
    charge.addEvent("exception", Attributes.builder().put("exception.type", "CardDeclined")
        .put("exception.message", "declined").build(), at(200));
    charge.setStatus(StatusCode.ERROR, "declined");
    log(logger, charge, 200, Severity.ERROR, Value.of("card declined"));
    charge.end(at(300));
    Span pack = tracer.spanBuilder("pack").setParent(within).setStartTimestamp(at(300))
        .addLink(before.getSpanContext(), Attributes.builder().put("why", "retry").build()).startSpan();
    pack.setStatus(StatusCode.OK);
    Map<String, Value<?>> body = new LinkedHashMap<>();
    body.put("items", Value.of(Value.of(1), Value.of(2)));
    body.put("order", Value.of("o-77"));
    log(logger, pack, 350, Severity.WARN, Value.of(body));
    pack.end(at(400));
    checkout.end(at(500));
    return Map.of("before", before, "checkout", checkout, "charge-card", charge, "pack", pack);
  }

  public static void main(String[] args) {
    OpenTelemetrySdk sdk = start();
    Map<String, Span> spans = trace(sdk);
    measure(sdk);
    CompletableResultCode done = CompletableResultCode.ofAll(List.of(sdk.getSdkTracerProvider().forceFlush(),
        sdk.getSdkMeterProvider().forceFlush(), sdk.getSdkLoggerProvider().forceFlush()));
    done.join(30, TimeUnit.SECONDS);
    sdk.shutdown().join(10, TimeUnit.SECONDS);
    String ids = spans.entrySet().stream().map(e -> String.format("\"%s\": [\"%s\", \"%s\"]", e.getKey(),
        e.getValue().getSpanContext().getTraceId(), e.getValue().getSpanContext().getSpanId()))
        .collect(Collectors.joining(", "));
    System.out.printf("{\"flushed\": %b, \"ids\": {%s}}%n", done.isSuccess(), ids);
    System.exit(0);
  }
}
