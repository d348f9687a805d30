import assert from "node:assert/strict";
import { test } from "node:test";

import { correct, expect, hold, median } from "../../static/lip_sync.js";

const FREE = { picture: 0, sound: 0 };

/** Look after look: `natural(look)` is the lead while nothing is held. Yields { held, lead } of each. */
function* looks(count, natural) {
  let [held, expected] = [FREE, null];
  for (let look = 0; look < count; look += 1) {
    const lead = natural(look) - held.picture + held.sound;
    const before = held;
    held = correct(before, lead, expected);
    expected = expect(lead, before, held);
    yield { held, lead };
  }
}

test("what nobody notices is left alone", () => {
  for (const lead of [-25, 0, 60, 120]) assert.deepEqual(correct(FREE, lead, lead), FREE);
});

test("who is ahead by more is held back, a step at a time", () => {
  assert.deepEqual(correct(FREE, 140, 140), { picture: 20, sound: 0 });
  assert.deepEqual(correct(FREE, 500, 500), { picture: 80, sound: 0 });
  assert.deepEqual(correct(FREE, -45, -45), { picture: 0, sound: 20 });
});

test("nothing is held by the first look, nor for who catches up by itself", () => {
  assert.deepEqual(correct(FREE, 500, null), FREE);
  for (const natural of [(look) => 800 - 180 * look, (look) => -400 + 90 * look]) {
    for (const { held } of looks(5, natural)) assert.deepEqual(held, FREE);
  }
});

test("who has stopped catching up is waited for", () => {
  const seen = [...looks(12, (look) => Math.max(300, 800 - 180 * look))];
  assert.deepEqual(seen[3].held, FREE);
  assert.ok(seen.at(-1).lead <= 120, `${seen.at(-1).lead}`);
});

test("what is held does not count as catching up: a step in each look", () => {
  const seen = [...looks(5, () => 380)];
  assert.deepEqual(
    seen.map(({ held }) => held.picture),
    [0, 80, 160, 240, 260],
  );
});

test("it comes to rest at the bound, whichever is ahead, and lets go when the network has got better", () => {
  for (const [natural, within] of [
    [300, [110, 120]],
    [-300, [-25, -15]],
  ]) {
    const seen = [...looks(60, (look) => (look < 30 ? natural : 30))];
    const { held, lead } = seen[28];
    assert.ok(within[0] <= lead && lead <= within[1], `${lead}`);
    assert.deepEqual(seen[29].held, held);
    assert.deepEqual(seen[59].held, FREE);
  }
});

test("nothing is held for longer than a second", () => {
  let held = FREE;
  for (let round = 0; round < 60; round += 1) held = correct(held, 5000, 5000);
  assert.equal(held.picture, 1000);
});

test("the median of few leads is what one of them does not change", () => {
  assert.equal(median([30, 500, 10]), 30);
  assert.equal(median([10, 40, 20, -900]), 15);
});

test("a receiver is told in the words of its browser", () => {
  const modern = { jitterBufferTarget: null };
  hold(modern, 40);
  assert.equal(modern.jitterBufferTarget, 40);
  hold(modern, 0);
  assert.equal(modern.jitterBufferTarget, null);
  const old = { playoutDelayHint: null };
  hold(old, 40);
  assert.equal(old.playoutDelayHint, 0.04);
  hold({}, 40);
});
