// The telemetry of apptest/sdk_scenario.py, sent by the official Go SDK; prints the ids that it gave.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

var start = time.UnixMilli(must(strconv.ParseInt(os.Getenv("SDK_START_MS"), 10, 64)))

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

type providers struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider
}

func connect(ctx context.Context) providers {
	res := resource.NewSchemaless(attribute.String("service.name", os.Getenv("SDK_SERVICE")),
		attribute.String("service.version", "1.2.3"), attribute.Int("sdk.replicas", 3))
	var spans sdktrace.SpanExporter
	var points sdkmetric.Exporter
	var records sdklog.Exporter
	if os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc" {
		spans, points, records = must(otlptracegrpc.New(ctx)), must(otlpmetricgrpc.New(ctx)), must(otlploggrpc.New(ctx))
	} else {
		spans, points, records = must(otlptracehttp.New(ctx)), must(otlpmetrichttp.New(ctx)), must(otlploghttp.New(ctx))
	}
	return providers{
		sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(res)),
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points)), sdkmetric.WithResource(res)),
		sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)), sdklog.WithResource(res)),
	}
}

func emit(ctx context.Context, logger log.Logger, ms int, severity log.Severity, text string, body attribute.Value) {
	var record log.Record
	record.SetTimestamp(at(ms))
	record.SetSeverity(severity)
	record.SetSeverityText(text)
	record.SetBody(body)
	record.AddAttributes(attribute.String("order.id", "o-77"))
	logger.Emit(ctx, record)
}

func spans(ctx context.Context, p providers) []trace.Span {
	tracer := p.traces.Tracer("sdk.scope", trace.WithInstrumentationVersion("0.1"))
	logger := p.logs.Logger("sdk.scope", log.WithInstrumentationVersion("0.1"))
	_, before := tracer.Start(ctx, "before", trace.WithTimestamp(at(0)))
	before.End(trace.WithTimestamp(at(1)))
	in, checkout := tracer.Start(ctx, "checkout", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(at(0)),
		trace.WithAttributes(attribute.String("sdk.string", "h\u00e9llo"), attribute.String("sdk.empty", ""),
			attribute.Int("sdk.int", 42), attribute.Bool("sdk.bool", true), attribute.Float64("sdk.double", 2.5),
			attribute.StringSlice("sdk.strings", []string{"a", "b"}), attribute.IntSlice("sdk.ints", []int{1, 2})))
	emit(in, logger, 50, log.SeverityInfo, "INFO", attribute.StringValue("order placed"))
	deeper, charge := tracer.Start(in, "charge-card", trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(at(100)))
	charge.AddEvent("exception", trace.WithTimestamp(at(200)), trace.WithAttributes(
		attribute.String("exception.type", "CardDeclined"), attribute.String("exception.message", "declined")))
	charge.SetStatus(codes.Error, "declined")
	emit(deeper, logger, 200, log.SeverityError, "ERROR", attribute.StringValue("card declined"))
	charge.End(trace.WithTimestamp(at(300)))
	deeper, pack := tracer.Start(in, "pack", trace.WithTimestamp(at(300)), trace.WithLinks(trace.Link{
		SpanContext: before.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("why", "retry")}}))
	pack.SetStatus(codes.Ok, "")
	emit(deeper, logger, 350, log.SeverityWarn, "WARN", attribute.MapValue(
		attribute.KeyValue{Key: "items", Value: attribute.SliceValue(attribute.IntValue(1), attribute.IntValue(2))},
		attribute.String("order", "o-77")))
	pack.End(trace.WithTimestamp(at(400)))
	checkout.End(trace.WithTimestamp(at(500)))
	return []trace.Span{before, checkout, charge, pack}
}

func points(ctx context.Context, p providers) {
	meter := p.metrics.Meter("sdk.scope", metric.WithInstrumentationVersion("0.1"))
	labels := metric.WithAttributes(attribute.String("route", "/a"), attribute.Int("code", 200))
	must(meter.Int64Counter("sdk.orders", metric.WithUnit("{order}"), metric.WithDescription("orders taken"))).Add(ctx, 7, labels)
	latency := must(meter.Float64Histogram("sdk.latency", metric.WithUnit("s"), metric.WithDescription("time to answer"),
		metric.WithExplicitBucketBoundaries(0.15, 1)))
	for _, seconds := range []float64{0.1, 0.2, 3} {
		latency.Record(ctx, seconds, labels)
	}
	must(meter.Int64UpDownCounter("sdk.queue")).Add(ctx, -3, labels)
	must(meter.Float64Gauge("sdk.temperature", metric.WithUnit("Cel"))).Record(ctx, 21.5, labels)
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	p := connect(ctx)
	ids := map[string][]string{}
	for i, span := range spans(ctx, p) {
		c := span.SpanContext()
		ids[[]string{"before", "checkout", "charge-card", "pack"}[i]] = []string{c.TraceID().String(), c.SpanID().String()}
	}
	points(ctx, p)
	flushed := true
	for _, stop := range []func(context.Context) error{p.traces.Shutdown, p.metrics.Shutdown, p.logs.Shutdown} {
		if err := stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
			flushed = false
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"flushed": flushed, "ids": ids})
}
