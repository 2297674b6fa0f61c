package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

type call struct {
	name, peer, method, url string
	body                    any
	timeout                 time.Duration
	headers                 map[string]string
}

type statusError int

func (e statusError) Error() string { return fmt.Sprintf("status %d", int(e)) }

// One HTTP call under a client span. A caller that gives up closes its connection; the peer may not notice.
func (s *shop) do(ctx context.Context, c call) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, span := clientSpan(ctx, c.name, c.peer, attribute.String("http.request.method", c.method))
	defer func() { finish(span, err) }()
	body, _ := json.Marshal(c.body)
	request, err := http.NewRequestWithContext(ctx, c.method, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(request.Header))
	response, err := s.peers.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", c.peer, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	span.SetAttributes(attribute.Int("http.response.status_code", response.StatusCode))
	if response.StatusCode >= 400 {
		return fmt.Errorf("%s: %w", c.peer, statusError(response.StatusCode))
	}
	return nil
}

func (s *shop) withRetries(ctx context.Context, c call, retries int64) error {
	err := s.do(ctx, c)
	for attempt := int64(0); err != nil && attempt < retries && ctx.Err() == nil; attempt++ {
		err = s.do(ctx, c) // at once, without back-off: that is how retry storms are made
	}
	return err
}

func (s *shop) reserve(ctx context.Context, o order, retries int64) error {
	c := call{name: "POST /reservations", peer: "inventory", method: "POST",
		url: os.Getenv("INVENTORY_URL") + "/reservations", body: o, timeout: 300 * time.Millisecond}
	return s.withRetries(ctx, c, retries)
}

// live asks the carrier; flat charges everybody the same.
func (s *shop) shippingRate(ctx context.Context, o order, retries int64) (int, error) {
	if knobs.textFor(ctx, "checkout.shipping_rates", "live", o.User) == "flat" {
		return 9, nil
	}
	c := call{name: "GET /rates", peer: "shipping-rates", method: "GET", url: os.Getenv("SHIPPING_URL") + "/rates",
		timeout: 500 * time.Millisecond}
	return 5, s.withRetries(ctx, c, retries)
}

// Never retried: charging twice is worse than not at all.
func (s *shop) charge(ctx context.Context, o order, shipping int) error {
	return s.do(ctx, call{name: "POST /charges", peer: "payment", method: "POST",
		url: os.Getenv("PAYMENT_URL") + "/charges", timeout: 6 * time.Second,
		body: map[string]any{"user": o.User, "amount": o.Amount + shipping}})
}

// The asynchronous hop: the stream entry carries the trace context.
func (s *shop) announce(ctx context.Context, o order, id int64) error {
	name := named("operation", "orders publish")
	ctx, span := tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindProducer),
		oteltrace.WithAttributes(attribute.String("messaging.system", "redis"),
			attribute.String("messaging.destination.name", "orders"),
			attribute.String("peer.service", named("service", "redis"))))
	carrier := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, carrier)
	err := s.redis.XAdd(ctx, &redis.XAddArgs{Stream: "orders", MaxLen: 10000, Approx: true,
		Values: map[string]any{"order": id, "user": o.User, "sku": o.Sku, "traceparent": carrier.Get("traceparent"),
			"tracestate": carrier.Get("tracestate")}}).Err()
	finish(span, err)
	return err
}
