// The shop's front door: sessions, routing, and refusing what is too much.
import { createHash } from 'node:crypto';
import http from 'node:http';
import { call, evaluations, knobs, log, PeerError, setLogLevel, setTraceShare, stopTelemetry, traced } from './kit.js';

const peers = {
  catalog: process.env.CATALOG_URL, accounts: process.env.ACCOUNTS_URL, checkout: process.env.CHECKOUT_URL,
  recommend: process.env.RECOMMEND_URL,
};
const to = (peer, ...rest) => call(peer, peers[peer], ...rest);
let inFlight = 0;
let inFlightMax = 512;

async function home({ user }) {
  const wanted = await knobs.booleanFor('recommendation.enabled', true, user);
  const [featured, liked] = await Promise.all([
    to('catalog', 'GET', '/featured'),
    wanted ? to('recommend', 'GET', `/recommendations?user=${user}`, { route: '/recommendations', timeoutMs: 1500 })
      : { body: { products: [] } },
  ]);
  return { status: 200, body: { featured: featured.body, liked: liked.body.products } };
}
async function search({ user, query }) {
  const words = encodeURIComponent(query.get('q') ?? '');
  return to('catalog', 'GET', `/search?q=${words}&user=${user}`, { route: '/search' });
}
async function product({ path, user }) {
  return to('catalog', 'GET', `/products/${path[2]}?user=${user}`, { route: '/products/{id}' });
}
async function logIn({ body, address }) {
  return to('accounts', 'POST', '/sessions', { body, headers: { 'x-forwarded-for': address } });
}
async function cart({ user, body }) {
  return to('checkout', 'PUT', `/carts/${user}?sku=${body.sku ?? 0}`, { route: '/carts/{user}', body });
}
async function checkout({ user, body }) {
  const order = { user, sku: body.sku ?? 0, amount: body.amount ?? 10 };
  return to('checkout', 'POST', '/orders', { body: order, timeoutMs: 8000 });
}

const routes = {
  'GET home': ['GET /home', home], 'GET search': ['GET /search', search],
  'GET product': ['GET /product/{id}', product], 'POST login': ['POST /login', logIn],
  'POST cart': ['POST /cart', cart], 'POST checkout': ['POST /checkout', checkout],
};

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length ? JSON.parse(Buffer.concat(parts).toString()) : {};
}
function answer(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
  return status;
}
// A session's user: the client's word in this shop; a real one would look the session up.
const userOf = (request, address) => request.headers['x-user'] ?? createHash('md5').update(address).digest('hex').slice(0, 8);

async function handle(handler, request, response, url, span) {
  if (inFlight >= inFlightMax) {
    response.setHeader('retry-after', '1');
    return answer(response, 503, { error: 'too busy' });
  }
  inFlight++;
  try {
    const address = request.headers['x-forwarded-for'] ?? request.socket.remoteAddress;
    const user = userOf(request, address);
    span.setAttribute('client.address', address);
    span.setAttribute('user.id', user);
    const body = request.method === 'GET' ? {} : await read(request);
    const result = await handler({ user, address, body, query: url.searchParams, path: url.pathname.split('/') });
    return answer(response, result.status, result.body);
  } catch (problem) {
    const status = problem instanceof PeerError ? problem.status : 500;
    log('error', `request failed: ${problem.message}`, { 'http.response.status_code': status });
    return answer(response, status, { error: problem.message });
  } finally {
    inFlight--;
  }
}

await knobs.start();
await knobs.watch('gateway.max_concurrency', 512, (value) => { inFlightMax = value; });
await knobs.watch('trace.sampling', 1.0, setTraceShare);
await knobs.watch('log.level', 'info', setLogLevel);

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://shop');
  if (url.pathname === '/healthz') return answer(response, 200, { ok: true });
  if (url.pathname === '/evaluations') return answer(response, 200, evaluations);
  const route = routes[`${request.method} ${url.pathname.split('/')[1]}`];
  if (!route) return answer(response, 404, { error: 'no such page' });
  return traced(route[0], request, (span) => handle(route[1], request, response, url, span));
});
server.keepAliveTimeout = 60000;
server.listen(Number(process.env.SHOP_PORT), '127.0.0.1');
const stop = () => { server.close(); server.closeAllConnections(); stopTelemetry().finally(() => process.exit(0)); };
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
