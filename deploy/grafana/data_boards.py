"""The dashboards of what comes in: a service as its spans show it, and Homeostat itself."""

from panels import ANSWERS, board, graph, most, row, rows, variable


def service():
    of = f'service=~"$service",{ANSWERS}'
    calls, latency = "traces_spanmetrics_calls_total", "traces_spanmetrics_latency"
    out, to = 'client=~"$service"', 'server=~"$service"'
    graph_total, graph_failed = "traces_service_graph_request_total", "traces_service_graph_request_failed_total"
    edge = "client, server, connection_type"
    return (
        board("service", "Homeostat / Service")
        .with_variable(variable("service", "label_values(traces_spanmetrics_calls_total, service)", "Service"))
        .with_panel(
            graph(
                "Rate",
                "Requests answered a second, by operation.",
                [
                    (
                        f"sum by (service, span_name) (rate({calls}{{{of}}}[$__rate_interval]))",
                        "{{service}} {{span_name}}",
                    )
                ],
                "reqps",
            )
        )
        .with_panel(
            graph(
                "Errors",
                "Share of requests whose span has the status error, by operation.",
                [
                    (
                        (
                            "sum by (service, span_name)"
                            f' (rate({calls}{{{of},status_code="STATUS_CODE_ERROR"}}[$__rate_interval])) / sum by'
                            f" (service, span_name) (rate({calls}{{{of}}}[$__rate_interval]))"
                        ),
                        "{{service}} {{span_name}}",
                    )
                ],
                "percentunit",
            )
        )
        .with_panel(
            graph(
                "Latency",
                "Quantiles of the duration of all answers, from buckets that double: they are coarse.",
                [
                    (
                        (
                            f"histogram_quantile({q}, sum by (service, le)"
                            f" (rate({latency}_bucket{{{of}}}[$__rate_interval])))"
                        ),
                        f"{{{{service}}}} {int(q * 100)} %",
                    )
                    for q in (0.5, 0.95, 0.99)
                ],
                "s",
            )
        )
        .with_panel(
            graph(
                "Saturation",
                "Requests in progress on average: seconds of work that arrive in each second.",
                [(f"sum by (service) (rate({latency}_sum{{{of}}}[$__rate_interval]))", "{{service}}")],
            )
        )
        .with_row(row("Dependencies"))
        .with_panel(
            graph(
                "Calls to others",
                "Calls a second from this service to each of those that it calls.",
                [
                    (
                        f"sum by ({edge}) (rate({graph_total}{{{out}}}[$__rate_interval]))",
                        "{{server}} {{connection_type}}",
                    )
                ],
                "reqps",
            )
        )
        .with_panel(
            graph(
                "Failed calls to others",
                "Share of those calls of which either side says error.",
                [
                    (
                        (
                            f"sum by ({edge}) (rate({graph_failed}{{{out}}}[$__rate_interval]))"
                            f" / sum by ({edge}) (rate({graph_total}{{{out}}}[$__rate_interval]))"
                        ),
                        "{{server}} {{connection_type}}",
                    )
                ],
                "percentunit",
            )
        )
        .with_panel(
            graph(
                "Time of calls to others",
                "95 % of calls took at most so long, as the caller measured it.",
                [
                    (
                        (
                            f"histogram_quantile(0.95, sum by ({edge}, le) "
                            f"(rate(traces_service_graph_request_client_seconds_bucket{{{out}}}[$__rate_interval])))"
                        ),
                        "{{server}} {{connection_type}}",
                    )
                ],
                "s",
            )
        )
        .with_panel(
            rows(
                "Callers",
                "Who calls this service, calls a second over the time range shown; `user` is whoever sends no spans.",
                [f"sum by ({edge}) (rate({graph_total}{{{to}}}[$__range]))"],
                12,
                names=["Calls/s"],
            )
        )
    )


def rate_of(title, meaning, metric, label, unit="cps", width=8):
    return graph(
        title, meaning, [(f"sum by ({label}) (rate({metric}[$__rate_interval]))", f"{{{{{label}}}}}")], unit, width
    )


