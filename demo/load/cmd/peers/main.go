// What the shop depends on and does not own: two payment providers and a carrier's rates. They send no telemetry.
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"time"
)

func serve(address, path string, median, spread time.Duration, body string, done chan<- error) {
	mux := http.NewServeMux()
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(median + time.Duration((rand.Float64()*2-1)*float64(spread)))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	go func() { done <- http.ListenAndServe(address, mux) }()
}

func main() {
	primary := flag.String("primary", "127.0.0.1:7111", "address of the primary payment provider")
	backup := flag.String("backup", "127.0.0.1:7112", "address of the backup payment provider")
	shipping := flag.String("shipping", "127.0.0.1:7113", "address of the carrier")
	flag.Parse()
	done := make(chan error, 3)
	serve(*primary, "/pay", 30*time.Millisecond, 10*time.Millisecond, `{"id":"p-1"}`, done)
	serve(*backup, "/pay", 60*time.Millisecond, 15*time.Millisecond, `{"id":"b-1"}`, done)
	serve(*shipping, "/rates", 15*time.Millisecond, 5*time.Millisecond, `{"rate":5}`, done)
	fmt.Fprintln(os.Stderr, "peers:", <-done)
	os.Exit(1)
}
