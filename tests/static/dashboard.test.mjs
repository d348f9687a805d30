import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { escapePath, ffmpegCommand, playAddresses, publishAddresses, rtmpOf } from "../../static/addresses.js";
import { ApiClient, mayControl } from "../../static/api_client.js";
import { History, POINTS } from "../../static/history.js";
import { bitrateLabel, bytesLabel, codecLabel, countLabel, durationLabel, latencyLabel, protocolLabel } from "../../static/labels.js";
import { mediaWords, overHttp, words } from "../../static/session_list.js";
import { Reading } from "../../static/reading.js";
import { sparkPaths } from "../../static/sparkline.js";
import { findPicture } from "../../static/thumbnail.js";
import { eventWords, stateOf } from "../../static/words.js";

const SERVER = { rtmp_listen: "0.0.0.0:1936", webrtc: true };

test("OBS is told server and stream key apart, with the port where it is not the usual one", () => {
  assert.deepEqual(rtmpOf("live/foo", SERVER, "tv.example"), {
    server: "rtmp://tv.example:1936/live", key: "foo", url: "rtmp://tv.example:1936/live/foo", isLoopback: false,
  });
  assert.equal(rtmpOf("a/b/c", { rtmp_listen: "[::1]:1935" }, "h").server, "rtmp://h/a/b");
  assert.equal(rtmpOf("a/b/c", { rtmp_listen: "[::1]:1935" }, "h").isLoopback, true);
  assert.equal(rtmpOf("solo", { rtmp_listen: "127.0.0.1:1935" }, "h").url, "rtmp://h/solo");
  assert.equal(rtmpOf("live/foo", { rtmp_listen: "" }, "h"), null);
});

test("what the server does not speak is not offered", () => {
  const ids = (server) => publishAddresses("live/foo", server, "https://h", "h").map((one) => one.id);
  assert.deepEqual(ids(SERVER), ["obs-server", "obs-key", "rtmp", "whip", "browser"]);
  assert.deepEqual(ids({ rtmp_listen: "", webrtc: true }), ["whip", "browser"]);
  assert.deepEqual(ids({ rtmp_listen: "", webrtc: false }), []);
  const urls = { page: "/live/foo/", hls: "/live/foo/index.m3u8", dash: "/live/foo/manifest.mpd" };
  const play = playAddresses({ urls }, "https://h");
  assert.deepEqual(play.map((one) => one.id), ["page", "hls", "dash", "ll-dash"]);
  assert.equal(play[3].value, "https://h/live/foo/low-latency.mpd");
});

test("names with odd characters stay what they are in URLs", () => {
  assert.equal(escapePath("/a b/ä?#%/"), "/a%20b/%C3%A4%3F%23%25/");
  assert.match(ffmpegCommand("rtmp://h/live/x"), /-g 60 .*-f flv rtmp:\/\/h\/live\/x$/);
});

const record = (path, more = {}) => ({
  path, state: "live", ingest_bps: 1e6, worker: null,
  renditions: [{ name: "360p", height: 360, measured_fps: 15 }, { name: "source", height: 720, copied: true, measured_fps: 30 }],
  ...more,
});

test("the history of a path is bounded, goes with the path, and is of what its publisher sends", () => {
  const history = new History();
  for (let i = 0; i < POINTS + 5; i++) history.push([record("a", { ingest_bps: i })], i);
  assert.equal(history.of("a").bitrate.length, POINTS);
  assert.equal(history.of("a").bitrate.at(-1), POINTS + 4);
  assert.equal(history.of("a").fps.at(-1), 30);
  history.push([record("b", { renditions: [] })], 0);
  assert.deepEqual(history.of("a").bitrate, []);
  assert.deepEqual(history.of("b").fps, [0]);
});

