// The data of bench/promql: the same series for both servers, as blocks of Prometheus' own TSDB and as remote write.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
)

func main() {
	shape := Shape{}
	blocks := flag.String("blocks", "", "write blocks of Prometheus' TSDB into this directory")
	url := flag.String("write", "", "send everything to this remote write address")
	flag.IntVar(&shape.Series, "series", 10_000, "how many series of floats; a hundredth of them more are native histograms")
	flag.Int64Var(&shape.StartMs, "start", 0, "time of the first sample in ms")
	flag.Int64Var(&shape.EndMs, "end", 0, "time of the last sample in ms")
	flag.Int64Var(&shape.StepMs, "step", 15_000, "between samples in ms")
	flag.Parse()
	var err error
	if *blocks != "" {
		err = writeBlocks(*blocks, shape, slog.New(slog.DiscardHandler))
	}
	if err == nil && *url != "" {
		err = send(*url, shape)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
