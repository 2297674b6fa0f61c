// The telemetry of apptest/sdk_scenario.py, sent by the official JavaScript SDK; prints the ids that it gave.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, ValueType, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';

const flavour = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[process.env.OTEL_EXPORTER_OTLP_PROTOCOL];
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${flavour}`);
const { OTLPMetricExporter } = await import(`@opentelemetry/exporter-metrics-otlp-${flavour}`);
const { OTLPLogExporter } = await import(`@opentelemetry/exporter-logs-otlp-${flavour}`);

const T = Number(process.env.SDK_START_MS);
const resource = resourceFromAttributes({
  'service.name': process.env.SDK_SERVICE, 'service.version': '1.2.3', 'sdk.replicas': 3,
});
const traces = new BasicTracerProvider({ resource, spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
const tracer = traces.getTracer('sdk.scope', '0.1');
const reader = new PeriodicExportingMetricReader({ exporter: new OTLPMetricExporter(), exportIntervalMillis: 60000 });
const metrics = new MeterProvider({ resource, readers: [reader] });
const meter = metrics.getMeter('sdk.scope', '0.1');
const logs = new LoggerProvider({
  resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
});
const logger = logs.getLogger('sdk.scope', '0.1');

const within = (span) => trace.setSpan(ROOT_CONTEXT, span);
function log(span, atMs, severityNumber, severityText, body) {
  const attributes = { 'order.id': 'o-77' };
  logger.emit({ timestamp: T + atMs, severityNumber, severityText, body, attributes, context: within(span) });
}

const before = tracer.startSpan('before', { startTime: T }, ROOT_CONTEXT);
before.end(T + 1);
const checkout = tracer.startSpan('checkout', {
  kind: SpanKind.SERVER, startTime: T, attributes: {
    'sdk.string': 'h\u00e9llo', 'sdk.empty': '', 'sdk.int': 42, 'sdk.bool': true, 'sdk.double': 2.5,
    'sdk.strings': ['a', 'b'], 'sdk.ints': [1, 2],
  },
}, ROOT_CONTEXT);
log(checkout, 50, SeverityNumber.INFO, 'INFO', 'order placed');
const charge = tracer.startSpan('charge-card', { kind: SpanKind.CLIENT, startTime: T + 100 }, within(checkout));
charge.addEvent('exception', { 'exception.type': 'CardDeclined', 'exception.message': 'declined' }, T + 200);
charge.setStatus({ code: SpanStatusCode.ERROR, message: 'declined' });
log(charge, 200, SeverityNumber.ERROR, 'ERROR', 'card declined');
charge.end(T + 300);
const links = [{ context: before.spanContext(), attributes: { why: 'retry' } }];
const pack = tracer.startSpan('pack', { links, startTime: T + 300 }, within(checkout));
pack.setStatus({ code: SpanStatusCode.OK });
log(pack, 350, SeverityNumber.WARN, 'WARN', { items: [1, 2], order: 'o-77' });
pack.end(T + 400);
checkout.end(T + 500);

const labels = { code: 200, route: '/a' };
const whole = { valueType: ValueType.INT };
meter.createCounter('sdk.orders', { unit: '{order}', description: 'orders taken', ...whole }).add(7, labels);
const advice = { explicitBucketBoundaries: [0.15, 1.0] };
const latency = meter.createHistogram('sdk.latency', { unit: 's', description: 'time to answer', advice });
for (const seconds of [0.1, 0.2, 3.0]) latency.record(seconds, labels);
meter.createUpDownCounter('sdk.queue', whole).add(-3, labels);
meter.createGauge('sdk.temperature', { unit: 'Cel' }).record(21.5, labels);

let flushed = true;
for (const provider of [traces, metrics, logs]) {
  await provider.forceFlush().catch((error) => { flushed = false; console.error(String(error)); });
  await provider.shutdown().catch(() => {});
}
const ids = Object.fromEntries(Object.entries({ before, checkout, 'charge-card': charge, pack })
  .map(([name, span]) => [name, [span.spanContext().traceId, span.spanContext().spanId]]));
console.log(JSON.stringify({ flushed, ids }));