test("cores are CPU seconds by the second, of one and the same worker", () => {
  const history = new History();
  const at = (ms, cpu_s, starts) => history.push([record("a", { worker: { cpu_s, rss_bytes: 1, starts } })], ms);
  at(0, 10, 1);
  assert.equal(history.of("a").cores, null);
  at(2000, 13, 1);
  assert.equal(history.of("a").cores, 1.5);
  at(4000, 0.5, 2);
  assert.equal(history.of("a").cores, null);
  at(6000, 0.7, 2);
  assert.ok(Math.abs(history.of("a").cores - 0.1) < 1e-9);
});

test("a chart ends at its right edge, and two with one scale can be compared", () => {
  const size = { width: 100, height: 20, points: 11 };
  assert.deepEqual(sparkPaths([5], size), { line: "", area: "" });
  const { line, area } = sparkPaths([0, 10], { ...size, top: 10 });
  assert.equal(line, "M90 19L100 1");
  assert.equal(area, "M90 19L100 1L100 20L90 20Z");
  assert.equal(sparkPaths([5, 5], { ...size, top: 10 }).line, "M90 10L100 10");
  assert.equal(sparkPaths([0, 0], size).line, "M90 19L100 19");
  const gap = sparkPaths([10, null, 10], { ...size, top: 10 });
  assert.equal(gap.line, "M80 1M100 1");
  assert.equal(gap.area, "");
});

test("states are told in words, and new ones by their own name", () => {
  const label = (state, details, reason = "") => stateOf({ state, details, reason }).label;
  assert.equal(label("live", { state: "live" }), "Live");
  assert.equal(label("live", { state: "degraded" }), "Degraded");
  assert.equal(label("live", { state: "slate" }), "Slate");
  assert.equal(label("starting", { state: "live" }), "Starting");
  assert.equal(label("starting", { state: "connecting" }), "Connecting");
  assert.equal(label("starting", { state: "failed" }, "its source cannot be opened"), "Failed");
  assert.equal(stateOf({ state: "starting", details: { state: "failed" } }).tone, "bad");
  assert.equal(label("idle", {}, "pulled while someone watches"), "On demand");
  assert.equal(label("away", undefined), "Away");
  assert.equal(label("live", { state: "half_asleep" }), "Half asleep");
});

test("events are told in words, unknown ones with all they carry", () => {
  const text = (type, data) => eventWords({ type, data }).text;
  assert.equal(text("path.state", { state: "live", was: "starting", reason: "first-sample" }), "Live, was starting");
  assert.equal(text("path.state", { state: "reconnecting", was: "live", reason: "publisher-left", detail: "" }), "Reconnecting, was live: the publisher has left");
  assert.equal(text("path.state", { state: "degraded", reason: "encoder-behind", detail: "720p is shed" }), "Degraded: an encoder cannot keep up; 720p is shed");
  assert.equal(text("path.state", { state: "stalled", was: "live", reason: "publisher-silent", detail: "primary" }), "Stalled, was live: nothing comes from the publisher");
  assert.equal(text("path.state", { state: "ended", reason: "new-reason" }), "Ended: new-reason");
  assert.equal(text("chat", { sender: "Ada", text: "x".repeat(300) }), `Ada says: ${"x".repeat(200)}…`);
  assert.equal(text("config.reloaded", { changed: ["live/*"] }), "The configuration was read again: live/*");
  assert.equal(text("publisher.connected", { protocol: "rtmp", role: "primary" }), "Publisher connected (RTMP)");
  assert.equal(text("publisher.connected", { protocol: "whip", role: "backup" }), "Backup publisher connected (WHIP)");
  assert.equal(text("publisher.rejected", { protocol: "rtmp", reason: "wrong key", withheld: 3 }), "Publisher turned down (RTMP): wrong key; and 3 before it");
  assert.equal(text("rendition.added", { name: "720p", codec: "h264", width: 1280, height: 720, frame_rate: 30 }), "Players can choose 720p (H.264 1280×720 30 fps)");
  assert.equal(text("track.added", { codec: "aac", sample_rate: 48000, channels: 2 }), "Sends AAC 48 kHz stereo");
  assert.equal(text("ingest.advice", { text: "There is no sound.", to_do: "Check it." }), "There is no sound. Check it.");
  assert.equal(text("moon.rose", { phase: "full", by: { who: "me" } }), 'moon.rose: phase full, by {"who":"me"}');
  assert.equal(text("moon.set", undefined), "moon.set");
  assert.equal(eventWords({ type: "ingest.advice", data: { text: "x" } }).tone, "warn");
});

