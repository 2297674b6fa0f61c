"""The dashboards. Their queries are PromQL over ordinary series; apptest/test_dashboards.py asks every one."""

from data_boards import itself, service
from panels import ANSWERS, board, distribution, graph, most, number, row, rows, variable

FAILED = ',status_code="STATUS_CODE_ERROR"'
BUDGET_LEFT = (
    "1 - (increase(homeostat_objective_bad_total[$__range]) / increase(homeostat_objective_requests_total[$__range]))"
    " / on (objective) (1 - homeostat_objective_target)"
)


def answers_rate(more=""):
    return f"sum by (service) (rate(traces_spanmetrics_calls_total{{{ANSWERS}{more}}}[$__rate_interval]))"


def home():
    return (
        board("home", "Homeostat / Home")
        .with_panel(
            number("Open incidents", "Incidents that are not restored.", "homeostat_incidents_open", bad_from=1)
        )
        .with_panel(
            number("Changes in flight", "Changes of knobs that are tried or held now.", "homeostat_changes_in_flight")
        )
        .with_panel(number("Acting", "1: the loop may change knobs. 0: it watches only.", "homeostat_acting"))
        .with_panel(
            number(
                "Objectives that hold",
                "Of those that were judged: the share of which no symptom is going on.",
                "avg(homeostat_objective_holds)",
                "percentunit",
            )
        )
        .with_panel(
            number(
                "Time to restore, median",
                "Median over all incidents that ended, from the start of the failure to "
                "the first second from which everything held again; read it with its n on the KPIs dashboard.",
                "histogram_quantile(0.5, sum by (le) (homeostat_incident_time_to_restore_seconds_bucket))",
                "s",
            )
        )
        .with_panel(
            number(
                "Ingest lag",
                "Age of the oldest acknowledged request that the engine does not have yet.",
                "homeostat_ingest_lag_seconds",
                "s",
                bad_from=30,
            )
        )
        .with_panel(
            rows(
                "Objectives",
                "Budget left: the share of the error budget of the time range shown that is not used; "
                "below 0 it is overspent. Burn rate: 1 uses up exactly the budget.",
                [
                    most("objective", "homeostat_objective_target"),
                    most("objective", "homeostat_objective_holds"),
                    most("objective", 'homeostat_objective_burn_rate{window="1h"}'),
                    most("objective", BUDGET_LEFT),
                ],
                12,
                names=["Target", "Holds", "Burn rate, 1 h", "Budget left"],
            )
        )
        .with_panel(
            rows(
                "Open incidents",
                "Incidents until they are closed; 0 in the hold after service was restored.",
                [most("incident, service, kind, state, cause", "homeostat_incident")],
                12,
                names=["Open"],
            )
        )
        .with_panel(
            graph(
                "Requests",
                "Server and consumer spans a second, weighted by their sampling probability.",
                [
                    (
                        f"sum by (service) (rate(traces_spanmetrics_calls_total{{{ANSWERS}}}[$__rate_interval]))",
                        "{{service}}",
                    )
                ],
                "reqps",
            )
        )
        .with_panel(
            graph(
                "Errors",
                "Share of those spans whose status is error.",
                [(f"{answers_rate(FAILED)} / {answers_rate()}", "{{service}}")],
                "percentunit",
            )
        )
        .with_panel(
            graph(
                "The team's KPIs",
                "Over the last minute: events a minute, a ratio, or a quantile in ms.",
                [(most("kpi", "homeostat_kpi"), "{{kpi}}"), (most("kpi", "homeostat_kpi_target"), "{{kpi}} target")],
                least=None,
            )
        )
        .with_panel(
            graph(
                "Ingest",
                "Rows a second that were made durable, of each signal.",
                [("sum by (signal) (rate(homeostat_ingest_rows_total[$__rate_interval]))", "{{signal}}")],
                "wps",
            )
        )
    )


def times(made, name, title, meaning):
    of = f'{{service=~"$service", injected=~"$injected"}}'
    base = f"homeostat_incident_{name}_seconds"
    made.with_row(row(title))
    made.with_panel(
        distribution(
            "Distribution", meaning + " How many incidents took so long.", f"sum by (le) ({base}_bucket{of})", 12
        )
    )
    made.with_panel(number("n", "Incidents that ended; of few of them little can be said.", f"sum({base}_count{of})"))
    for q in (0.5, 0.9):
        made.with_panel(
            number(
                f"{int(q * 100)} %",
                f"So many % took at most so long. {meaning}",
                f"histogram_quantile({q}, sum by (le) ({base}_bucket{of}))",
                "s",
            )
        )
    return made