def itself():
    return (
        board("itself", "Homeostat / Itself")
        .with_row(row("Ingest"))
        .with_panel(
            rate_of(
                "Rows",
                "Spans, points and log records a second that were made durable.",
                "homeostat_ingest_rows_total",
                "signal",
                "wps",
            )
        )
        .with_panel(
            rate_of(
                "Requests",
                "Requests a second that were made durable, its own included.",
                "homeostat_ingest_requests_total",
                "signal",
                "reqps",
            )
        )
        .with_panel(
            rate_of(
                "Refused",
                "Requests a second that were refused, by the bound that was met; senders try again.",
                "homeostat_ingest_refused_total",
                "reason",
                "reqps",
            )
        )
        .with_panel(
            graph(
                "Lag",
                "Age of the oldest acknowledged request that the engine does not have.",
                [("homeostat_ingest_lag_seconds", "lag")],
                "s",
                8,
            )
        )
        .with_panel(
            graph(
                "Waiting",
                "Rows that are in the journal and not in the engine yet; requests that wait for the journal.",
                [("homeostat_ingest_waiting_rows", "rows"), ("homeostat_ingest_in_flight_requests", "requests")],
                width=8,
            )
        )
        .with_panel(
            graph(
                "Failures",
                "A second: inserts that the engine did not answer, writes of the journal that failed, blocks "
                "put aside.",
                [
                    ("sum(rate(homeostat_ingest_insert_failures_total[$__rate_interval]))", "inserts"),
                    ("sum(rate(homeostat_journal_failures_total[$__rate_interval]))", "journal"),
                    ("sum(rate(homeostat_ingest_quarantined_total[$__rate_interval]))", "put aside"),
                ],
                "cps",
                8,
            )
        )
        .with_row(row("Disk"))
        .with_panel(
            graph(
                "Journal",
                "Bytes that the engine has not taken yet, and what is written a second.",
                [
                    ("homeostat_journal_bytes", "waiting"),
                    ("rate(homeostat_journal_written_bytes_total[$__rate_interval])", "written/s"),
                ],
                "bytes",
            )
        )
        .with_panel(
            graph(
                "Recordings",
                "What the loop was fed, a second: kept so that every decision can be replayed.",
                [("rate(homeostat_recording_bytes_total[$__rate_interval])", "recorded")],
                "Bps",
            )
        )
        .with_row(row("Processes and answers"))
        .with_panel(
            graph(
                "Engine",
                "1: it answers. Starts: how often it was started in the time range shown.",
                [("homeostat_engine_ready", "ready"), ("increase(homeostat_engine_starts_total[$__range])", "starts")],
                width=8,
            )
        )
        .with_panel(
            rate_of("HTTP answers", "Answers a second, by status.", "homeostat_http_answers_total", "status", "reqps")
        )
        .with_panel(
            graph(
                "HTTP bytes",
                "Bytes a second over all listeners.",
                [
                    ("sum(rate(homeostat_http_received_bytes_total[$__rate_interval]))", "received"),
                    ("sum(rate(homeostat_http_sent_bytes_total[$__rate_interval]))", "sent"),
                ],
                "Bps",
                8,
            )
        )
        .with_row(row("What is left out when there is too much"))
        .with_panel(
            graph(
                "Left out",
                "A second: batches that the loop did not see, spans under metric_overflow, spans without room, "
                "own series not recorded.",
                [
                    ("rate(homeostat_ingest_tee_shed_total[$__rate_interval])", "loop"),
                    ("rate(homeostat_span_metrics_overflowed_total[$__rate_interval])", "span metrics"),
                    ("rate(homeostat_service_graph_dropped_total[$__rate_interval])", "service graph"),
                    ("rate(homeostat_own_series_left_out_total[$__rate_interval])", "own series"),
                ],
                "cps",
            )
        )
        .with_panel(
            graph(
                "Ledger",
                "Entries under the newest signed head, and entries that could not be written.",
                [("homeostat_ledger_entries", "entries"), ("homeostat_ledger_failures_total", "failures")],
            )
        )
    )
