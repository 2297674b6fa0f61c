"""What all dashboards share: one data source, one look of a panel, the annotations. Each panel says what it means."""

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATA_SOURCE = DataSourceRef(type_val="prometheus", uid="homeostat")
ANSWERS = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'


def query(expr, legend="", ref="A", **how):
    """`instant`: one value now. `shape`: table or heatmap instead of series."""
    made = prometheus.Dataquery().expr(expr).ref_id(ref).datasource(DATA_SOURCE)
    made.instant() if how.get("instant") else made.range()
    if legend:
        made.legend_format(legend)
    if how.get("shape"):
        made.format(PromQueryFormat(how["shape"]))
    return made


def dressed(panel, title, meaning, unit, width, height, queries):
    panel.title(title).description(meaning).datasource(DATA_SOURCE).span(width).height(height)
    if unit:
        panel.unit(unit)
    for one in queries:
        panel.with_target(one)
    return panel


def named(exprs, **how):
    """[(expr, legend)] -> queries A, B, C ..."""
    return [query(expr, legend, chr(ord("A") + i), **how) for i, (expr, legend) in enumerate(exprs)]


def graph(title, meaning, exprs, unit="short", width=12, height=8, least=0):
    panel = dressed(timeseries.Panel(), title, meaning, unit, width, height, named(exprs))
    panel.fill_opacity(8).line_width(1)
    return panel if least is None else panel.min(least)


def number(title, meaning, expr, unit="short", width=4, height=4, bad_from=None):
    panel = dressed(stat.Panel(), title, meaning, unit, width, height, [query(expr, instant=True)])
    steps = [Threshold(value=None, color="green")] + (
        [] if bad_from is None else [Threshold(value=bad_from, color="red")]
    )
    return panel.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)).no_value("-")


def rows(title, meaning, exprs, width=24, height=8, hide=(), names=None):
    """Instant queries whose rows are joined over their common labels."""
    panel = dressed(
        table.Panel(),
        title,
        meaning,
        "",
        width,
        height,
        [query(e, "", chr(ord("A") + i), instant=True, shape="table") for i, e in enumerate(exprs)],
    )
    if len(exprs) > 1:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    values = (
        {"Value": names[0]}
        if names and len(exprs) == 1
        else {f"Value #{chr(ord('A') + i)}": name for i, name in enumerate(names or ())}
    )
    return panel.with_transformation(
        DataTransformerConfig(
            id_val="organize", options={"excludeByName": dict.fromkeys(("Time", *hide), True), "renameByName": values}
        )
    )


def distribution(title, meaning, expr, width=6, height=8):
    """A classic histogram's buckets as bars, each with its own count."""
    panel = bargauge.Panel().show_unfilled(False)
    return dressed(
        panel, title, meaning, "short", width, height, [query(expr, "up to {{le}} s", instant=True, shape="heatmap")]
    )


def row(title):
    return dashboard.Row(title)


def variable(name, text, label):
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(text)
        .datasource(DATA_SOURCE)
        .include_all(True)
        .multi(True)
        .all_value(".*")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


ANNOTATIONS = (
    ("Faults", "homeostat_fault", "red", "fault: {{kind}}", "{{service}} {{fault}}", "service,kind"),
    (
        "Incidents",
        "homeostat_incident",
        "orange",
        "incident: {{service}} {{kind}}",
        "{{incident}} {{cause}}",
        "service,kind",
    ),
    (
        "Changes",
        "homeostat_change_exposure > bool 0",
        "blue",
        "change: {{knob}}",
        "{{change}} for {{incident}}",
        "knob,phase",
    ),
    (
        "Verdicts",
        "homeostat_change_verdict",
        "purple",
        "{{verdict}}: {{knob}}",
        "{{change}} by {{evidence}}, {{state}}",
        "verdict,knob",
    ),
)


def annotated(board):
    for name, expr, color, *_ in ANNOTATIONS:
        board.annotation(
            dashboard.AnnotationQuery().name(name).datasource(DATA_SOURCE).enable(True).icon_color(color).expr(expr)
        )
    return board


def board(uid, title, span="now-1h"):
    made = dashboard.Dashboard(title).uid(f"homeostat-{uid}").tags(["homeostat"]).refresh("30s").time(span, "now")
    made.timezone("browser").link(
        dashboard.DashboardLink("Homeostat").type("dashboards").tags(["homeostat"]).as_dropdown(True).keep_time(True)
    )
    return annotated(made)


def most(labels, expr):
    """Without what is different after a restart or on another address."""
    return f"max by ({labels}) ({expr})"


def finish(document):
    """What Grafana reads of a Prometheus annotation beyond what the SDK knows of one."""
    texts = {name: rest for name, _, _, *rest in ANNOTATIONS}
    for one in document["annotations"]["list"]:
        one["titleFormat"], one["textFormat"], one["tagKeys"] = texts[one["name"]]
        one["step"] = "15s"
    return document
