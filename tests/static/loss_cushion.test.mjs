import assert from "node:assert/strict";
import { test } from "node:test";

import { LossCushion } from "../../static/loss_cushion.js";

const seen = (packetsReceived, packetsLost) => ({ packetsReceived, packetsLost });

test("without losses pictures wait for nothing", () => {
  const cushion = new LossCushion();
  for (let turn = 1; turn < 10; turn += 1) assert.equal(cushion.update(seen(turn * 150, 0), 50, turn * 500), 0);
  assert.equal(cushion.update(seen(1500, 0), 50, 5000), 0);
});

test("where packets get lost pictures wait for two resends, and for a while after", () => {
  const cushion = new LossCushion();
  assert.equal(cushion.update(seen(140, 2), 50, 500), 210);
  assert.equal(cushion.update(seen(290, 2), 50, 1000), 210);
  assert.equal(cushion.update(seen(440, 4), 30, 1500), 210, "what was needed a moment ago");
  assert.equal(cushion.update(seen(590, 4), 30, 16_400), 210);
  assert.equal(cushion.update(seen(740, 4), 30, 16_600), 0);
});

test("where many get lost they wait for a third", () => {
  const cushion = new LossCushion();
  assert.equal(cushion.update(seen(140, 8), 50, 500), 330);
  assert.equal(cushion.update(seen(290, 10), 50, 1000), 330);
});

test("there is a bound, and a guess where the round trip is not known", () => {
  assert.equal(new LossCushion().update(seen(100, 10), 2000, 0), 500);
  assert.equal(new LossCushion().update(seen(100, 10), 0, 0), 380);
  assert.equal(new LossCushion().update({}, 50, 0), 0);
});
