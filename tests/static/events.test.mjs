// The follower of the event log against a server of Node's, which breaks in the ways that proxies do.

import assert from "node:assert/strict";
import http from "node:http";
import { afterEach, test } from "node:test";

import { StreamParser, compareIds, followEvents } from "../../static/events.js";

const EPOCH = 1_700_000_000_000;
const EVENTS = Array.from({ length: 400 }, (_, n) => ({
  id: `${EPOCH}-${n + 1}`, ts: n, type: "test.tick", path: "live/a", state_version: 0, data: {},
}));
const number = (id) => Number(id?.split("-")[1] ?? 0);
const closing = [];
// One that a test leaves behind would wait for 20 s, by timers that the next test has replaced.
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(handler) {
  const server = http.createServer((request, response) => {
    const url = new URL(request.url, "http://a");
    handler(url, response, request);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  closing.push(() => (server.close(), server.closeAllConnections()));
  return `http://127.0.0.1:${server.address().port}/api/v1/events`;
}

const sse = (event) => `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`;

function follow(url, options = {}) {
  const told = [];
  const states = [];
  const waiting = [];
  const log = followEvents({
    url,
    after: `${EPOCH}-0`,
    patienceMs: 300,
    onEvent: (event) => {
      told.push(number(event.id));
      waiting.filter(([count]) => told.length >= count).forEach(([, resolve]) => resolve());
    },
    onReset: (event) => told.push(`reset ${event.id}`),
    onState: (state) => states.push(`${state.way} ${state.connected}`),
    ...options,
  });
  closing.push(() => (log.close(), log.finished));
  const count = (n) => new Promise((resolve) => waiting.push([n, resolve]));
  return { log, told, states, count };
}

test("ids compare by epoch, then by number, not as text", () => {
  assert.ok(compareIds("5-10", "5-9") > 0);
  assert.ok(compareIds("6-1", "5-900") > 0);
  assert.equal(compareIds("5-1", "5-1"), 0);
  assert.ok(compareIds("5-1", "") > 0);
});

test("a stream is parsed in whatever pieces it comes", () => {
  const text = ": hello\nretry: 1\n\n" + sse(EVENTS[0]) + ": heartbeat\nid: 7-9\n\n" + sse(EVENTS[1]);
  for (const size of [1, 7, 10_000]) {
    const told = [];
    const positions = [];
    const parser = new StreamParser((event) => told.push(event.id), (id) => positions.push(id));
    for (let at = 0; at < text.length; at += size) parser.push(text.slice(at, at + size));
    assert.deepEqual(told, [EVENTS[0].id, EVENTS[1].id]);
    assert.ok(positions.includes("7-9"));
  }
});

test("a stream that is cut again and again loses nothing and tells nothing twice", async () => {
  let connections = 0;
  const url = await serve((url, response) => {
    connections += 1;
    // Each connection begins before where it was asked to, as a careless proxy's replay would.
    const from = Math.max(0, number(url.searchParams.get("after")) - 5);
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(": hello\n\n" + EVENTS.slice(from, from + 50).map(sse).join(""));
    setTimeout(() => response.destroy(), 20);
  });
  const { told, count } = follow(url, { ways: ["stream"] });
  await count(400);
  assert.deepEqual(told, EVENTS.map((event) => number(event.id)));
  assert.ok(connections >= 8);
});

test("a stream that is kept back gives way to a socket, and that one to long-polls", async () => {
  const url = await serve((url, response) => {
    if (!url.searchParams.has("wait")) return; // the stream's answer never comes
    const from = number(url.searchParams.get("after"));
    const body = JSON.stringify(EVENTS.slice(from, from + 30));
    response.writeHead(200, { "Content-Type": "application/json" });
    response.end(body);
  });
  const { told, states, count } = follow(url);
  await count(400);
  assert.deepEqual(told, EVENTS.map((event) => number(event.id)));
  assert.deepEqual(states, ["poll true"]);
});

test("a stream that falls silent after it lived is left, too", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = [];
  const url = await serve((url, response) => {
    asked.push(url.searchParams.has("wait") ? "poll" : "stream");
    response.writeHead(200, {});
    if (asked.length === 1) response.write(": hello\n\n");
  });
  const { states } = follow(url, { ways: ["stream", "poll"] });
  while (states.length < 1) await new Promise(setImmediate);
  context.mock.timers.tick(12_000);
  assert.deepEqual(asked, ["stream"]);
  context.mock.timers.tick(1_000);
  while (states.length < 2) await new Promise(setImmediate);
  context.mock.timers.tick(1_000);
  while (asked.length < 2) await new Promise(setImmediate);
  assert.deepEqual(asked, ["stream", "poll"]);
});

for (const [chance, expected] of [
  [1, [400, 800, 1600, 3200, 6400, 10_000, 10_000]],
  [0, [200, 400, 800, 1600, 3200, 5_000, 5_000]],
]) {
  test(`who is away is asked ever less often, where chance has it ${chance}`, async (context) => {
    const patienceMs = 1e9;
    const waits = [];
    const later = globalThis.setTimeout;
    context.mock.method(Math, "random", () => chance);
    context.mock.method(globalThis, "setTimeout", (call, ms, ...more) => {
      if (ms === patienceMs) return undefined;
      if (!new Error().stack.includes("static/events.js")) return later(call, ms, ...more);
      waits.push(ms);
      return later(call, 0);
    });
    let asked = 0;
    const url = await serve((url, response) => {
      asked += 1;
      response.writeHead(503);
      response.end();
    });
    follow(url, { ways: ["stream"], patienceMs });
    while (asked <= expected.length) await new Promise(setImmediate);
    assert.deepEqual(waits.slice(0, expected.length), expected);
  });
}

test("a connection that lived is taken up again at once, however often it is cut", async (context) => {
  const waits = [];
  const later = globalThis.setTimeout;
  context.mock.method(globalThis, "setTimeout", (call, ms, ...more) => {
    if (ms < 300 && new Error().stack.includes("static/events.js")) waits.push(ms);
    return later(call, ms, ...more);
  });
  const url = await serve((url, response) => {
    response.writeHead(200, {});
    response.end(EVENTS.slice(number(url.searchParams.get("after"))).slice(0, 20).map(sse).join(""));
  });
  const { count } = follow(url, { ways: ["stream"] });
  await count(100);
  assert.equal(waits.length, 4);
  assert.ok(waits.every((wait) => wait >= 100 && wait <= 200));
});

test("after a reset it goes on from there, whatever it had before", async () => {
  const url = await serve((url, response) => {
    const reset = { id: "5-7", ts: 0, type: "reset", data: { reason: "lost", paths: {} } };
    const next = { ...EVENTS[0], id: "5-8" };
    response.writeHead(200, {});
    response.write(sse(reset) + sse(next));
  });
  const { log, told, count } = follow(url, { ways: ["stream"] });
  await count(2);
  assert.deepEqual(told, ["reset 5-7", 8]);
  assert.equal(log.position, "5-8");
});

test("a closed follower asks and tells nothing more", async () => {
  let asked = 0;
  const url = await serve((url, response) => {
    asked += 1;
    response.writeHead(200, {});
    response.write(sse(EVENTS[0]));
  });
  const { log, told, count } = follow(url, { ways: ["stream"] });
  await count(1);
  log.close();
  await log.finished;
  assert.equal(asked, 1);
  assert.deepEqual(told, [1]);
});