def kpis():
    made = (
        board("kpis", "Homeostat / KPIs", "now-24h")
        .with_variable(
            variable("service", "label_values(homeostat_incident_time_to_detect_seconds_count, service)", "Service")
        )
        .with_variable(
            variable("injected", "label_values(homeostat_incident_time_to_detect_seconds_count, injected)", "Injected")
        )
    )
    times(made, "time_to_detect", "Time to detect", "From the start of the failure to its detection.")
    times(
        made,
        "time_to_repair",
        "Time to repair",
        "From the start of the failure to the verdict PASS on a change; only incidents that a change repaired.",
    )
    times(
        made,
        "time_to_restore",
        "Time to restore",
        "From the start of the failure to the first second from which every objective and baseline held again.",
    )
    times(
        made,
        "time_between_failures",
        "Time between failures",
        "From the restoration of a service to the start of its next failure.",
    )
    of = '{service=~"$service", injected=~"$injected"}'
    base = "homeostat_incident_time_to_restore_seconds"
    return (
        made.with_row(row("The loop, and the team"))
        .with_panel(
            rows(
                "Time to restore, with and without an action of the loop",
                "Incidents differ in what causes them: only "
                "incidents of one kind can be compared, and few of them prove nothing.",
                [
                    f"sum by (kind, acted) ({base}_count{of})",
                    f"histogram_quantile(0.5, sum by (kind, acted, le) ({base}_bucket{of}))",
                    f"histogram_quantile(0.9, sum by (kind, acted, le) ({base}_bucket{of}))",
                ],
                12,
                names=["n", "Median, s", "90 %, s"],
            )
        )
        .with_panel(
            graph(
                "The loop may act",
                "1: it acts. 0: it watches; what was restored then, was restored without it.",
                [("homeostat_acting", "acting")],
                width=12,
            )
        )
        .with_panel(
            graph(
                "The team's KPIs",
                "Over the last minute: events a minute, a ratio, or a quantile in ms.",
                [(most("kpi, kind", "homeostat_kpi"), "{{kpi}}")],
                least=None,
            )
        )
        .with_panel(
            rows(
                "Against their targets",
                "Which way is better is declared with each KPI.",
                [most("kpi, kind, better", "homeostat_kpi"), most("kpi, kind, better", "homeostat_kpi_target")],
                12,
                names=["Now", "Target"],
            )
        )
    )


def changes():
    return (
        board("changes", "Homeostat / Change control", "now-6h")
        .with_panel(number("In flight", "Changes that are tried or held now.", "homeostat_changes_in_flight"))
        .with_panel(
            number(
                "In the last hour",
                "What the actuator did: set, widened, promoted or took back a value.",
                "sum(increase(homeostat_changes_total[1h]))",
            )
        )
        .with_panel(
            number(
                "Allowed an hour",
                "loop.changes_per_hour: beyond it the loop makes no change.",
                "homeostat_changes_per_hour_max",
            )
        )
        .with_panel(number("Promoted knobs", "Knobs whose value is not their base.", "sum(homeostat_knob_promoted)"))
        .with_panel(
            number("Taken back", "Of the last 2,000 changes.", 'sum(homeostat_changes{state="reverted"}) or vector(0)')
        )
        .with_panel(
            number(
                "Ledger",
                "1: decisions are recorded. 0: it cannot be continued, so nothing is changed.",
                "homeostat_ledger_usable",
            )
        )
        .with_panel(
            rows(
                "Knobs",
                "Every value that is in force now, and who sees a candidate.",
                [most("knob, variant, value", "homeostat_knob")],
                12,
                names=["In force"],
            )
        )
        .with_panel(
            rows(
                "Verdicts",
                "The last 2,000 changes by what the data said, on which evidence, and what became of them. "
                "Only pass is promoted.",
                [most("knob, verdict, evidence, state", "homeostat_changes")],
                12,
                names=["Changes"],
            )
        )
        .with_panel(
            graph(
                "Exposure",
                "Share of units that see a candidate of the knob.",
                [(most("knob", "homeostat_knob_exposure"), "{{knob}}")],
                "percentunit",
            )
        )
        .with_panel(
            graph(
                "Values",
                "Values that are numbers; true is 1.",
                [(most("knob, variant", "homeostat_knob_value"), "{{knob}} {{variant}}")],
                least=None,
            )
        )
        .with_row(row("Evidence of changes in flight"))
        .with_panel(
            graph(
                "Bad share in each arm",
                "Share of bad requests among those who see the candidate, and among those who do not (or of before).",
                [(most("change, knob, arm", "homeostat_change_bad_share"), "{{knob}} {{arm}}")],
                "percentunit",
                8,
            )
        )
        .with_panel(
            graph(
                "Units in each arm",
                "Units of analysis: users, or blocks of 5 s of an instance.",
                [(most("change, knob, arm", "homeostat_change_units"), "{{knob}} {{arm}}")],
                width=8,
            )
        )
        .with_panel(
            graph(
                "Evidence that it helps",
                "Natural log of the e-value: it may be looked at at any time.",
                [(most("change, knob, phase", "homeostat_change_log_e"), "{{knob}} {{phase}}")],
                width=8,
                least=None,
            )
        )
    )


ALL = {"home": home, "kpis": kpis, "service": service, "changes": changes, "itself": itself}