test("figures are told as people say them", () => {
  assert.deepEqual([0, 999_000, 2_500_000].map(bitrateLabel), ["", "999 kbit/s", "2.5 Mbit/s"]);
  assert.deepEqual([55e6, 2.4e9].map(bytesLabel), ["55 MB", "2.4 GB"]);
  assert.deepEqual([-1, 59, 60, 3700, 90_000].map(durationLabel), ["0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h"]);
  assert.deepEqual([null, 0.0371, 1.234, 12.34].map(latencyLabel), ["–", "37 ms", "1.23 s", "12.3 s"]);
  assert.deepEqual([countLabel(1, "viewer"), countLabel(0, "viewer")], ["1 viewer", "0 viewers"]);
  assert.deepEqual(["avc1.64001f", "h264", "hvc1.1", "mp4a.40.2", "opus", "mp3", "ac-3", "x"].map(codecLabel), ["H.264", "H.264", "H.265", "AAC", "Opus", "MP3", "Dolby", "X"]);
  assert.deepEqual(["hls", "webrtc", "srt"].map(protocolLabel), ["HLS", "WebRTC", "SRT"]);
});

function storage() {
  const held = new Map();
  return { getItem: (k) => held.get(k) ?? null, setItem: (k, v) => held.set(k, v), removeItem: (k) => held.delete(k), held };
}

test("a token goes out as a header alone, and not any more once it is taken back", async (t) => {
  const asked = [];
  t.mock.method(globalThis, "fetch", async (url, options) => {
    asked.push({ url, ...options });
    return Response.json({ path: "live/a", state_version: 8 });
  });
  const api = new ApiClient(storage());
  api.token = "hw_secret";
  await api.kick("live/a", 7);
  assert.deepEqual([asked[0].method, asked[0].url], ["DELETE", "/api/v1/publishers/live%2Fa"]);
  assert.deepEqual(asked[0].headers, { Authorization: "Bearer hw_secret", "If-Match": '"7"' });
  api.token = "";
  await api.caller();
  assert.deepEqual(asked[1].headers, {});
  assert.equal(api.storage.held.size, 0);
});

test("paths come page by page; refusals and silence are errors that say why", async (t) => {
  const answers = [Response.json({ paths: [{ path: "a" }], next: "a" }), Response.json({ paths: [{ path: "b" }] })];
  const urls = [];
  const fetch = t.mock.method(globalThis, "fetch", async (url) => (urls.push(url), answers.shift()));
  const api = new ApiClient(storage());
  assert.deepEqual((await api.paths()).map((one) => one.path), ["a", "b"]);
  assert.match(urls[1], /after=a$/);
  answers.push(Response.json({ detail: "this needs a token" }, { status: 401 }), new Response("<html>", { status: 502 }));
  await assert.rejects(api.server(), { status: 401, message: "this needs a token" });
  await assert.rejects(api.server(), { status: 502 });
  fetch.mock.mockImplementation(async () => { throw new TypeError("offline"); });
  await assert.rejects(api.server(), { status: 0 });
});

test("only control and admin may close publishers", () => {
  assert.deepEqual(["read", "control", "admin", null].map((scope) => mayControl({ scope })), [false, true, true, false]);
});

test("a picture is fetched with the token of who signed in, which is in no URL", async () => {
  const asked = [];
  const answer = (ok) => async (url, options) => {
    asked.push({ url, ...options });
    return { ok, blob: async () => new Blob(["a picture"]) };
  };
  assert.equal(await findPicture("/live/a/thumbnail.jpg?at=1", {}, answer(true)), "/live/a/thumbnail.jpg?at=1");
  assert.deepEqual(asked, []);
  const headers = { Authorization: "Bearer hw_x" };
  assert.match(await findPicture("/live/a/thumbnail.jpg", headers, answer(true)), /^blob:/);
  assert.deepEqual(asked, [{ url: "/live/a/thumbnail.jpg", headers, cache: "no-store" }]);
  assert.equal(await findPicture("/live/a/thumbnail.jpg", headers, answer(false)), "");
  const broken = () => Promise.reject(new TypeError("no network"));
  assert.equal(await findPicture("/live/a/thumbnail.jpg", headers, broken), "");
});

