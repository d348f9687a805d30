// What is known and told while the picture waits, second by second.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Stall } from "../../static/stall.js";
import { WORDS } from "../../static/viewer_words.js";

/** A clock that a test moves, and that lets answers arrive before it goes on. */
class FakeClock {
  #now = 0;
  #waiting = new Map();
  #last = 0;

  now() {
    return this.#now;
  }

  setTimeout(call, ms) {
    this.#last += 1;
    this.#waiting.set(this.#last, { at: this.#now + ms, call });
    return this.#last;
  }

  clearTimeout(timer) {
    this.#waiting.delete(timer);
  }

  async advance(ms) {
    const until = this.#now + ms;
    for (; this.#now < until; this.#now += 100) await this.#fire();
    await this.#fire();
  }

  async #fire() {
    for (const [timer, { at, call }] of this.#waiting) {
      if (at > this.#now) continue;
      this.#waiting.delete(timer);
      call();
    }
    await new Promise(setImmediate);
  }
}

/** A stall whose path is in `asked.state`, and all that came of it. */
function stalling(state) {
  const clock = new FakeClock();
  const asked = { state, count: 0 };
  const told = [];
  const ask = async () => {
    asked.count += 1;
    return asked.state;
  };
  const on = { explained: ([title]) => told.push(title), gone: () => told.push("gone") };
  return { clock, asked, told, stall: new Stall(ask, on, clock) };
}

test("what is over within three seconds is not explained, but after one it is asked for", async () => {
  const { clock, asked, told, stall } = stalling("live");
  stall.begin();
  await clock.advance(900);
  assert.deepEqual([asked.count, stall.isOnAir], [0, false]);
  await clock.advance(100);
  assert.deepEqual([asked.count, stall.isOnAir], [1, true]);
  await clock.advance(1900);
  stall.end();
  await clock.advance(10_000);
  assert.deepEqual([asked.count, told], [1, []]);
});

test("what lasts is explained by what the path does, and asked for again every two seconds", async () => {
  const { clock, asked, told, stall } = stalling("away");
  stall.begin();
  await clock.advance(3000);
  assert.deepEqual([told, stall.isOnAir, stall.isAway], [[WORDS.away[0]], false, true]);
  asked.state = null;
  await clock.advance(2000);
  asked.state = "starting";
  await clock.advance(2000);
  asked.state = "live";
  await clock.advance(2000);
  assert.deepEqual(told.slice(1), [WORDS.network[0], WORDS[503][0], WORDS.buffering[0]]);
  assert.deepEqual([asked.count, stall.isOnAir, stall.isAway], [5, true, false]);
});

test("nobody waits for a path that has gone", async () => {
  const { clock, asked, told, stall } = stalling("gone");
  stall.begin();
  await clock.advance(20_000);
  assert.deepEqual([told, asked.count], [["gone"], 1]);
});

test("an answer that comes when the picture moves again is about nothing", async () => {
  const clock = new FakeClock();
  const told = [];
  let answer;
  const ask = () => new Promise((resolve) => (answer = resolve));
  const stall = new Stall(ask, { explained: () => told.push("explained"), gone: () => told.push("gone") }, clock);
  stall.begin();
  await clock.advance(4000);
  stall.end();
  answer("gone");
  await clock.advance(4000);
  assert.deepEqual(told, []);
});

test("each stall knows of its own stream only", async () => {
  const { clock, asked, stall } = stalling("live");
  stall.begin();
  await clock.advance(1000);
  asked.state = "away";
  stall.begin();
  assert.equal(stall.isOnAir, false);
  await clock.advance(1000);
  assert.deepEqual([asked.count, stall.isOnAir], [2, false]);
});

test("a picture that has had nothing to show for a second and a half waits, whatever its element says", async () => {
  const { clock, stall } = stalling("live");
  assert.equal(stall.starves(true), false);
  await clock.advance(1500);
  assert.equal(stall.starves(true), false);
  await clock.advance(100);
  assert.equal(stall.starves(true), true);
  assert.equal(stall.starves(false), false);
  assert.equal(stall.starves(true), false);
});
