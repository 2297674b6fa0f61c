package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const blockMs = 2 * 3600 * 1000

// Blocks of two hours, as Prometheus itself cuts them.
func writeBlocks(dir string, shape Shape, log *slog.Logger) error {
	all := build(shape)
	for from := shape.StartMs; from <= shape.EndMs; {
		to := min(from/blockMs*blockMs+blockMs, shape.EndMs+1)
		if err := writeBlock(dir, all, shape, from, to, log); err != nil {
			return err
		}
		for from < to {
			from += shape.StepMs
		}
	}
	return nil
}

func writeBlock(dir string, all []Series, shape Shape, from, to int64, log *slog.Logger) error {
	writer, err := tsdb.NewBlockWriter(log, dir, blockMs)
	if err != nil {
		return err
	}
	defer writer.Close()
	ctx := context.Background()
	refs := make([]storage.SeriesRef, len(all))
	for t := from; t < to; t += shape.StepMs {
		appender := writer.Appender(ctx)
		for i, s := range all {
			if s.Histogram != nil {
				refs[i], err = appender.AppendHistogram(refs[i], s.Labels, t, s.Histogram(t), nil)
			} else {
				refs[i], err = appender.Append(refs[i], s.Labels, t, s.Value(t))
			}
			if err != nil {
				return err
			}
		}
		if err := appender.Commit(); err != nil {
			return err
		}
	}
	_, err = writer.Flush(ctx)
	return err
}
