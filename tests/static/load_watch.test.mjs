import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadWatch } from "../../static/load_watch.js";

/** Playing well until 1,000 ms: then the player stands. */
function playing() {
  const watch = new LoadWatch();
  for (let now = 0; now <= 1000; now += 200) {
    watch.list(10 + now / 1000, now);
    watch.append("video", now);
    watch.append("audio", now);
  }
  return watch;
}

test("a player is stuck that stands and loads nothing of what is listed", () => {
  const watch = playing();
  for (let now = 1200; now <= 3000; now += 200) watch.list(10 + now / 1000, now);
  assert.equal(watch.isStuck(1000, 2200), false);
  assert.equal(watch.isStuck(1000, 2201), true);
});

test("so is one of which only the sound does not go on", () => {
  const watch = playing();
  for (let now = 1200; now <= 3000; now += 200) {
    watch.list(10 + now / 1000, now);
    watch.append("video", now);
  }
  assert.equal(watch.isStuck(1000, 3000), true);
});

test("where nothing new is listed there is nothing to be loaded", () => {
  const watch = playing();
  for (let now = 1200; now <= 9000; now += 200) watch.list(11, now);
  assert.equal(watch.isStuck(1000, 9000), false);
});

test("who loads anew has time for it", () => {
  const watch = playing();
  for (let now = 1200; now <= 4000; now += 200) watch.list(10 + now / 1000, now);
  watch.begin(2600);
  assert.equal(watch.isStuck(1000, 3800), false);
  assert.equal(watch.isStuck(1000, 3801), true);
});

test("before anything has been buffered it is no case for this", () => {
  const watch = new LoadWatch();
  watch.list(1, 0);
  watch.list(2, 1500);
  assert.equal(watch.isStuck(0, 1600), false);
});
