package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// SHOP_NAMES may rename services, operations, knobs and metrics ("kind:name" -> new name), to show that nothing
// depends on what they are called.
var names = func() map[string]string {
	found := map[string]string{}
	if path := os.Getenv("SHOP_NAMES"); path != "" {
		if text, err := os.ReadFile(path); err == nil {
			_ = json.Unmarshal(text, &found)
		}
	}
	return found
}()

func named(kind, name string) string {
	if other, ok := names[kind+":"+name]; ok {
		return other
	}
	return name
}

// Evaluations through OpenFeature over OFREP. An evaluation never waits longer than 100 ms: then the code default holds.
type knobSet struct {
	client   *openfeature.Client
	instance string
	mutex    sync.Mutex
	latest   map[string][]attribute.KeyValue // of the instance-wide knobs, as last evaluated
	seen     map[int64]map[string]*seenKnob  // by second: for /evaluations, to look at when the values server is ill
}

type seenKnob struct {
	N       int     `json:"n"`
	MsMax   float64 `json:"ms_max"`
	Value   string  `json:"value"`
	Variant string  `json:"variant"`
}

const keptSeconds = 180

var knobs = &knobSet{latest: map[string][]attribute.KeyValue{}, seen: map[int64]map[string]*seenKnob{}}

func (k *knobSet) note(key string, value any, variant string, started time.Time) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	second := time.Now().Unix()
	if k.seen[second] == nil {
		k.seen[second] = map[string]*seenKnob{}
		delete(k.seen, second-keptSeconds)
	}
	s := k.seen[second][key]
	if s == nil {
		s = &seenKnob{}
		k.seen[second][key] = s
	}
	s.N++
	s.MsMax = max(s.MsMax, float64(time.Since(started).Microseconds())/1000)
	s.Value, s.Variant = fmt.Sprint(value), variant
}

func (k *knobSet) evaluations(w http.ResponseWriter, _ *http.Request) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	reply(w, 200, k.seen)
}

func (k *knobSet) start(endpoint, instance string) error {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     30 * time.Second,
		DialContext:         (&net.Dialer{Timeout: 100 * time.Millisecond}).DialContext,
	}
	client := &http.Client{Timeout: 100 * time.Millisecond, Transport: transport}
	if err := openfeature.SetProviderAndWait(ofrep.NewProvider(endpoint, ofrep.WithClient(client))); err != nil {
		return err
	}
	k.client = openfeature.NewClient("checkout")
	k.instance = instance
	return nil
}

func event(key, id string, value any, d openfeature.EvaluationDetails) []attribute.KeyValue {
	version, _ := d.FlagMetadata.GetString("version")
	attrs := []attribute.KeyValue{
		attribute.String("feature_flag.key", key),
		attribute.String("feature_flag.result.variant", d.Variant),
		attribute.String("feature_flag.result.value", fmt.Sprint(value)),
		attribute.String("feature_flag.result.reason", string(d.Reason)),
		attribute.String("feature_flag.version", version),
		attribute.String("feature_flag.context.id", id),
		attribute.String("feature_flag.set.id", "homeostat"),
		attribute.String("feature_flag.provider.name", "ofrep"),
	}
	if d.ErrorCode != "" {
		attrs = append(attrs, attribute.String("error.type", string(d.ErrorCode)))
	}
	return attrs
}

func record(ctx context.Context, attrs []attribute.KeyValue) {
	oteltrace.SpanFromContext(ctx).AddEvent("feature_flag.evaluation", oteltrace.WithAttributes(attrs...))
}

// Decided for one user, in the request.
func (k *knobSet) integerFor(ctx context.Context, key string, fallback int64, user string) int64 {
	key = named("knob", key)
	started := time.Now()
	d, _ := k.client.IntValueDetails(ctx, key, fallback, openfeature.NewEvaluationContext(user, nil))
	k.note(key, d.Value, d.Variant, started)
	record(ctx, event(key, user, d.Value, d.EvaluationDetails))
	return d.Value
}

func (k *knobSet) textFor(ctx context.Context, key, fallback, user string) string {
	key = named("knob", key)
	started := time.Now()
	d, _ := k.client.StringValueDetails(ctx, key, fallback, openfeature.NewEvaluationContext(user, nil))
	k.note(key, d.Value, d.Variant, started)
	record(ctx, event(key, user, d.Value, d.EvaluationDetails))
	return d.Value
}

// Decided for this instance, once a second; each request carries what was in force.
func (k *knobSet) watchInteger(key string, fallback int64, apply func(int64)) {
	key = named("knob", key)
	k.poll(key, func(ctx context.Context, at openfeature.EvaluationContext) []attribute.KeyValue {
		started := time.Now()
		d, _ := k.client.IntValueDetails(ctx, key, fallback, at)
		k.note(key, d.Value, d.Variant, started)
		apply(d.Value)
		return event(key, k.instance, d.Value, d.EvaluationDetails)
	})
}

func (k *knobSet) watchText(key, fallback string, apply func(string)) {
	key = named("knob", key)
	k.poll(key, func(ctx context.Context, at openfeature.EvaluationContext) []attribute.KeyValue {
		started := time.Now()
		d, _ := k.client.StringValueDetails(ctx, key, fallback, at)
		k.note(key, d.Value, d.Variant, started)
		apply(d.Value)
		return event(key, k.instance, d.Value, d.EvaluationDetails)
	})
}

func (k *knobSet) poll(key string, once func(context.Context, openfeature.EvaluationContext) []attribute.KeyValue) {
	at := openfeature.NewEvaluationContext(k.instance, nil)
	step := func() {
		attrs := once(context.Background(), at)
		k.mutex.Lock()
		k.latest[key] = attrs
		k.mutex.Unlock()
	}
	step()
	go func() {
		for range time.Tick(time.Second) {
			step()
		}
	}()
}

func (k *knobSet) recordInstance(span oteltrace.Span) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for _, attrs := range k.latest {
		span.AddEvent("feature_flag.evaluation", oteltrace.WithAttributes(attrs...))
	}
}