test("how media get through by WebRTC is told in words", () => {
  assert.equal(mediaWords(null), "–");
  assert.equal(mediaWords({ bitrate: 0, rtt_s: null, streams: [] }), "–");
  const streams = [{ loss: 0 }, { loss: 0.012 }];
  assert.equal(mediaWords({ bitrate: 2_500_000, rtt_s: 0.0234, streams }), "2.5 Mbit/s, 1.2 % lost, 23 ms");
  assert.equal(mediaWords({ bitrate: 40_000, rtt_s: null, streams: [{ loss: 0 }] }), "40 kbit/s");
});

test("sessions are told in words", () => {
  assert.equal(words({ protocol: "whep", role: "viewer" }), "WebRTC viewer");
  assert.equal(words({ protocol: "rtmp", role: "publisher", rank: "backup", is_on_air: false }), "RTMP publisher (backup, off air)");
  assert.equal(words({ protocol: "pull", role: "publisher", rank: "primary", is_on_air: true }), "Pulled source");
  assert.equal(overHttp(undefined), "");
  assert.equal(overHttp({ hls: 3, dash: 0 }), "Over HTTP: HLS 3; these have no sessions that could be ended.");
});

/** A page whose questions are answered when the test says so. */
function asked() {
  mock.timers.enable({ apis: ["setTimeout"] });
  const page = { questions: [], shown: [] };
  page.reading = new Reading({
    ask: (signal) => new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("ended")));
      page.questions.push({ resolve, reject });
    }),
    show: (told) => page.shown.push(told),
    fail: (error) => page.shown.push(error.message),
    pauseMs: () => 2_000,
  });
  page.tick = async (ms) => {
    for (let i = 0; i < 9; i++) await Promise.resolve();
    mock.timers.tick(ms);
  };
  return page;
}

test("what happens while a question is under way is asked about after its answer, and no sooner", async (t) => {
  t.after(() => mock.timers.reset());
  const page = asked();
  page.reading.restart();
  page.reading.soon();
  await page.tick(1_000);
  assert.equal(page.questions.length, 1);
  page.questions[0].resolve("old");
  await page.tick(149);
  assert.deepEqual([page.shown, page.questions.length], [["old"], 1]);
  await page.tick(1);
  assert.equal(page.questions.length, 2);
  page.questions[1].resolve("new");
  await page.tick(1_999);
  assert.deepEqual([page.shown, page.questions.length], [["old", "new"], 2]);
  await page.tick(1);
  assert.equal(page.questions.length, 3);
});

test("however often something happens, the question comes", async (t) => {
  t.after(() => mock.timers.reset());
  const page = asked();
  page.reading.restart();
  page.questions[0].resolve("first");
  await page.tick(0);
  for (let i = 0; i < 3; i++) {
    page.reading.soon();
    await page.tick(50);
  }
  assert.equal(page.questions.length, 2);
});

test("an answer to who asked before is not shown", async (t) => {
  t.after(() => mock.timers.reset());
  const page = asked();
  page.reading.restart();
  page.reading.restart();
  page.questions[0].resolve("of somebody else");
  page.questions[1].resolve("mine");
  await page.tick(0);
  assert.deepEqual(page.shown, ["mine"]);
});

test("a server that says nothing does not answer, and is asked again", async (t) => {
  t.after(() => mock.timers.reset());
  const page = asked();
  page.reading.restart();
  await page.tick(10_000);
  await page.tick(2_000);
  assert.deepEqual([page.shown, page.questions.length], [["ended"], 2]);
});
