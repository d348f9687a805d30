import assert from "node:assert/strict";
import { test } from "node:test";

import { PASSED_REACH_MS, REACH_MS, correct, expect, hold, median, reachOf } from "../../static/lip_sync.js";

const FREE = { picture: 0, sound: 0 };

/** Look after look: `natural(look)` is the lead while nothing is held. Yields { held, lead } of each. */
function* looks(count, natural, reach = 0) {
  let [held, expected] = [FREE, null];
  for (let look = 0; look < count; look += 1) {
    const lead = natural(look) - held.picture + held.sound;
    const before = held;
    held = correct(before, lead, expected, reach);
    expected = expect(lead, before, held);
    yield { held, lead };
  }
}

test("what nobody notices is left alone", () => {
  for (const lead of [-25, 0, 60, 120]) assert.deepEqual(correct(FREE, lead, lead, 0), FREE);
});

test("who is ahead by more is held back, a step at a time", () => {
  assert.deepEqual(correct(FREE, 140, 140, 0), { picture: 20, sound: 0 });
  assert.deepEqual(correct(FREE, 500, 500, 0), { picture: 80, sound: 0 });
  assert.deepEqual(correct(FREE, -45, -45, 0), { picture: 0, sound: 20 });
});

test("nothing is held by the first look, nor for who catches up by itself", () => {
  assert.deepEqual(correct(FREE, 500, null, 0), FREE);
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

/** A browser that counts into what it is told what is there anyway: [lead, held] after each look. */
function* browserLooks(count, natural, free, reach = REACH_MS) {
  let [held, expected] = [FREE, null];
  for (let look = 0; look < count; look += 1) {
    const lead = natural(look) - Math.max(0, held.picture - free) + held.sound;
    const before = held;
    held = correct(before, lead, expected, reach);
    expected = expect(lead, before, held);
    yield { held, lead };
  }
}

test("what is exact is left alone", () => {
  for (const natural of [-14, 0, 14]) {
    for (const { held } of looks(5, () => natural, REACH_MS)) assert.deepEqual(held, FREE);
  }
});

test("sound within reach is waited for until both are together exactly, whatever a browser counts", () => {
  for (const free of [0, 12, 25, 35]) {
    for (const natural of [18, 35, 50]) {
      const seen = [...browserLooks(10, () => natural, free)];
      assert.ok(Math.abs(seen.at(-1).lead) <= 14, `${natural} and ${free}: ${seen.at(-1).lead}`);
      assert.deepEqual(seen.at(-1).held, seen.at(-2).held);
    }
  }
});

test("the publisher's own sound is waited for further, a step at a time", () => {
  for (const free of [0, 12, 25, 35]) {
    for (const natural of [18, 51, 85, 120, 150]) {
      const seen = [...browserLooks(10, () => natural, free, reachOf("passed"))];
      const { held, lead } = seen.at(-1);
      assert.ok(Math.abs(lead) <= 14, `${natural} and ${free}: ${lead}`);
      assert.deepEqual(held, seen.at(-2).held);
      const steps = seen.slice(1).map((look, n) => look.lead - seen[n].lead);
      assert.ok(Math.min(...steps) >= -80 - 22, `${steps}`);
    }
  }
});

test("sound that is made, and sound of which nothing is known, is waited for within the usual reach", () => {
  assert.equal(reachOf("passed"), PASSED_REACH_MS);
  for (const sound of ["made", null, undefined]) assert.equal(reachOf(sound), REACH_MS);
});

test("the publisher's own sound that has been kept from its start is let go as the browser lets it go", () => {
  const seen = [...browserLooks(40, (look) => (look < 8 ? 140 : Math.max(25, 140 - 5 * (look - 8))), 22, PASSED_REACH_MS)];
  for (const { lead } of seen.slice(6)) assert.ok(Math.abs(lead) <= 20, `${lead}`);
  assert.ok(seen.at(-1).held.picture <= 45, `${seen.at(-1).held.picture}`);
});

test("a publisher whose sound is made takes the place of one whose own was waited for", () => {
  let [held, expected] = [FREE, null];
  for (let look = 0; look < 20; look += 1) {
    const lead = (look < 10 ? 90 : 85) - Math.max(0, held.picture - 22);
    const before = held;
    held = correct(before, lead, expected, reachOf(look < 10 ? "passed" : "made"));
    expected = expect(lead, before, held);
    if (look === 9) assert.ok(held.picture > 0);
  }
  assert.deepEqual(held, FREE);
});

test("sound beyond reach is not waited for but where it would be noticed", () => {
  for (const { held } of browserLooks(8, () => 85, 25)) assert.deepEqual(held, FREE);
  const { held, lead } = [...looks(8, () => 300, REACH_MS)].at(-1);
  assert.equal(lead, 120);
  assert.deepEqual(held, { picture: 180, sound: 0 });
});

test("sound that goes beyond reach for good is given up, and comes within it again", () => {
  const seen = [...browserLooks(30, (look) => (look < 10 ? 40 : look < 20 ? 95 : 40), 25)];
  assert.ok(seen[9].held.picture > 0);
  assert.deepEqual(seen[19].held, FREE);
  assert.ok(Math.abs(seen[29].lead) <= 14, `${seen[29].lead}`);
});

test("what is held is let go when sound comes sooner", () => {
  const seen = [...looks(60, (look) => (look < 20 ? 300 : look < 40 ? 40 : -30), REACH_MS)];
  assert.ok(Math.abs(seen[39].lead) <= 14, `${seen[39].lead}`);
  assert.ok(Math.abs(seen[59].lead) <= 14, `${seen[59].lead}`);
  assert.equal(seen[59].held.picture, 0);
});

test("nothing is held for longer than a second", () => {
  let held = FREE;
  for (let round = 0; round < 60; round += 1) held = correct(held, 5000, 5000, 0);
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
