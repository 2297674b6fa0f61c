// Telemetry, knobs and calls of peers, with the official OpenTelemetry and OpenFeature SDKs.
// Endpoint, service name and export delays come from the standard OTEL_* variables.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { BatchSpanProcessor, NodeTracerProvider, ParentBasedSampler, SamplingDecision } from '@opentelemetry/sdk-trace-node';
import { OpenFeature } from '@openfeature/server-sdk';
import { OFREPProvider } from '@openfeature/ofrep-provider';

const evaluationMsMax = 100;
const names = process.env.SHOP_NAMES ? JSON.parse(readFileSync(process.env.SHOP_NAMES, 'utf8')) : {};
// SHOP_NAMES may rename services, operations, knobs and metrics: nothing depends on what they are called.
export const named = (kind, name) => names[`${kind}:${name}`] ?? name;
export const instance = process.env.SHOP_INSTANCE ?? 'gateway-1';

const attributesOf = (text) => Object.fromEntries((text ?? '').split(',').filter(Boolean).map((pair) => pair.split('=')));
const resource = defaultResource().merge(resourceFromAttributes({
  'service.name': process.env.OTEL_SERVICE_NAME, ...attributesOf(process.env.OTEL_RESOURCE_ATTRIBUTES),
}));

// Head sampling whose share can change while running. The threshold travels in tracestate (ot=th:...), so that whoever
// counts spans can weigh a sampled one by 1/share.
class ShareSampler {
  share = 1;
  shouldSample(_context, traceId) {
    const threshold = Math.round((1 - this.share) * 2 ** 56);
    const random = parseInt(traceId.slice(18), 16);  // the last 56 bits
    const decision = random >= threshold ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD;
    if (threshold === 0) return { decision };
    const hex = threshold.toString(16).padStart(14, '0').replace(/0+$/, '');
    return { decision, traceState: new ThresholdState(hex) };
  }
  toString() { return 'ShareSampler'; }
}
class ThresholdState {
  constructor(hex) { this.hex = hex; }
  get(key) { return key === 'ot' ? `th:${this.hex}` : undefined; }
  set() { return this; }
  unset() { return this; }
  serialize() { return `ot=th:${this.hex}`; }
}
const sampler = new ShareSampler();
export const setTraceShare = (share) => { sampler.share = share; };

const provider = new NodeTracerProvider({
  resource, sampler: new ParentBasedSampler({ root: sampler }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(), { maxExportBatchSize: 1024 })],
});
provider.register();
const tracer = trace.getTracer('shop/gateway');
const logs = new LoggerProvider({
  resource, processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(), scheduledDelayMillis: 1000 })],
});
const logger = logs.getLogger('shop/gateway');
const levels = { debug: SeverityNumber.DEBUG, info: SeverityNumber.INFO, warn: SeverityNumber.WARN };
let level = SeverityNumber.INFO;
export const setLogLevel = (name) => { level = levels[name] ?? SeverityNumber.INFO; };
export function log(severity, body, attributes = {}) {
  const severityNumber = severity === 'error' ? SeverityNumber.ERROR : levels[severity];
  if (severityNumber >= level) {
    logger.emit({ severityNumber, severityText: severity.toUpperCase(), body, attributes, context: context.active() });
  }
}
export const stopTelemetry = () => Promise.allSettled([provider.shutdown(), logs.shutdown()]);

