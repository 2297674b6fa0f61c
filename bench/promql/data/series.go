package main

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Shape is what the data depend on, and nothing else: no clock, no randomness.
type Shape struct {
	Series                 int
	StartMs, EndMs, StepMs int64
}

// Series gives its value at any time; a native histogram when Histogram is set.
type Series struct {
	Labels    labels.Labels
	Value     func(tMs int64) float64
	Histogram func(tMs int64) *histogram.Histogram
}

// A mix of small integers that looks random and is not.
func mix(a, b int64) uint64 {
	x := uint64(a)*0x9e3779b97f4a7c15 ^ uint64(b)*0xc2b2ae3d27d4eb4f
	x ^= x >> 29
	x *= 0xbf58476d1ce4e5b9
	return x ^ x>>32
}

func noise(a, b int64) float64 { return float64(mix(a, b)%1000) / 1000 }

// A counter that grows by about `perStep` a step, unevenly, and starts again about every 90 minutes.
func counter(id int64, stepMs int64, perStep float64) func(int64) float64 {
	life := int64(5_400_000) + int64(mix(id, 1)%1_800_000)
	offset := int64(mix(id, 2) % uint64(life))
	return func(t int64) float64 {
		age := (t + offset) % life / stepMs
		return math.Floor(float64(age)*perStep + noise(id, t/stepMs)*perStep)
	}
}

func gauge(id int64, stepMs int64, middle float64) func(int64) float64 {
	return func(t int64) float64 {
		return math.Floor(middle * (1 + 0.3*math.Sin(float64(t)/600_000+float64(id)) + 0.05*noise(id, t/stepMs)))
	}
}

var bounds = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"}

// Half of the series are counters of requests, a quarter buckets of classic histograms, the rest gauges, node-like
// counters and `up`. Targets have names of their own, jobs have 20 targets.
func build(s Shape) []Series {
	var all []Series
	add := func(value func(int64) float64, pairs ...string) {
		all = append(all, Series{Labels: labels.FromStrings(pairs...), Value: value})
	}
	target := func(i int) (string, string) {
		return fmt.Sprintf("job-%02d", i/20), fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250)
	}
	methods := []string{"GET", "POST"}
	statuses := []string{"200", "204", "404", "500", "503"}
	for i := 0; len(all) < s.Series/2; i++ {
		job, instance := target(i / 20)
		rate := 40.0
		if status := statuses[i%5]; status >= "500" {
			rate = 0.4
		}
		add(counter(int64(i), s.StepMs, rate), "__name__", "http_requests_total", "job", job, "instance", instance,
			"method", methods[i/5%2], "status", statuses[i%5], "handler", fmt.Sprintf("/api/v1/h%d", i/10%2))
	}
	for i := 0; i < s.Series/4; i++ {
		job, instance := target(i / len(bounds))
		le := i % len(bounds)
		counts := counter(int64(1_000_000+i/len(bounds)), s.StepMs, 100)
		share := float64(le+1) / float64(len(bounds))
		add(func(t int64) float64 { return math.Floor(counts(t) * share) },
			"__name__", "http_request_duration_seconds_bucket", "job", job, "instance", instance, "le", bounds[le])
	}
	for i := 0; i < s.Series/8; i++ {
		job, instance := target(i)
		add(gauge(int64(2_000_000+i), s.StepMs, 4e8), "__name__", "container_memory_working_set_bytes", "job", job,
			"instance", instance, "namespace", fmt.Sprintf("ns-%d", i%10), "pod", fmt.Sprintf("pod-%d", i))
	}
	modes := []string{"idle", "user", "system", "iowait"}
	for i := 0; i < s.Series/10; i++ {
		_, instance := target(i / 16)
		add(counter(int64(3_000_000+i), s.StepMs, 15), "__name__", "node_cpu_seconds_total", "job", "node", "instance",
			instance, "cpu", fmt.Sprint(i/4%4), "mode", modes[i%4])
	}
	for i := 0; len(all) < s.Series; i++ {
		job, instance := target(i)
		down := int64(i)
		add(func(t int64) float64 {
			if mix(down, t/300_000)%50 == 0 {
				return 0
			}
			return 1
		}, "__name__", "up", "job", job, "instance", instance)
	}
	for i := 0; i < s.Series/100; i++ {
		job, instance := target(i)
		counts := counter(int64(4_000_000+i), s.StepMs, 100)
		all = append(all, Series{
			Labels: labels.FromStrings("__name__", "request_latency_seconds", "job", job, "instance", instance),
			Histogram: func(t int64) *histogram.Histogram {
				return native(counts(t), int64(i))
			},
		})
	}
	return all
}

// 24 buckets of schema 3 that share the count unevenly.
func native(count float64, id int64) *histogram.Histogram {
	h := &histogram.Histogram{Schema: 3, ZeroThreshold: 1e-128, PositiveSpans: []histogram.Span{{Offset: -20, Length: 24}}}
	var before, total int64
	for i := range int64(24) {
		n := int64(count * (1 + noise(id, i)) / 36)
		h.PositiveBuckets = append(h.PositiveBuckets, n-before)
		before = n
		total += n
	}
	h.Count = uint64(total)
	h.Sum = float64(total) * 0.25
	return h
}
