import assert from "node:assert/strict";
import { test } from "node:test";
import { paceOf } from "../../static/pace.js";

const at = (distance, target, ahead) => paceOf({ distance, target, ahead });

test("at its target a player plays at the speed of life", () => {
  assert.equal(at(6, 6, 4), 1);
  assert.equal(at(0.62, 0.6, 0.4), 1);
});

test("further behind it hurries as long as there is something to hurry through", () => {
  assert.ok(at(8, 6, 5) > 1);
  assert.ok(at(1.2, 0.6, 0.9) > 1);
  assert.equal(at(8, 6, 1), 1);
});

test("it never plays faster or slower than viewers bear", () => {
  assert.equal(at(60, 6, 50), 1.08);
  assert.equal(at(0.1, 6, 0.1), 0.94);
});

test("closer than its target and nearly starved it plays slower, so that the next hiccup does not show", () => {
  assert.ok(at(2.8, 6, 1) < 1);
  assert.ok(at(0.4, 0.6, 0.1) < 1);
});

test("closer than its target and well fed it enjoys that", () => {
  assert.equal(at(4, 6, 3), 1);
});

test("without knowing where live is it changes nothing", () => {
  assert.equal(at(null, 6, 3), 1);
  assert.equal(at(4, null, 3), 1);
  assert.equal(at(NaN, 6, 3), 1);
});
