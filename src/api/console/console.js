'use strict';
// The console: reads /v1 once a second and shows it. It changes nothing. Whatever comes from telemetry becomes text nodes, never
// markup: the only way into the page is h(), which takes texts and elements.

const poll_ms = 1000, request_ms = 4000, spark_points = 180;
const at = (id) => document.getElementById(id);

// ---- building

function h(tag, look, ...children) {
  const element = document.createElement(tag);
  if (look) element.className = look;
  for (const child of children.flat()) if (child !== null && child !== undefined && child !== '')
    element.append(child instanceof Node ? child : String(child));
  return element;
}
const text = (value, look = '') => h('span', `foreign ${look}`, value === null || value === undefined ? '' : String(value));
const pill = (label, look) => h('span', `pill ${look || ''}`, label);
function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function bar(share, look = '') {
  const fill = h('i');
  fill.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  return h('div', `bar ${look}`, fill);
}
const opened = new Set();  // <details> that the reader opened; they stay open when the section is drawn again
function details(key, label, ...children) {
  const element = h('details', '', h('summary', '', label), ...children);
  element.open = opened.has(key);
  element.addEventListener('toggle', () => element.open ? opened.add(key) : opened.delete(key));
  return element;
}
const link = (label, path) => Object.assign(h('a', 'mono', label), { href: path });

// A section is drawn again only when what it shows has changed, so that selecting and reading are not disturbed.
const drawn = new Map();
function draw(id, data, build) {
  const now = JSON.stringify(data);
  if (drawn.get(id) === now) return;
  drawn.set(id, now);
  at(id).replaceChildren(...[build(data)].flat());
}

// ---- wording

const list = (value) => Array.isArray(value) ? value : [];
const finite = (value) => typeof value === 'number' && Number.isFinite(value);
function percent(share) {
  if (!finite(share)) return '–';
  const value = share * 100, size = Math.abs(value);
  return `${Number(value.toFixed(size >= 10 ? 1 : 2))} %`;
}
function seconds(value) {
  if (!finite(value)) return '–';
  if (value < 100) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 6000) return `${(value / 60).toFixed(value < 600 ? 1 : 0)} min`;
  return value < 172800 ? `${(value / 3600).toFixed(1)} h` : `${(value / 86400).toFixed(1)} d`;
}
const number = (value) => finite(value) ? new Intl.NumberFormat('en').format(Math.round(value)) : '–';
function bytes(value) {
  if (!finite(value)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return `${value.toFixed(unit && value < 100 ? 1 : 0)} ${units[unit]}`;
}
const clock = (time) => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? '–' : date.toLocaleTimeString('en-GB');
};
const after = (from, to) => from && to ? seconds((Date.parse(to) - Date.parse(from)) / 1000) : '–';
const shown = (value) => typeof value === 'string' ? value : JSON.stringify(value);
const is_open = (incident) => !['restored', 'closed'].includes(incident.state);

// ---- sections

function tiles(all) {
  const objectives = list(all.objectives.objectives), holding = objectives.filter((o) => o.holds).length;
  const open = list(all.incidents.incidents).filter(is_open).length;
  const flying = list(all.knobs.knobs).filter((k) => k.candidate).length;
  const ingest = all.readyz.ingest || {};
  const natural = all.kpis.natural || {};
  const tile = (label, figure, note, look) =>
    h('div', `tile ${look || ''}`, h('div', 'label', label), h('div', 'figure', figure), h('div', 'note', note));
  const time = (label, t) => tile(label, t && t.n ? seconds(t.p50) : '–',
    t && t.n ? `median of ${t.n}${t.open ? `, ${t.open} open` : ''}` : 'no natural incident yet');
  return [
    tile('Objectives that hold', `${holding} / ${objectives.length}`, objectives.length ? '' : 'none declared',
      objectives.length === 0 ? '' : holding === objectives.length ? 'good' : 'bad'),
    tile('Open incidents', open, '', open ? 'bad' : 'good'),
    tile('Changes in flight', flying, flying ? 'under a lease' : '', flying ? 'warn' : ''),
    time('Time to detect', natural.time_to_detect),
    time('Time to restore', natural.time_to_restore),
    tile('Ingest', ingest.accepting ? 'accepting' : 'refusing', ingest.reason || `${number(ingest.waiting_rows)} rows wait`,
      ingest.accepting ? 'good' : 'bad'),
  ];
}

