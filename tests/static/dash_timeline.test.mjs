import assert from "node:assert/strict";
import { test } from "node:test";
import { beyondGap, capturedAt, growsInPieces, listedRanges, nextPeriodStart, sharesPeriod } from "../../static/dash_timeline.js";

const EPOCH = new Date(0);

/** A period of 2 s segments as dash.js gives it: `count` of them from `first` seconds on. */
function period(id, start, first, count, more = {}) {
  const S = [{ t: first * 90_000, d: 180_000, r: count - 1 }];
  const template = { timescale: 90_000, presentationTimeOffset: start * 90_000, SegmentTimeline: { S }, ...more };
  const audio = { contentType: "audio", Representation: [{ SegmentTemplate: { timescale: 1 } }] };
  const video = { contentType: "video", Representation: [{ SegmentTemplate: template }] };
  return { id, start, AdaptationSet: [audio, video] };
}

test("what periods list are stretches of presentation time, joined where they touch", () => {
  const mpd = { Period: [period("1", 100, 100, 3), period("2", 106, 106, 2), period("3", 120, 120, 1)] };
  assert.deepEqual(listedRanges(mpd), [[100, 110], [120, 122]]);
});

test("a lone period and a timeline without @t are understood, too", () => {
  const one = period("1", 10, 10, 1);
  one.AdaptationSet[1].Representation[0].SegmentTemplate.SegmentTimeline.S = [{ t: 900_000, d: 90_000 }, { d: 180_000, r: 1 }];
  assert.deepEqual(listedRanges({ Period: one }), [[10, 15]]);
});

test("where media are listed there is nothing to jump over", () => {
  assert.equal(beyondGap([[100, 110], [120, 122]], 104), null);
  assert.equal(beyondGap([[100, 110]], 110.5), null);
});

test("at the end of a stretch the next one is where to go on", () => {
  assert.deepEqual(beyondGap([[100, 110], [120, 122]], 109.9), [120, 122]);
  assert.deepEqual(beyondGap([[100, 110], [120, 122]], 115), [120, 122]);
  assert.equal(beyondGap([[100, 110], [120, 122]], 119.9), null);
});

test("the camera's clock is that of the presentation, corrected by the producer's", () => {
  const mpd = { availabilityStartTime: EPOCH, Period: [period("1", 100, 100, 3)] };
  assert.equal(capturedAt(mpd, 104.5), 104_500);
  mpd.Period[0].AdaptationSet[1].Representation[0].ProducerReferenceTime = [
    { wallClockTime: new Date(99_750).toISOString(), presentationTime: 100 * 90_000 },
  ];
  assert.equal(capturedAt(mpd, 104.5), 104_250);
  const [reference] = mpd.Period[0].AdaptationSet[1].Representation[0].ProducerReferenceTime;
  reference.wallClockTime = new Date(99_750); // as dash.js has it
  assert.equal(capturedAt(mpd, 104.5), 104_250);
  assert.equal(capturedAt({}, 1), null);
});

test("segments that grow in pieces are known by availabilityTimeComplete", () => {
  assert.equal(growsInPieces({ Period: [period("1", 0, 0, 1)] }), false);
  assert.equal(growsInPieces({ Period: [period("1", 0, 0, 1, { availabilityTimeComplete: "false" })] }), true);
});

test("an update has a period in common with what it updates", () => {
  const [a, b, c] = ["1", "2", "3"].map((id) => ({ id }));
  assert.equal(sharesPeriod({ Period: [a, b] }, { Period: [b, c] }), true);
  assert.equal(sharesPeriod({ Period: a }, { Period: [c] }), false);
});

test("after a period comes the next one, and after the last one none", () => {
  const mpd = { Period: [period("1", 100, 100, 1), period("2", 120, 120, 1)] };
  assert.equal(nextPeriodStart(mpd, 104), 120);
  assert.equal(nextPeriodStart(mpd, 120), null);
  assert.equal(nextPeriodStart(mpd, 121), null);
});
