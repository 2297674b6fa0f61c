package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

var tracer = otel.Tracer("shop/checkout")
var logger log.Logger
var logLevel = log.SeverityInfo

// Endpoint, headers, service name and export delays come from the standard OTEL_* variables.
func startTelemetry(ctx context.Context) (func(), error) {
	res, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, err
	}
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	tp := trace.NewTracerProvider(trace.WithBatcher(spans), trace.WithResource(res))
	otel.SetTracerProvider(tp)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	logs, err := otlploggrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	lp := sdklog.NewLoggerProvider(sdklog.WithResource(res),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(logs, sdklog.WithExportInterval(time.Second))))
	logger = lp.Logger("shop/checkout")
	metrics, err := otlpmetricgrpc.New(ctx)
	if err != nil {
		return nil, err
	}
	mp := metric.NewMeterProvider(metric.WithResource(res),
		metric.WithReader(metric.NewPeriodicReader(metrics, metric.WithInterval(time.Second))))
	otel.SetMeterProvider(mp)
	tracer = tp.Tracer("shop/checkout")
	return func() {
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = tp.Shutdown(end)
		_ = lp.Shutdown(end)
		_ = mp.Shutdown(end)
	}, nil
}

func emit(ctx context.Context, severity log.Severity, text string, attrs ...log.KeyValue) {
	if severity < logLevel {
		return
	}
	var record log.Record
	record.SetTimestamp(time.Now())
	record.SetSeverity(severity)
	record.SetSeverityText(severity.String())
	record.SetBody(log.StringValue(text))
	record.AddAttributes(attrs...)
	logger.Emit(ctx, record)
	fmt.Fprintln(os.Stderr, severity, text)
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// One server span a request, named after the route.
func traced(route string, handler http.HandlerFunc) http.HandlerFunc {
	name := named("operation", route)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx := otel.GetTextMapPropagator().Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindServer),
			oteltrace.WithAttributes(attribute.String("http.request.method", r.Method),
				attribute.String("http.route", name)))
		defer span.End()
		knobs.recordInstance(span)
		out := &statusWriter{w, 200}
		handler(out, r.WithContext(ctx))
		span.SetAttributes(attribute.Int("http.response.status_code", out.status))
		if out.status >= 500 {
			span.SetStatus(codes.Error, "")
			span.SetAttributes(attribute.String("error.type", fmt.Sprint(out.status)))
		}
	}
}

// A client span around one call of a peer; the peer's logical name is an attribute (its address says nothing here).
func clientSpan(ctx context.Context, name, peer string, attrs ...attribute.KeyValue) (context.Context, oteltrace.Span) {
	peer = named("service", peer)
	attrs = append(attrs, attribute.String("peer.service", peer), attribute.String("server.address", peer))
	return tracer.Start(ctx, named("operation", name), oteltrace.WithSpanKind(oteltrace.SpanKindClient),
		oteltrace.WithAttributes(attrs...))
}

func finish(span oteltrace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
	}
	span.End()
}