const state_look = { detected: 'bad', explained: 'bad', acting: 'warn', verified: 'info', restored: 'good', closed: '' };

function timeline(incident) {
  const steps = ['detected', 'explained', 'acted', 'verified', 'restored'];
  return h('div', 'steps', steps.map((step, i) => h('div',
    `step ${incident[step] ? 'done' : ''} ${i + 1 === steps.length ? 'last' : ''}`,
    step, h('b', '', incident[step] ? `+${after(incident.started, incident[step])}` : '–'))));
}

// Where to see it. Only paths of our own API become links, whatever a name made of the rest.
function clue_links(clue) {
  const labels = { trace: (l) => `trace ${String(l.what).slice(0, 8)}`, spans: () => 'spans',
    logs: (l) => l.what ? `logs of trace ${String(l.what).slice(0, 8)}` : 'logs', series: () => 'series' };
  const own = list(clue.links).filter((l) => Object.hasOwn(labels, l.kind) && /^\/(v1|api\/v1)\//.test(l.url));
  return own.length ? h('div', 'links small', own.map((l) =>
    Object.assign(link(labels[l.kind](l), l.url), { title: l.kind === 'series' ? l.what : '' }))) : '';
}

function cause_row(cause, with_evidence) {
  const row = h('div', 'cause', h('span', 'share', percent(Math.round(cause.probability * 100) / 100)),
    h('span', '', text(cause.entity, 'mono'), ' ', text(cause.kind, 'muted')), bar(cause.probability));
  const evidence = list(cause.evidence);
  if (with_evidence && evidence.length)
    row.append(h('ul', 'evidence', evidence.slice(0, 6).map((clue) => h('li', '', text(clue.says), clue_links(clue)))));
  return row;
}

function incident_card(incident) {
  const causes = list(incident.causes), symptoms = list(incident.symptoms);
  return h('div', `card ${state_look[incident.state] || ''}`,
    h('div', 'top', pill(incident.state, state_look[incident.state]),
      h('span', 'title', text(incident.service || '(unknown service)'), ' · ', text(incident.kind || 'not explained yet')),
      incident.security ? pill('security', 'info') : '', incident.injected ? pill('injected', '') : '',
      h('span', 'right muted small', `since ${clock(incident.started)} `,
        link(incident.id, `/v1/incidents/${encodeURIComponent(incident.id)}`))),
    timeline(incident),
    symptoms.slice(0, 3).map((s) => h('p', 'small', text(s.evidence || `${s.kind} of ${s.service}`))),
    causes.length ? cause_row(causes[0], true) : '',
    causes.length > 1 ? details(`causes ${incident.id}`, `${causes.length - 1} other causes`,
      causes.slice(1, 12).map((c) => cause_row(c, true))) : '',
    incident.decision ? h('p', 'decision small', text(incident.decision)) : '');
}

function incidents(all) {
  const open = all.filter(is_open), past = all.filter((i) => !is_open(i)).slice(0, 5);
  return [
    open.length ? open.map(incident_card) : h('div', 'empty', 'Nothing is wrong.'),
    past.length ? details('past incidents', `${past.length} that ended`, past.map(incident_card)) : '',
  ].flat();
}

const verdict_look = { pass: 'good', fail: 'bad', mismatch: 'bad', inconclusive: 'warn', no_data: 'warn', running: 'info' };
const change_look = { candidate: 'warn', holding: 'info', promoted: 'good', reverted: '', refused: 'bad', expired: 'bad' };

function arms(verdict) {
  const most = Math.max(verdict.treated || 0, verdict.control || 0, 0.01);
  const units = (n) => finite(n) && n > 0 ? ` of ${number(n)} units` : '';
  return h('div', 'arms',
    'treated', bar(verdict.treated / most, 'treated'), h('span', '', h('b', '', `${percent(verdict.treated)} bad`), units(verdict.treated_n)),
    'control', bar(verdict.control / most, 'control'), h('span', '', h('b', '', `${percent(verdict.control)} bad`), units(verdict.control_n)));
}

function change_card(change) {
  const verdict = change.verdict, lease = h('span', 'lease');
  if (change.lease_of) lease.dataset.change = change.id;  // filled each second by leases()
  return h('div', `card ${change_look[change.state] || ''}`,
    h('div', 'top', pill(change.phase || change.state, change_look[change.state]), text(change.knob, 'mono title'),
      h('span', '', text(shown(change.from), 'mono'), ' → ', text(shown(change.to), 'mono')),
      verdict && verdict.kind ? pill(verdict.kind.replace('_', ' '), verdict_look[verdict.kind]) : '', lease,
      h('span', 'right muted small', clock(change.at), ' ', link(change.id, `/v1/changes/${encodeURIComponent(change.id)}`))),
    h('p', 'small muted', `revision ${change.revision || '–'} · `,
      change.instance ? ['instance ', text(change.instance), ' alone'] : `${percent(change.exposure)} of the units`,
      change.service ? [' of ', text(change.service)] : '', change.incident ? [' · for ', text(change.incident, 'mono')] : ''),
    change.reason ? h('p', 'small', text(change.reason)) : '',
    verdict && finite(verdict.treated) ? arms(verdict) : '',
    verdict && verdict.why ? h('p', 'small', text(verdict.why),
      h('span', 'muted', verdict.evidence ? ` (${String(verdict.evidence).replace('_', ' ')})` : '')) : '',
    change.why ? h('p', 'decision small', text(change.why)) : '');
}

function changes({ all, leases }) {
  const flying = all.filter((c) => c.state === 'candidate' || c.state === 'holding' || leases.includes(c.id));
  const past = all.filter((c) => !flying.includes(c)).slice(0, 8);
  return [
    flying.length ? flying.map((c) => change_card({ ...c, lease_of: true })) : h('div', 'empty', 'Nothing is being changed.'),
    past.length ? details('past changes', `${past.length} that ended`, past.map(change_card)) : '',
  ].flat();
}

// The countdowns move each second without drawing the cards again.
function leases(knobs) {
  for (const element of document.querySelectorAll('.lease[data-change]')) {
    const knob = knobs.find((k) => k.candidate && k.candidate.change === element.dataset.change);
    const left = knob ? knob.candidate.lease_left_ms : null;
    element.replaceChildren(...(left === null ? ['no lease'] : [bar(left / 10000), `lease ${(left / 1000).toFixed(0)} s`]));
  }
}

const history = new Map();  // objective -> bad shares seen, newest last
function remember(objectives) {
  for (const o of objectives) {
    const points = history.get(o.name) || [];
    points.push(finite(o.bad_share) ? o.bad_share : finite(o.error_share) && o.kind !== 'latency' ? o.error_share : o.holds ? 0 : null);
    if (points.length > spark_points) points.shift();
    history.set(o.name, points);
  }
  for (const name of history.keys()) if (!objectives.some((o) => o.name === name)) history.delete(name);
}
function spark(points, budget) {
  const most = Math.max(...points.filter(finite), budget * 1.5, 0.001);
  const x = (i) => (i + spark_points - points.length) * 110 / (spark_points - 1), y = (v) => 28 - 26 * (v || 0) / most;
  const line = points.map((v, i) => `${i ? 'L' : 'M'}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('');
  return svg('svg', { class: 'spark', viewBox: '0 0 110 30' },
    svg('path', { class: 'area', d: `${line}L110 29L${x(0).toFixed(1)} 29Z` }), svg('path', { d: line }),
    svg('line', { x1: 0, x2: 110, y1: y(budget), y2: y(budget) }));
}
// How fast the error budget is used up; 1 lasts the objective's period.
function burning(rates) {
  const known = ['5m', '1h', '6h'].filter((window) => rates && finite(rates[window]));
  return known.length ? h('div', 'muted small', 'burns ', known.map((window) => `${rates[window].toFixed(1)}× ${window}`).join(' · ')) : '';
}

function objectives(all) {
  if (!all.length) return h('div', 'empty', 'None declared. Learned baselines are watched all the same.');
  return h('div', 'rows', all.map((o) => h('div', 'row objective',
    h('i', `dot ${o.holds ? 'good' : 'bad'}`),
    h('div', 'grow', h('div', 'name', text(o.name)),
      h('div', 'muted small', text(o.service), o.operation ? [' ', text(o.operation)] : '',
        ` · ${percent(o.target)} ${o.kind === 'latency' ? `faster than ${number(o.threshold_ms)} ms` : 'without error'}`),
      burning(o.burn_rate)),
    o.page ? pill(o.page, o.page === 'page' ? 'bad' : 'warn') : '',
    spark(history.get(o.name) || [0], 1 - o.target),
    h('div', 'value', h('b', '', o.holds ? 'holds' : `${percent(o.bad_share)} bad`),
      h('span', 'muted small', o.holds ? finite(o.requests_per_s) ? `${o.requests_per_s.toFixed(1)}/s` : 'no traffic' : `since ${clock(o.since)}`)))));
}

function ingest(ready) {
  const i = ready.ingest || {}, e = ready.engine || {};
  const row = (name, value, look) => h('div', 'row', look ? h('i', `dot ${look}`) : '', h('div', 'grow', name), h('div', 'value', value));
  return h('div', 'rows',
    row('ingest', i.accepting ? i.replaying ? 'accepting, replaying the journal' : 'accepting' : text(i.reason || 'refusing'), i.accepting ? 'good' : 'bad'),
    row('journal on disk', bytes(i.journal_bytes)),
    row('rows that wait', `${number(i.waiting_rows)}, the oldest ${seconds((i.oldest_waiting_ms || 0) / 1000)}`),
    i.quarantined_blocks ? row('blocks put aside', number(i.quarantined_blocks), 'warn') : '',
    i.corrupt_segments ? row('corrupt journal segments', number(i.corrupt_segments), 'bad') : '',
    row('engine', e.ready ? `ready${e.starts > 1 ? `, start ${e.starts}` : ''}` : text(e.reason || 'starting'), e.ready ? 'good' : 'warn'));
}

function knobs(all) {
  if (!all.length) return h('div', 'empty', 'None declared: nothing can be changed.');
  const moved = all.filter((k) => k.promoted || k.candidate), rest = all.filter((k) => !moved.includes(k));
  const row = (k) => h('div', 'row', h('div', 'grow', text(k.key, 'mono'), h('div', 'muted small', text(list(k.services).join(', ')))),
    k.candidate ? pill('candidate', 'warn') : '', k.promoted ? pill('promoted', 'good') : '',
    h('div', 'value', h('b', '', text(shown(k.candidate ? k.candidate.value : k.value), 'mono')),
      k.promoted || k.candidate ? h('span', 'muted small', 'base ', text(shown(k.base), 'mono')) : ''));
  return [h('div', 'rows', moved.map(row)), details('base knobs', `${rest.length} at their base`, h('div', 'rows', rest.map(row)))];
}

const times = [['time_to_detect', 'to detect'], ['time_to_repair', 'to repair'], ['time_to_restore', 'to restore service'],
  ['time_between_failures', 'between failures']];
function time_cells(t) {
  if (!t || !t.n) return [h('td', 'muted', t && t.open ? `none ended, ${t.open} open` : 'none'), h('td')];
  const interval = t.p50_95 ? ` [${seconds(t.p50_95.low ?? t.p50_95[0])} – ${seconds(t.p50_95.high ?? t.p50_95[1])}]` : ' (no interval below n = 6)';
  const counts = list((t.histogram || {}).counts), most = Math.max(1, ...counts);
  const bars = counts.map((count) => {
    const one = h('i');
    one.style.height = `${count / most * 26}px`;
    one.title = `${count}`;
    return one;
  });
  return [h('td', '', h('b', '', seconds(t.p50)), h('span', 'muted small', interval),
    h('div', 'muted small', `n ${t.n}${t.open ? `, ${t.open} still open` : ''} · p90 ${seconds(t.p90)} · p95 ${seconds(t.p95)} · max ${seconds(t.max)}`)),
  h('td', '', h('div', 'histogram', bars))];
}
function kpis({ natural = {}, injected = {} }) {
  const head = h('tr', '', ['', 'natural: median with its 95 % interval', '', 'injected by chaos', ''].map((t) => h('th', '', t)));
  return h('div', 'scroll', h('table', '', h('thead', '', head), h('tbody', '', times.map(([key, label]) => h('tr', '',
    h('td', '', h('b', '', label), h('div', 'muted small', text(((natural[key] || injected[key]) || {}).definition))),
    time_cells(natural[key]), time_cells(injected[key]))))));
}

function ledger(all) {
  const entries = all.filter((e) => e.kind !== 'head').slice(0, 15);
  if (!entries.length) return h('div', 'empty', 'Nothing was recorded yet.');
  return h('div', 'scroll', h('table', '', h('tbody', '', entries.map((e) => h('tr', '',
    h('td', 'tight muted', `#${e.index}`), h('td', 'tight muted', clock(e.at)), h('td', 'tight', h('span', 'pill info', text(e.kind))),
    h('td', 'wide', text(e.words)),
    h('td', 'tight', e.incident ? link(e.incident, `/v1/incidents/${encodeURIComponent(e.incident)}`) : ''))))));
}

