// One path by every protocol side by side, with the latency that each has now.
import { ApiClient } from "./api_client.js";
import { ServerClock } from "./clock.js";
import { availableEngines } from "./engine.js";
import { PathApi } from "./path_api.js";
import { readPlace } from "./place.js";
import { PlayerTile } from "./player_tile.js";
import { Reading } from "./reading.js";
import { SessionList } from "./session_list.js";
import { stateOf } from "./words.js";

const KINDS = [
  { id: "webrtc", title: "WebRTC", engine: "webrtc", lowLatency: true },
  { id: "ll-hls", title: "LL-HLS", engine: "hls", lowLatency: true },
  { id: "ll-dash", title: "LL-DASH", engine: "dash", lowLatency: true },
  { id: "hls", title: "HLS", engine: "hls", lowLatency: false },
  { id: "dash", title: "DASH", engine: "dash", lowLatency: false },
];
const AT_ONCE_ON_PHONES = new Set(["webrtc", "ll-hls"]);
const DRAW_MS = 500;
const READ_PATH_MS = 2000;
const LEAST_TOP_S = 1;
const WITH_MEDIA = new Set(["live", "degraded", "slate"]);

const $ = (id) => document.getElementById(id);
const clock = new ServerClock();
const place = readPlace(location.pathname, "compare");
const { path } = place;
const api = new PathApi(place);
const engines = availableEngines(document.createElement("video"));
const tiles = KINDS.filter((kind) => engines.includes(kind.engine)).map((kind) => new PlayerTile(kind, clock, hear));

/** One at a time is to be heard. */
function hear(tile) {
  const isHeard = !tile.isHeard;
  for (const one of tiles) one.isHeard = one === tile && isHeard;
  say(isHeard ? `You hear ${tile.kind.title}.` : "All players are muted.");
}

/** For screen readers; what is said replaces what was. */
function say(text) {
  $("told").textContent = text;
}

/** Publishers' clocks drift, and media time with them; and where nobody sends, no player is stuck. */
function showPath(record) {
  if (!record?.state || record.state === "gone") return; // the last one has to do
  for (const tile of tiles) {
    tile.aheadS = record.details?.timeline?.ahead_s ?? 0;
    tile.isOnAir = WITH_MEDIA.has(stateOf(record).name);
  }
}

const reading = new Reading({ ask: (signal) => api.record(signal), show: showPath, pauseMs: () => READ_PATH_MS });

window.headwater = Object.freeze({ statistics: () => tiles.map((tile) => tile.statistics()) });

document.title = `${path} – compare players`;
$("title").textContent = path;
$("tiles").append(...tiles.map((tile) => tile.element));
$("start-all").addEventListener("click", () => tiles.filter((one) => !one.isRunning).forEach((one) => one.start()));
$("stop-all").addEventListener("click", () => tiles.forEach((one) => one.stop()));
setInterval(() => {
  const topS = Math.max(LEAST_TOP_S, ...tiles.map((one) => one.worstS));
  for (const tile of tiles) tile.scale(topS);
}, DRAW_MS);

new SessionList(path, new ApiClient(), clock, say).start();
await Promise.all([clock.synchronise(), reading.restart()]);
setInterval(() => clock.synchronise(), 60_000);
const isSmall = matchMedia("(max-width: 40rem)").matches;
for (const tile of tiles) if (!isSmall || AT_ONCE_ON_PHONES.has(tile.kind.id)) tile.start();
