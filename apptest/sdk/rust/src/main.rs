//! The telemetry of apptest/sdk_scenario.py, sent by the official Rust SDK; prints the ids that it gave.
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::trace::{
    Link, Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::Resource;
use std::collections::HashMap;
use std::env::var;
use std::time::{Duration, SystemTime};

fn at(ms: u64) -> SystemTime {
    let start_ms: u64 = var("SDK_START_MS").unwrap().parse().unwrap();
    SystemTime::UNIX_EPOCH + Duration::from_millis(start_ms + ms)
}

fn exporters() -> (SpanExporter, MetricExporter, LogExporter) {
    if var("OTEL_EXPORTER_OTLP_PROTOCOL").unwrap() == "grpc" {
        (
            SpanExporter::builder().with_tonic().build().unwrap(),
            MetricExporter::builder().with_tonic().build().unwrap(),
            LogExporter::builder().with_tonic().build().unwrap(),
        )
    } else {
        (
            SpanExporter::builder().with_http().build().unwrap(),
            MetricExporter::builder().with_http().build().unwrap(),
            LogExporter::builder().with_http().build().unwrap(),
        )
    }
}

fn log(logger: &SdkLogger, within: &Context, ms: u64, severity: Severity, text: &'static str, body: AnyValue) {
    let _attached = within.clone().attach();
    let mut record = logger.create_log_record();
    record.set_timestamp(at(ms));
    record.set_severity_number(severity);
    record.set_severity_text(text);
    record.set_body(body);
    record.add_attribute("order.id", "o-77");
    logger.emit(record);
}

fn measure(provider: &SdkMeterProvider, scope: InstrumentationScope) {
    let meter = provider.meter_with_scope(scope);
    let labels = [KeyValue::new("code", 200), KeyValue::new("route", "/a")];
    let orders = meter.u64_counter("sdk.orders").with_unit("{order}").with_description("orders taken").build();
    orders.add(7, &labels);
    let latency = meter.f64_histogram("sdk.latency").with_unit("s").with_description("time to answer");
    let latency = latency.with_boundaries(vec![0.15, 1.0]).build();
    for seconds in [0.1, 0.2, 3.0] {
        latency.record(seconds, &labels);
    }
    meter.i64_up_down_counter("sdk.queue").build().add(-3, &labels);
    meter.f64_gauge("sdk.temperature").with_unit("Cel").build().record(21.5, &labels);
}

fn trace(
    provider: &SdkTracerProvider,
    logger: &SdkLogger,
    scope: InstrumentationScope,
) -> Vec<(&'static str, SpanContext)> {
    let tracer = provider.tracer_with_scope(scope);
    let none = Context::new();
    let mut before = tracer.span_builder("before").with_start_time(at(0)).start_with_context(&tracer, &none);
    let before_context = before.span_context().clone();
    before.end_with_timestamp(at(1));
    let strings = Array::String(vec![StringValue::from("a"), StringValue::from("b")]);
    let attributes = [
        KeyValue::new("sdk.string", "h\u{e9}llo"),
        KeyValue::new("sdk.empty", ""),
        KeyValue::new("sdk.int", 42),
        KeyValue::new("sdk.bool", true),
        KeyValue::new("sdk.double", 2.5),
        KeyValue::new("sdk.strings", Value::Array(strings)),
        KeyValue::new("sdk.ints", Value::Array(Array::I64(vec![1, 2]))),
    ];
    let checkout = tracer.span_builder("checkout").with_kind(SpanKind::Server).with_start_time(at(0));
    let checkout = none.with_span(checkout.with_attributes(attributes).start_with_context(&tracer, &none));
    log(logger, &checkout, 50, Severity::Info, "INFO", AnyValue::from("order placed"));

    let charge = tracer.span_builder("charge-card").with_kind(SpanKind::Client).with_start_time(at(100));
    let charge = checkout.with_span(charge.start_with_context(&tracer, &checkout));
    let declined = vec![KeyValue::new("exception.type", "CardDeclined"), KeyValue::new("exception.message", "declined")];
    charge.span().add_event_with_timestamp("exception", at(200), declined);
    charge.span().set_status(Status::error("declined"));
    log(logger, &charge, 200, Severity::Error, "ERROR", AnyValue::from("card declined"));
    charge.span().end_with_timestamp(at(300));

    let link = Link::new(before_context.clone(), vec![KeyValue::new("why", "retry")], 0);
    let pack = tracer.span_builder("pack").with_start_time(at(300)).with_links(vec![link]);
    let pack = checkout.with_span(pack.start_with_context(&tracer, &checkout));
    pack.span().set_status(Status::Ok);
    let items = AnyValue::ListAny(Box::new(vec![AnyValue::Int(1), AnyValue::Int(2)]));
    let body = HashMap::from([(Key::new("items"), items), (Key::new("order"), AnyValue::from("o-77"))]);
    log(logger, &pack, 350, Severity::Warn, "WARN", AnyValue::Map(Box::new(body)));
    pack.span().end_with_timestamp(at(400));
    checkout.span().end_with_timestamp(at(500));
    let context_of = |within: &Context| within.span().span_context().clone();
    vec![
        ("before", before_context),
        ("checkout", context_of(&checkout)),
        ("charge-card", context_of(&charge)),
        ("pack", context_of(&pack)),
    ]
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let entered = runtime.enter(); // gRPC's client wants one
    let (spans, points, records) = exporters();
    let resource = Resource::builder()
        .with_service_name(var("SDK_SERVICE").unwrap())
        .with_attributes([KeyValue::new("service.version", "1.2.3"), KeyValue::new("sdk.replicas", 3)])
        .build();
    let traces = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
    let metrics = SdkMeterProvider::builder().with_resource(resource.clone()).with_periodic_exporter(points).build();
    let logs = SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(records).build();
    let scope = InstrumentationScope::builder("sdk.scope").with_version("0.1").build();
    let ids = trace(&traces, &logs.logger_with_scope(scope.clone()), scope.clone());
    measure(&metrics, scope);
    drop(entered); // blocking clients may not be used inside it
    let flushed = [traces.force_flush(), metrics.force_flush(), logs.force_flush()];
    for problem in flushed.iter().filter_map(|f| f.as_ref().err()) {
        eprintln!("{problem}");
    }
    let ids: Vec<String> = ids
        .iter()
        .map(|(name, c)| format!("\"{name}\": [\"{}\", \"{}\"]", c.trace_id(), c.span_id()))
        .collect();
    println!("{{\"flushed\": {}, \"ids\": {{{}}}}}", flushed.iter().all(|f| f.is_ok()), ids.join(", "));
}