// ---- polling

const sources = {
  status: '/v1/status', objectives: '/v1/objectives', incidents: '/v1/incidents?limit=50', changes: '/v1/changes?limit=50',
  knobs: '/v1/knobs', kpis: '/v1/kpis', readyz: '/readyz', ledger: '/v1/ledger?limit=60',
};
const latest = {};
let snapshot_at = 0, token = sessionStorage.getItem('token') || '';

async function fetch_one(name) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(sources[name], { headers, cache: 'no-store', signal: AbortSignal.timeout(request_ms) });
  if (answer.status === 401) { at('login').hidden = false; throw new Error('the operator\'s token is needed'); }
  if (!answer.ok && name !== 'readyz') throw new Error(`${sources[name]} answers ${answer.status}`);
  snapshot_at = Date.parse(answer.headers.get('Homeostat-At')) || snapshot_at;
  latest[name] = await answer.json();
}

function show() {
  const get = (name) => latest[name] || {};
  const all_knobs = list(get('knobs').knobs), all_objectives = list(get('objectives').objectives), all_incidents = list(get('incidents').incidents);
  const modes = { acting: 'good', watching: 'info', stopped: 'bad', frozen: 'warn' };
  draw('mode', get('status').mode || '', (mode) => [mode]);
  at('mode').className = `pill ${modes[get('status').mode] || ''}`;
  draw('mode-why', get('status').why || '', (why) => [text(why)]);
  draw('tiles', [get('objectives'), all_incidents.map(is_open), all_knobs.map((k) => !!k.candidate), get('kpis').natural, get('readyz').ingest],
    () => tiles({ objectives: get('objectives'), incidents: get('incidents'), knobs: get('knobs'), kpis: get('kpis'), readyz: get('readyz') }));
  draw('incidents', all_incidents, incidents);
  draw('changes', { all: list(get('changes').changes), leases: all_knobs.filter((k) => k.candidate).map((k) => k.candidate.change) }, changes);
  leases(all_knobs);
  draw('objectives', [all_objectives, all_objectives.map((o) => history.get(o.name))], () => objectives(all_objectives));
  draw('ingest', get('readyz'), ingest);
  draw('knobs', all_knobs.map((k) => ({ ...k, candidate: k.candidate && { value: k.candidate.value } })), knobs);
  draw('kpis', { natural: get('kpis').natural, injected: get('kpis').injected }, kpis);
  draw('ledger', list(get('ledger').entries), ledger);
  const head = list(get('ledger').entries).find((e) => e.kind === 'head');
  at('ledger-note').textContent = get('ledger').size
    ? `${number(get('ledger').size)} entries${head ? `, signed up to #${head.index}` : ', nothing signed yet'}; the newest first` : '';
}

