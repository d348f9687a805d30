// Messages are shown when their picture is, each once.
import assert from "node:assert/strict";
import test from "node:test";

import { Seen } from "../../static/seen.js";
import { MessageTimeline } from "../../static/talk.js";

function timeline() {
  const shown = [];
  return { shown, messages: new MessageTimeline((event, look) => shown.push([event.id, look.late, look])) };
}

const at = (id, time) => ({ id, type: "chat", data: { media_time_ms: time } });

test("a message waits for its picture, whatever the order in which it comes", () => {
  const { shown, messages } = timeline();
  messages.add(at("b", 2000));
  messages.add(at("a", 1000));
  messages.advance(999);
  assert.deepEqual(shown, []);
  messages.advance(1050);
  messages.advance(2500);
  assert.deepEqual(shown.map(([id, late]) => [id, late]), [["a", 50], ["b", 500]]);
});

test("how exactly a message is shown is told by when the picture was looked at", () => {
  const { shown, messages } = timeline();
  messages.add(at("first", 900));
  messages.advance(1000);
  messages.add(at("known", 3000));
  messages.advance(2500);
  messages.add(at("late", 2000));
  messages.advance(3100);
  assert.deepEqual(shown.map(([id, , look]) => [id, look]), [
    ["first", { late: 100, step: Infinity, wasKnown: false }],
    ["late", { late: 1100, step: 600, wasKnown: false }],
    ["known", { late: 100, step: 600, wasKnown: true }],
  ]);
});

test("what comes again is shown once, and what comes late at once", () => {
  const { shown, messages } = timeline();
  messages.add(at("a", 1000));
  messages.advance(1000);
  messages.add(at("a", 1000));
  messages.add(at("old", 500));
  messages.advance(1100);
  assert.deepEqual(shown.map(([id, late]) => [id, late]), [["a", 0], ["old", 600]]);
});

test("without a media time, or by a way that has none, a message is shown as it comes", () => {
  const { shown, messages } = timeline();
  messages.add(at("none", null));
  messages.advance(1);
  messages.add(at("a", 1000));
  messages.advance(Infinity);
  assert.deepEqual(shown.map(([id]) => id), ["none", "a"]);
});

test("what is no message is nothing, and those that wait are bounded", () => {
  const { shown, messages } = timeline();
  messages.add(null);
  messages.add({ type: "error", status: 429 });
  for (let i = 0; i < 600; i++) messages.add(at(String(i), i));
  messages.advance(1000);
  assert.equal(shown.length, 500);
  assert.equal(shown[0][0], "100");
});

test("a page that is open for days remembers the latest messages alone, and each of a window", () => {
  const seen = new Seen(3);
  assert.deepEqual(["a", "b", "c", "a", "d", "c"].map((id) => seen.add(id)), [true, true, true, false, true, false]);
  assert.equal(seen.size, 3);
  assert.equal(seen.add("b"), true, "forgotten: it was not among the latest three");
});
