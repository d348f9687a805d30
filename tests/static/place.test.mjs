import assert from "node:assert/strict";
import { test } from "node:test";

import { readPlace } from "../../static/place.js";

test("a path's page is its folder", () => {
  assert.deepEqual(readPlace("/live/foo/"), { access: "", folder: "/live/foo/", path: "live/foo" });
});

test("what stands behind a token keeps it", () => {
  const place = { access: "/t/a.b_c-d", folder: "/t/a.b_c-d/live/foo/", path: "live/foo" };
  assert.deepEqual(readPlace("/t/a.b_c-d/live/foo/"), place);
  assert.deepEqual(readPlace("/t/a.b_c-d/live/foo/publish", "publish"), place);
});

test("a page's own name is none of the path's", () => {
  assert.equal(readPlace("/live/foo/publish", "publish").path, "live/foo");
  assert.equal(readPlace("/live/foo/publish", "publish").folder, "/live/foo/");
  assert.equal(readPlace("/publish/publish", "publish").path, "publish");
});

test("names are decoded once", () => {
  assert.equal(readPlace("/live/a%2520b/").path, "live/a%20b");
});
