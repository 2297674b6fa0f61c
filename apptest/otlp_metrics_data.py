"""An OTLP request with every kind of metric, and what /v1/series must say of each."""
import secrets

from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb

from otlp_data import attributes_json, integer_json, key_values, real_json

LABELS = {"route": "/a'b\\", "code": 200, "ratio": 0.5}
METADATA = {"prometheus.type": "x"}
EXEMPLAR = {"user": "u1", "n": 4}


class Points:
    """The points of one metric: the message's and what the API must show."""

    def __init__(self, context, trace, span):
        self.now, self.trace, self.span = context.now, trace, span
        self.start = context.now - 60 * 10**9

    def common(self, i):
        return dict(attributes=key_values(LABELS), start_time_unix_nano=self.start,
                    time_unix_nano=self.now - 10**9 * (5 - i), flags=i % 2)

    def want(self, i, **more):
        return {"time_unix_nano": str(self.now - 10**9 * (5 - i)), "start_time_unix_nano": str(self.start),
                "flags": i % 2, **more}

    def add_exemplar(self, point, i):
        exemplar = point.exemplars.add(time_unix_nano=self.now - 10**9 * (5 - i), trace_id=self.trace,
                                       span_id=self.span, filtered_attributes=key_values(EXEMPLAR))
        if i % 2:
            exemplar.as_int = 2**60 + 1
        else:
            exemplar.as_double = 1.25

    def exemplar(self, i):
        typed = {"type": "int", "value": str(2**60 + 1)} if i % 2 else {"type": "double", "value": 1.25}
        return {"time_unix_nano": str(self.now - 10**9 * (5 - i)), **typed, "trace_id": self.trace.hex(),
                "span_id": self.span.hex(), "attributes": attributes_json(EXEMPLAR)}


def numbers(data, points, values):
    want = []
    for i, value in enumerate(values):
        point = data.data_points.add(**points.common(i))
        if isinstance(value, int):
            point.as_int = value
            want.append(points.want(i, type="int", value=integer_json(value)))
        else:
            point.as_double = value
            want.append(points.want(i, type="double", value=real_json(value)))
        points.add_exemplar(point, i)
    return want


def histograms(data, points):
    want = []
    for i in range(2):
        point = data.data_points.add(**points.common(i), count=6, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 10])
        shown = {"count": 6, "bounds": [0.5, 10.0], "counts": [1, 2, 3]}
        if i:
            point.sum, point.min, point.max = 9.5, -0.25, 40.0
            shown |= {"sum": 9.5, "min": -0.25, "max": 40.0}
        points.add_exemplar(point, i)
        want.append(points.want(i, **shown))
    return want


def exponential(data, points):
    want = []
    for i in range(2):
        point = data.data_points.add(**points.common(i), count=7, scale=-2 + i, zero_count=1, zero_threshold=1e-9)
        point.sum, point.max = -3.5, 8.0
        point.positive.offset, point.negative.offset = -3, 4
        point.positive.bucket_counts.extend([1, 2**40])
        point.negative.bucket_counts.extend([5])
        points.add_exemplar(point, i)
        want.append(points.want(i, count=7, sum=-3.5, max=8.0, scale=-2 + i, zero_count=1, zero_threshold=1e-9,
                                positive={"offset": -3, "counts": [1, 2**40]}, negative={"offset": 4, "counts": [5]}))
    return want


def summaries(data, points):
    want = []
    for i in range(2):
        point = data.data_points.add(**points.common(i), count=4, sum=8.5)
        point.quantile_values.add(quantile=0.5, value=2.0)
        point.quantile_values.add(quantile=0.99, value=float("nan"))
        want.append(points.want(i, count=4, sum=8.5, quantiles=[0.5, 0.99], values=[2.0, "NaN"]))
    return want


def full_metrics(context):
    """-> (request, {metric name: series that /v1/series must show, newest point first})."""
    request = metrics_pb.ExportMetricsServiceRequest()
    by_resource = request.resource_metrics.add()
    by_scope = by_resource.scope_metrics.add()
    context.fill(by_resource, by_scope)
    points = Points(context, secrets.token_bytes(16), secrets.token_bytes(8))
    want = {}

    def metric(kind, fill, temporality=0, monotonic=False, exemplars=2):
        name = f"m_{kind}_{temporality}_{monotonic}_{context.run}"
        message = by_scope.metrics.add(name=name, unit="ms", description=f"about {kind}", metadata=key_values(METADATA))
        data = getattr(message, kind)
        data.SetInParent()
        if temporality:
            data.aggregation_temporality = temporality
        if monotonic:
            data.is_monotonic = True
        shown = fill(data)
        want[name] = {"name": name, "unit": "ms", "description": f"about {kind}", "kind": kind,
                      "temporality": ["unspecified", "delta", "cumulative"][temporality], "monotonic": monotonic,
                      "service": context.service, "attributes": attributes_json(LABELS),
                      "metadata": attributes_json(METADATA), "points": shown[::-1],
                      "exemplars": [points.exemplar(i) for i in range(exemplars)][::-1]}

    values = [1.5, 7, 2**63 - 1, -2**63, float("nan")]
    metric("gauge", lambda d: numbers(d, points, values), exemplars=5)
    for temporality in (1, 2):
        for monotonic in (False, True):
            metric("sum", lambda d: numbers(d, points, [3, 0.5, 2**53 + 1]), temporality, monotonic, exemplars=3)
        metric("histogram", lambda d: histograms(d, points), temporality)
        metric("exponential_histogram", lambda d: exponential(d, points), temporality)
    metric("summary", lambda d: summaries(d, points), exemplars=0)
    return request, want