async function poll() {
  const results = await Promise.allSettled(Object.keys(sources).map(fetch_one));
  const failed = results.filter((r) => r.status === 'rejected');
  if (results[Object.keys(sources).indexOf('objectives')].status === 'fulfilled') remember(list(latest.objectives.objectives));
  at('banner').hidden = failed.length === 0;
  if (failed.length) at('banner').textContent = failed.length === results.length
    ? 'Homeostat does not answer: what is shown is old.' : `Not everything could be read: ${failed[0].reason.message}`;
  else at('login').hidden = true;
  if (failed.length < results.length) show();
  document.documentElement.dataset.polled = String(Number(document.documentElement.dataset.polled || 0) + 1);
}

function age() {
  const old_ms = Date.now() - snapshot_at;
  at('age').textContent = snapshot_at === 0 ? 'waiting for the loop' : old_ms < 3000 ? 'live' : `${seconds(old_ms / 1000)} old`;
  at('live').className = `live ${snapshot_at === 0 ? '' : old_ms < 3000 ? 'on' : 'late'}`;
}

async function run() {
  if (!document.hidden) await poll();
  age();
  setTimeout(run, poll_ms);
}

function set_theme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
}
set_theme(localStorage.getItem('theme') || (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark'));
at('theme').addEventListener('click', () => set_theme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
at('enter').addEventListener('click', () => { token = at('token').value.trim(); sessionStorage.setItem('token', token); });
run();
