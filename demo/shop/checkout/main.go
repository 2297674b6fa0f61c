// The shop's checkout: carts in Redis, orders in PostgreSQL, stock, shipping and payment from others.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
)

type order struct {
	User   string `json:"user"`
	Sku    int    `json:"sku"`
	Amount int    `json:"amount"`
}

type shop struct {
	redis  *redis.Client
	pool   *orderPool
	peers  *http.Client
	orders metric.Int64Counter
	serial atomic.Int64
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "checkout:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	finishTelemetry, err := startTelemetry(ctx)
	if err != nil {
		return err
	}
	defer finishTelemetry()
	if err := knobs.start(os.Getenv("OFREP_ENDPOINT"), os.Getenv("SHOP_INSTANCE")); err != nil {
		return err
	}
	s := &shop{
		redis: redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS_ADDR"), ReadTimeout: time.Second}),
		peers: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second}},
	}
	if s.pool, err = openOrderPool(os.Getenv("DATABASE_URL")); err != nil {
		return err
	}
	if err := s.meters(); err != nil {
		return err
	}
	knobs.watchInteger("checkout.pool_size", 4, s.pool.resize)
	knobs.watchText("log.level", "info", setLogLevel)
	return serve(ctx, s)
}

func (s *shop) meters() (err error) {
	meter := otel.Meter("shop/checkout")
	if s.orders, err = meter.Int64Counter(named("metric", "shop.orders"), metric.WithUnit("{order}")); err != nil {
		return err
	}
	_, err = meter.Int64ObservableGauge(named("metric", "shop.checkout.pool.in_use"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(s.pool.inUse())
			return nil
		}))
	return err
}

func setLogLevel(level string) {
	logLevel = map[string]log.Severity{"debug": log.SeverityDebug, "warn": log.SeverityWarn}[level]
	if logLevel == 0 {
		logLevel = log.SeverityInfo
	}
}

func serve(ctx context.Context, s *shop) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /orders", traced("POST /orders", s.placeOrder))
	mux.HandleFunc("PUT /carts/{user}", traced("PUT /carts/{user}", s.putCart))
	mux.HandleFunc("POST /fault", s.fault)
	mux.HandleFunc("GET /evaluations", knobs.evaluations)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("SHOP_PORT"), Handler: mux}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *shop) putCart(w http.ResponseWriter, r *http.Request) {
	user := r.PathValue("user")
	ctx, span := clientSpan(r.Context(), "HSET cart", "redis", attribute.String("db.system.name", "redis"))
	err := s.redis.HSet(ctx, "cart:"+user, "sku", r.URL.Query().Get("sku")).Err()
	finish(span, err)
	if err != nil {
		reply(w, 503, map[string]string{"error": err.Error()})
		return
	}
	reply(w, 200, map[string]string{"cart": user})
}

func (s *shop) placeOrder(w http.ResponseWriter, r *http.Request) {
	var o order
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil {
		reply(w, 400, map[string]string{"error": err.Error()})
		return
	}
	id, err := s.fulfil(r.Context(), o)
	if err != nil {
		emit(r.Context(), log.SeverityError, "order failed: "+err.Error(), log.String("user.id", o.User))
		reply(w, 502, map[string]string{"error": err.Error()})
		return
	}
	s.orders.Add(r.Context(), 1)
	emit(r.Context(), log.SeverityDebug, "order placed", log.Int64("order.id", id))
	reply(w, 201, map[string]int64{"order": id})
}

// Stock, shipping, payment, the order itself, and its announcement, in this sequence: the first failure ends it.
func (s *shop) fulfil(ctx context.Context, o order) (int64, error) {
	retries := knobs.integerFor(ctx, "checkout.retries", 1, o.User)
	if err := s.reserve(ctx, o, retries); err != nil {
		return 0, err
	}
	shipping, err := s.shippingRate(ctx, o, retries)
	if err != nil {
		return 0, err
	}
	if err := s.charge(ctx, o, shipping); err != nil {
		return 0, err
	}
	id, err := s.pool.insert(ctx, o)
	if err != nil {
		return 0, err
	}
	return id, s.announce(ctx, o, id)
}

func (s *shop) fault(w http.ResponseWriter, r *http.Request) {
	var f struct {
		Leak int `json:"leak"`
	}
	if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
		reply(w, 400, map[string]string{"error": err.Error()})
		return
	}
	s.pool.leak(f.Leak)
	reply(w, 200, f)
}
