import assert from "node:assert/strict";
import { test } from "node:test";
import { StuckWatch, isBlank, patienceOf } from "../../static/stuck.js";

test("a player is stuck that stands still for eight seconds while its path has media", () => {
  const watch = new StuckWatch();
  assert.equal(watch.push("stalled", true, 0), false);
  assert.equal(watch.push("stalled", true, 8_000), false);
  assert.equal(watch.push("stalled", true, 8_001), true);
  watch.begin();
  assert.equal(watch.push("stalled", true, 8_500), false);
  assert.equal(watch.push("playing", true, 30_000), false);
  assert.equal(watch.push("starting", true, 30_000), false);
  assert.equal(watch.push("starting", true, 42_001), true);
});

test("no player is stuck where nobody sends, and it has its time when somebody does again", () => {
  const watch = new StuckWatch();
  for (let now = 0; now < 60_000; now += 500) assert.equal(watch.push("stalled", false, now), false);
  assert.equal(watch.push("stalled", true, 60_000), false);
  assert.equal(watch.push("stalled", true, 67_000), false);
  assert.equal(watch.push("stalled", true, 68_001), true);
});

test("a player that stands and gets nothing is stuck sooner than one that gets something", () => {
  const watch = new StuckWatch();
  const got = (mark) => ({ mark, patienceMs: 2_000 });
  assert.equal(watch.push("stalled", true, 0, got("1 4.000")), false);
  assert.equal(watch.push("stalled", true, 2_000, got("1 4.000")), false);
  assert.equal(watch.push("stalled", true, 2_500, got("1 4.200")), false);
  assert.equal(watch.push("stalled", true, 4_500, got("1 4.200")), false);
  assert.equal(watch.push("stalled", true, 4_501, got("1 4.200")), true);
  assert.equal(watch.push("playing", true, 9_000, got("1 4.200")), false);
});

test("how long a player may get nothing depends on what it waits for", () => {
  const low = { name: "hls", lowLatency: () => ({ on: true }) };
  const plain = { name: "hls", lowLatency: () => ({ on: false }) };
  const webrtc = { name: "webrtc", lowLatency: () => ({ on: true }) };
  assert.ok(patienceOf(low) < patienceOf(plain));
  assert.ok(patienceOf(plain) < patienceOf(webrtc));
});

test("sound without pictures is no blank player once it plays", () => {
  assert.equal(isBlank({ frames: 0, width: 0, hasPlayed: true }), false);
  assert.equal(isBlank({ frames: 0, width: 0, hasPlayed: false }), true);
  assert.equal(isBlank({ frames: 0, width: 640, hasPlayed: true }), true);
  assert.equal(isBlank({ frames: 1, width: 640, hasPlayed: true }), false);
});
