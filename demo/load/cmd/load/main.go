// Open-loop load, and the judge of service quality. Arrivals are a Poisson process per operation, whatever the shop
// answers; latency counts from the scheduled arrival, so a stall is not hidden by requests that were never sent.
// Every request becomes a line of the record: scheduled (Unix s), operation, kind, expected (1/0), status, ms.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const inFlightMax = 4000 // beyond it an arrival is recorded as failed, not sent: this machine has two cores

type generator struct {
	gateway  string
	client   *http.Client
	users    int
	out      *bufio.Writer
	outMutex sync.Mutex
	inFlight atomic.Int64
	streams  map[string]*stream
}

type stream struct {
	mutex   sync.Mutex
	rate    float64
	changed chan struct{}
	random  *rand.Rand
	make    func(*rand.Rand) shot
}

func (s *stream) set(rate float64) {
	s.mutex.Lock()
	s.rate = rate
	s.mutex.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *stream) get() float64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.rate
}

// Arrivals at their scheduled times, until the program ends.
func (g *generator) run(name string, s *stream) {
	next := time.Now()
	for {
		rate := s.get()
		if rate <= 0 {
			<-s.changed
			next = time.Now()
			continue
		}
		next = next.Add(time.Duration(s.random.ExpFloat64() / rate * float64(time.Second)))
		if wait := time.Until(next); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-s.changed: // another rate holds from now on
				timer.Stop()
				next = time.Now()
				continue
			}
		}
		g.fire(s.make(s.random), next)
	}
}

func (g *generator) fire(s shot, scheduled time.Time) {
	if g.inFlight.Load() >= inFlightMax {
		g.record(s, scheduled, 0)
		return
	}
	g.inFlight.Add(1)
	go func() {
		defer g.inFlight.Add(-1)
		g.record(s, scheduled, s.send(g))
	}()
}

func (g *generator) record(s shot, scheduled time.Time, status int) {
	good := 0
	if status == s.expected {
		good = 1
	}
	ms := float64(time.Since(scheduled).Microseconds()) / 1000
	g.outMutex.Lock()
	fmt.Fprintf(g.out, "%.3f,%s,%s,%d,%d,%.1f\n", float64(scheduled.UnixMilli())/1000, s.operation, s.kind, good, status, ms)
	g.outMutex.Unlock()
}

func (g *generator) control(w http.ResponseWriter, r *http.Request) {
	var rates map[string]float64
	if err := json.NewDecoder(r.Body).Decode(&rates); err != nil {
		http.Error(w, err.Error(), 400)
		return
	}
	for name, rate := range rates {
		s, known := g.streams[name]
		if !known {
			http.Error(w, "no such stream: "+name, 404)
			return
		}
		s.set(rate)
	}
	fmt.Fprintln(w, "{}")
}

func (g *generator) flushEverySecond() {
	for range time.Tick(500 * time.Millisecond) {
		g.outMutex.Lock()
		_ = g.out.Flush()
		g.outMutex.Unlock()
	}
}

func seedOf(seed int64, name string) int64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", seed, name)
	return int64(h.Sum64())
}

func main() {
	gateway := flag.String("gateway", "http://127.0.0.1:7101", "where requests go")
	listen := flag.String("listen", "127.0.0.1:7120", "where rates are set: POST /rates {\"checkout\": 32}")
	path := flag.String("out", "load.csv", "the record of every request")
	seed := flag.Int64("seed", 1, "of all arrivals and choices")
	users := flag.Int("users", 2000, "how many customers there are")
	flag.Parse()
	file, err := os.Create(*path)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 20 * time.Second,
		DialContext: (&net.Dialer{Timeout: time.Second}).DialContext}
	g := &generator{gateway: *gateway, users: *users, out: bufio.NewWriterSize(file, 1<<16), streams: map[string]*stream{},
		client: &http.Client{Timeout: 4 * time.Second, Transport: transport}}
	for name, make := range g.operations() {
		s := &stream{changed: newSignal(), random: rand.New(rand.NewSource(seedOf(*seed, name))), make: make}
		g.streams[name] = s
		go g.run(name, s)
	}
	go g.flushEverySecond()
	http.HandleFunc("/rates", g.control)
	go func() {
		fmt.Fprintln(os.Stderr, "load:", http.ListenAndServe(*listen, nil))
		os.Exit(1)
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	g.outMutex.Lock()
	_ = g.out.Flush()
}

func newSignal() chan struct{} { return make(chan struct{}, 1) }
