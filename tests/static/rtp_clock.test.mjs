import assert from "node:assert/strict";
import { test } from "node:test";

import { mediaTime, outputDelay, playing } from "../../static/rtp_clock.js";

const WRAP = 2n ** 32n;
const timestampOf = (utcMs, { rate, offset }) => Number(((BigInt(utcMs) * BigInt(rate)) / 1000n + BigInt(offset)) % WRAP);

test("a timestamp is media time, before and after it wraps", () => {
  for (const clock of [
    { rate: 90_000, offset: 0 },
    { rate: 90_000, offset: 4_294_967_000 },
    { rate: 48_000, offset: 123_456_789 },
  ]) {
    const start = 1_795_722_757_000;
    for (let hours = 0; hours < 60; hours += 1) {
      const utc = start + hours * 3_600_000;
      for (const off of [-5000, -20, 0, 20, 5000]) {
        assert.equal(mediaTime(clock, timestampOf(utc, clock), utc + off), utc);
      }
    }
  }
});

test("what plays is the newest frame, by the page's own clock whichever way the browser counts", () => {
  const receiver = (timestamp) => ({ getSynchronizationSources: () => [{ rtpTimestamp: 7, timestamp }] });
  assert.deepEqual(playing(receiver(1234)), { timestamp: 7, at: 1234 });
  assert.ok(Math.abs(playing(receiver(performance.timeOrigin + 1234)).at - 1234) < 0.01);
  assert.equal(playing({ getSynchronizationSources: () => [] }), null);
  assert.equal(playing({}), null);
});

test("what sound takes through the output is its samples' mean, where the browser tells", () => {
  assert.equal(outputDelay({ totalPlayoutDelay: 14_116.41, totalSamplesCount: 470_547 }), 30);
  for (const untold of [undefined, {}, { totalPlayoutDelay: 0, totalSamplesCount: 0 }]) assert.equal(outputDelay(untold), 0);
});
