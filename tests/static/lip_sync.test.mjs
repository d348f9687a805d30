import assert from "node:assert/strict";
import { test } from "node:test";

import { correct, hold, median } from "../../static/lip_sync.js";

const FREE = { picture: 0, sound: 0 };

test("what nobody notices is left alone", () => {
  for (const lead of [-25, 0, 50, 80]) assert.deepEqual(correct(FREE, lead), FREE);
});

test("who is ahead by more is held back, a step at a time", () => {
  assert.deepEqual(correct(FREE, 100), { picture: 20, sound: 0 });
  assert.deepEqual(correct(FREE, 500), { picture: 80, sound: 0 });
  assert.deepEqual(correct(FREE, -45), { picture: 0, sound: 20 });
});

test("it comes to rest at the bound, whichever is ahead, and lets go when the network has got better", () => {
  for (const [natural, within] of [
    [300, [70, 80]],
    [-300, [-25, -15]],
  ]) {
    let held = FREE;
    const lead = () => natural - held.picture + held.sound;
    for (let round = 0; round < 20; round += 1) held = correct(held, lead());
    assert.ok(within[0] <= lead() && lead() <= within[1], `${lead()}`);
    const rested = held;
    assert.deepEqual(correct(held, lead()), rested);
    for (let round = 0; round < 20; round += 1) held = correct(held, 30 - held.picture + held.sound);
    assert.deepEqual(held, FREE);
  }
});

test("nothing is held for longer than a second", () => {
  let held = FREE;
  for (let round = 0; round < 60; round += 1) held = correct(held, 5000);
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
