package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
)

const (
	samplesPerRequest = 20_000
	samplesPerSeries  = 20 // of one request: senders batch what they scraped lately
)

// Everything by remote write 1.0, in the order of time as a sender that catches up.
func send(url string, shape Shape) error {
	all := build(shape)
	var request prompb.WriteRequest
	samples := 0
	flush := func() error {
		if samples == 0 {
			return nil
		}
		err := post(url, &request)
		request.Timeseries, samples = nil, 0
		return err
	}
	for from := shape.StartMs; from <= shape.EndMs; from += samplesPerSeries * shape.StepMs {
		to := min(from+samplesPerSeries*shape.StepMs, shape.EndMs+1)
		for _, s := range all {
			one := prompb.TimeSeries{Labels: prompb.FromLabels(s.Labels, nil)}
			for t := from; t < to; t += shape.StepMs {
				if s.Histogram != nil {
					one.Histograms = append(one.Histograms, prompb.FromIntHistogram(t, s.Histogram(t)))
				} else {
					one.Samples = append(one.Samples, prompb.Sample{Timestamp: t, Value: s.Value(t)})
				}
				samples++
			}
			request.Timeseries = append(request.Timeseries, one)
			if samples < samplesPerRequest {
				continue
			}
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func post(url string, request *prompb.WriteRequest) error {
	body, err := request.Marshal()
	if err != nil {
		return err
	}
	asked, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	asked.Header.Set("Content-Type", "application/x-protobuf")
	asked.Header.Set("Content-Encoding", "snappy")
	asked.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	answer, err := http.DefaultClient.Do(asked)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("remote write answered %s: %s", answer.Status, text)
	}
	return nil
}
