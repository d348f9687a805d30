// What the page asks about its path, against a server that answers as each test says.
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { PathApi } from "../../static/path_api.js";
import { WORDS, chatWords, stallWords, wordsFor } from "../../static/viewer_words.js";

const api = new PathApi({ access: "/t/secret", path: "live/caf\u00e9" });
const answering = (status, body) => mock.method(globalThis, "fetch", async () => new Response(JSON.stringify(body), { status }));
const unreachable = () => mock.method(globalThis, "fetch", async () => Promise.reject(new TypeError("no network")));

afterEach(() => mock.restoreAll());

test("a path is asked for behind the viewing token and with its name escaped", async () => {
  const fetched = answering(200, { state: "live", details: { viewer_chat: true } });
  assert.deepEqual(await api.record(), { state: "live", details: { viewer_chat: true } });
  assert.equal(fetched.mock.calls[0].arguments[0], "/t/secret/api/v1/paths/live/caf%C3%A9");
});

test("a path that is not there, one that may not be told and a server that is away are three things", async () => {
  answering(404, {});
  assert.equal(await api.state(), "gone");
  mock.restoreAll();
  answering(401, {});
  assert.equal(await api.state(), "unknown");
  mock.restoreAll();
  unreachable();
  assert.equal(await api.state(), null);
  assert.deepEqual([stallWords("unknown"), stallWords(null)], [WORDS[503], WORDS.network]);
});

test("a line of chat is posted, and why it was not sent is said in words", async () => {
  const fetched = answering(202, {});
  assert.equal(chatWords(await api.chat({ text: "hello" })), "");
  const [url, { method, body }] = fetched.mock.calls[0].arguments;
  assert.deepEqual([url, method, body], ["/t/secret/api/v1/paths/live/caf%C3%A9/chat", "POST", '{"text":"hello"}']);
  mock.restoreAll();
  answering(429, {});
  assert.match(chatWords(await api.chat({ text: "again" })), /wait a moment/);
  mock.restoreAll();
  unreachable();
  assert.equal(chatWords(await api.chat({ text: "lost" })), WORDS.network[0]);
});

test("viewers are told what an answer means", () => {
  assert.deepEqual(wordsFor(403), wordsFor(401));
  assert.equal(wordsFor(404), WORDS[404]);
  assert.equal(wordsFor(502), WORDS[503]);
  assert.equal(wordsFor("network"), WORDS.network);
});