// The provider has no timeout of its own: the fetch given to it has one.
const fetchInTime = (url, options) => fetch(url, { ...options, signal: AbortSignal.timeout(evaluationMsMax) });
const eventOf = (details, id) => ({
  'feature_flag.key': details.flagKey,
  'feature_flag.result.variant': details.variant ?? '',
  'feature_flag.result.value': String(details.value),
  'feature_flag.result.reason': (details.reason ?? '').toLowerCase(),
  'feature_flag.version': String(details.flagMetadata?.version ?? ''),
  'feature_flag.context.id': id,
  'feature_flag.set.id': 'homeostat',
  'feature_flag.provider.name': 'ofrep',
  ...(details.errorCode ? { 'error.type': details.errorCode } : {}),
});
// What this client saw of each knob, second by second: for /evaluations, to look at when the values server is ill.
const keptSeconds = 180;
export const evaluations = {};
function note(details, started) {
  const second = Math.floor(Date.now() / 1000);
  const seen = ((evaluations[second] ??= {})[details.flagKey] ??= { n: 0, ms_max: 0 });
  const ms = Math.round((performance.now() - started) * 10) / 10;
  Object.assign(seen, {
    n: seen.n + 1, ms_max: Math.max(seen.ms_max, ms), value: String(details.value), variant: details.variant ?? '',
  });
  delete evaluations[second - keptSeconds];
}
const latest = new Map();  // instance-wide knobs, as last evaluated
export const knobs = {
  async start() {
    const ofrep = new OFREPProvider({ baseUrl: process.env.OFREP_ENDPOINT, fetchImplementation: fetchInTime });
    await OpenFeature.setProviderAndWait(ofrep);
    this.client = OpenFeature.getClient();
    this.client.addHooks({
      finally(hook, details) {
        trace.getActiveSpan()?.addEvent('feature_flag.evaluation', eventOf(details, hook.context.targetingKey ?? ''));
      },
    });
  },
  async booleanFor(key, fallback, user) {
    const started = performance.now();
    const details = await this.client.getBooleanDetails(named('knob', key), fallback, { targetingKey: user });
    note(details, started);
    return details.value;
  },
  // Decided for this instance, once a second; every request records what was in force.
  async watch(key, fallback, apply) {
    const name = named('knob', key);
    const method = typeof fallback === 'number' ? 'getNumberDetails' : 'getStringDetails';
    const step = async () => {
      const started = performance.now();
      const details = await this.client[method](name, fallback, { targetingKey: instance });
      note(details, started);
      latest.set(name, eventOf(details, instance));
      apply(details.value);
    };
    await step();
    setInterval(step, 1000);
  },
};

const agent = new http.Agent({ keepAlive: true, maxSockets: 512, maxFreeSockets: 64 });
export class PeerError extends Error {
  constructor(status, text) { super(text); this.status = status; }
}

function exchange(url, method, headers, body, timeoutMs) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent, timeout: timeoutMs }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(parts).toString() }));
      response.on('error', reject);
    });
    const timer = setTimeout(() => request.destroy(new PeerError(504, `no answer within ${timeoutMs} ms`)), timeoutMs);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.end(body);
  });
}

// One call under a client span. Resolves with {status, body}; a status of 500 and above, or none at all, is an error.
export async function call(peer, base, method, path, { route, body, headers = {}, timeoutMs = 3000 } = {}) {
  const callee = named('service', peer);
  const span = tracer.startSpan(named('operation', `${method} ${route ?? path}`), {
    kind: SpanKind.CLIENT,
    attributes: { 'http.request.method': method, 'peer.service': callee, 'server.address': callee },
  });
  const carrier = { 'content-type': 'application/json', ...headers };
  propagation.inject(trace.setSpan(context.active(), span), carrier);
  try {
    const answer = await exchange(base + path, method, carrier, body && JSON.stringify(body), timeoutMs);
    span.setAttribute('http.response.status_code', answer.status);
    if (answer.status >= 400) span.setStatus({ code: SpanStatusCode.ERROR });
    if (answer.status >= 500) throw new PeerError(502, `${callee} answers ${answer.status}`);
    return { status: answer.status, body: answer.text ? JSON.parse(answer.text) : {} };
  } catch (problem) {
    span.setAttribute('error.type', problem.code ?? String(problem.status ?? problem.name));
    span.setStatus({ code: SpanStatusCode.ERROR, message: problem.message });
    throw problem instanceof PeerError ? problem : new PeerError(502, `${callee}: ${problem.code ?? problem.message}`);
  } finally {
    span.end();
  }
}

// One server span a request, named after the route.
export function traced(route, request, handler) {
  const name = named('operation', route);
  const parent = propagation.extract(ROOT_CONTEXT, request.headers);
  const span = tracer.startSpan(name, {
    kind: SpanKind.SERVER, attributes: { 'http.request.method': request.method, 'http.route': name },
  }, parent);
  for (const event of latest.values()) span.addEvent('feature_flag.evaluation', event);
  return context.with(trace.setSpan(parent, span), async () => {
    const status = await handler(span);
    span.setAttribute('http.response.status_code', status);
    if (status >= 500) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.setAttribute('error.type', String(status));
    }
    span.end();
  });
}
