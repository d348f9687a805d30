// The player page: waits for the stream, plays it, says in plain words what is going on.
import { ServerClock } from "./clock.js";
import { Controls } from "./controls.js";
import { availableEngines, chooseEngine, createEngine, loadEngine, sourceUrl } from "./engine.js";
import { PaceKeeper, bufferMark, bufferedAhead } from "./pace_keeper.js";
import { PathApi } from "./path_api.js";
import { readPlace } from "./place.js";
import { Stall } from "./stall.js";
import { START_LIMIT_MS, StuckWatch, isBlank, patienceOf } from "./stuck.js";
import { Talk } from "./talk.js";
import { WORDS, chatWords, wordsFor } from "./viewer_words.js";

const RETRY_MS = [1000, 1000, 1500, 2000, 3000]; // then the last one; a crowd spreads by jitter
const NEXT_MS = 2000; // between looks for the next stream after one has ended
const OTHER_MS = 5000; // between looks for another codec than one that this browser lacks
const MAX_ERRORS = 50;
const MAX_MESSAGES = 50;
const MESSAGES_EVERY_MS = 100; // how late a message may be
const AHEAD_EVERY_MS = 30_000;
const NUDGE_EVERY_MS = 200;
const SLOW_START = 8; // looks for a stream that is about to start: a quarter of a minute, and more
const BEHIND_S = 4; // further behind its target than this, the live button offers to jump

// A viewing token before the path; whatever is asked for by a relative URL inherits it.
const place = readPlace(location.pathname);
const { path } = place;
const api = new PathApi(place);
const parameters = new URLSearchParams(location.search);
const video = document.getElementById("video");
const clock = new ServerClock();
const pace = new PaceKeeper(video);
const stuck = new StuckWatch();

const status = {
  path,
  engine: null, // "hls" | "dash" | "native" | "webrtc"
  state: "loading", // loading | waiting | playing | stalled | paused | ended | failed
  latency: null, // seconds behind the camera
  target: null, // seconds it means to be behind
  level: null, // { id, height, fps, bitrate, label } on screen
  levels: [], // all of them, best first
  selected: null, // id the viewer chose; null is automatic
  lowLatency: { offered: false, on: false },
  switches: 0, // times the level on screen changed
  stalls: 0, // times the picture waited for data
  starts: 0, // times an engine was started
  frames: 0, // shown since the engine started
  droppedFrames: 0,
  errors: [], // { at, text }, the newest fifty
  messages: [], // { id, type, lateMs, stepMs, wasKnown } of metadata and chat shown, the newest fifty: see MessageTimeline
  message: "", // what the viewer is told
};

/** What browser tests and curious people may use: `headwater` in the console. */
window.headwater = Object.freeze({
  /** A copy of the status above with `currentTime` and `buffered` (seconds ahead of it). */
  statistics: () => {
    readFrames();
    return structuredClone({ ...status, currentTime: video.currentTime, buffered: bufferedAhead(video) });
  },
  /** Chooses a level by its id; null is automatic. */
  select: (id) => select(id),
  jumpToLive: () => jumpToLive(),
});

let engine = null;
let mediaAheadS = 0; // of media time, before capture
let attempt = 0;
let retryTimer = 0;
let startTimer = 0;
let hasPlayed = false;
let webrtcFailed = false; // this network or server has no WebRTC for us: HLS until the viewer asks again

const controls = new Controls(video, {
  select: (id) => select(id),
  jumpToLive: () => jumpToLive(),
  play: () => play(),
  useEngine: (name) => useEngine(name),
  useLowLatency: (on) => useLowLatency(on),
  toggleTalk: () => talk.toggle(),
});

const talk = new Talk({
  post: async (line) => chatWords(await api.chat(line)),
  shown: ({ id, type }, { late, step, wasKnown }) => {
    const [lateMs, stepMs] = [late, step].map((ms) => (Number.isFinite(ms) ? Math.round(ms) : null));
    status.messages.push({ id, type, lateMs, stepMs, wasKnown });
    if (status.messages.length > MAX_MESSAGES) status.messages.shift();
  },
});

const stall = new Stall(() => api.state(), {
  explained: (words) => {
    if (status.state !== "stalled" && words === WORDS.buffering) words = WORDS.connecting;
    controls.show(status.state, ...words);
    status.message = words[0];
  },
  gone: () => failed({ kind: "missing", status: 410, detail: "path has gone" }),
});

// -- what the viewer is told ---------------------------------------------------------------------

function setState(state, title = "", detail = "") {
  if (state !== "stalled") stall.end();
  status.state = state;
  status.message = title;
  controls.show(state, title, detail);
}

// -- waiting for the stream ----------------------------------------------------------------------

async function begin() {
  clearTimeout(retryTimer);
  const name = chooseEngine(webrtcFailed ? null : parameters.get("engine"), video);
  if (!name) {
    setState("failed", ...WORDS.unsupported);
    return;
  }
  loadEngine(name).catch(() => {}); // meanwhile; who needs it hears of the failure
  const answer = await ask(sourceUrl(name));
  if (answer.playable) {
    attempt = 0;
    await startEngine(name);
  } else {
    const code = answer.code === 503 && attempt >= SLOW_START ? "slow" : answer.code;
    setState(status.state === "ended" ? "ended" : "waiting", ...wordsFor(code));
    retry();
  }
}

async function ask(url) {
  try {
    const response = await fetch(url, { cache: "no-store" });
    return { playable: response.ok, code: response.status, text: await response.text() };
  } catch {
    return { playable: false, code: "network", text: "" };
  }
}

function retry() {
  clearTimeout(retryTimer);
  const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
  attempt += 1;
  retryTimer = setTimeout(begin, wait * (0.8 + 0.4 * Math.random()));
}

// -- playing -------------------------------------------------------------------------------------

async function startEngine(name) {
  stopEngine();
  status.engine = name;
  status.starts += 1;
  stall.begin(); // there may be nothing to show for now, and that is to be told as well
  pace.begin();
  stuck.begin();
  controls.setEngine(name, availableEngines(video));
  engine = await createEngine(name, video, {
    ready: () => play(),
    changed: () => readLevels(),
    failed: (reason) => failed(reason),
    jumped: () => beginAnew(),
    message: (event) => talk.add(event),
    error: (text) => remember(text),
  }, { lowLatency: parameters.get("latency") !== "normal", clock });
  engine.start();
  if (name !== "webrtc") measureAhead();
  api.record().then((record) => talk.allow(record?.details?.viewer_chat === true));
  clearTimeout(startTimer);
  startTimer = setTimeout(restartIfBlank, START_LIMIT_MS);
}

/** A gap at the very place where a player means to begin can keep it from ever beginning. */
function restartIfBlank() {
  const got = { frames: status.frames, width: video.videoWidth, hasPlayed: video.played.length > 0 };
  if (!engine || video.paused || !isBlank(got)) return;
  if (stall.isAway) {
    startTimer = setTimeout(restartIfBlank, START_LIMIT_MS);
    return;
  }
  failed({ kind: "media", status: 0, detail: "nothing to see" });
}

/** Plays by another protocol; the address keeps the choice, so that a reload or a link has it. */
function useEngine(name) {
  webrtcFailed = false;
  parameters.set("engine", name);
  beginAnew();
}

/** With more distance from the camera a bad network shows less; the address keeps this, too. */
function useLowLatency(on) {
  if (on) parameters.delete("latency");
  else parameters.set("latency", "normal");
  beginAnew();
}

function beginAnew() {
  history.replaceState(null, "", parameters.size ? `?${parameters}` : location.pathname);
  stopEngine();
  setState("loading", ...WORDS.connecting);
  begin();
}

function stopEngine() {
  stall.end();
  clearTimeout(startTimer);
  engine?.stop();
  engine = null;
  status.level = null;
  status.latency = null;
}

async function play() {
  try {
    await video.play();
  } catch (error) {
    if (error.name !== "NotAllowedError") return; // a new source came in between
    video.muted = true;
    try {
      await video.play();
      controls.offerSound();
    } catch {
      controls.offerStart();
    }
  }
}

function failed({ kind, status: code, detail }) {
  remember(`${kind}: ${detail}`);
  const wasWebrtc = status.engine === "webrtc";
  stopEngine();
  if (wasWebrtc && isNotForUs(kind, code)) {
    webrtcFailed = true;
    begin();
    return;
  }
  if (kind === "unsupported") {
    setState("failed", ...WORDS.unsupported);
    clearTimeout(retryTimer);
    retryTimer = setTimeout(begin, OTHER_MS);
    return;
  }
  setState("waiting", ...wordsFor(kind === "missing" ? code : kind));
  retry();
}

/** A stream that is not live is waited for; anything else that keeps WebRTC from playing stays. Who has
 * seen pictures has lost a session, as when the server was restarted: the next one will play, too. */
function isNotForUs(kind, code) {
  return kind === "unsupported" || (!status.frames && (kind === "network" || (kind === "missing" && code === 404)));
}

function remember(text) {
  status.errors.push({ at: new Date().toISOString(), text });
  if (status.errors.length > MAX_ERRORS) status.errors.shift();
}

// -- running dry ---------------------------------------------------------------------------------

function stalled() {
  if (!engine || video.paused || !hasPlayed || status.state === "stalled") return;
  if (engine.ended()) return;
  status.stalls += 1;
  setState("stalled");
  stall.begin();
}

function ended() {
  setState("ended", ...WORDS.ended);
  clearTimeout(retryTimer);
  retryTimer = setTimeout(lookForNext, NEXT_MS);
}

/** After the end: a playlist without an end, or none at all, means to start from the beginning. */
async function lookForNext() {
  if (status.state !== "ended") return;
  const state = await api.state();
  if (state === "gone" || state === "starting" || state === "live") {
    stopEngine();
    begin();
  } else {
    retryTimer = setTimeout(lookForNext, NEXT_MS);
  }
}

/** Whoever stands still though the stream goes on has to begin anew. */
function lookWhetherStuck() {
  const isStarved = status.state === "playing" && video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA;
  if (stall.starves(isStarved)) stalled();
  const got = { mark: bufferMark(video), patienceMs: patienceOf(engine) };
  if (stuck.push(status.state, stall.isOnAir, performance.now(), got)) failed({ kind: "media", status: 0, detail: "stuck" });
}

video.addEventListener("waiting", () => video.seeking || stalled());
video.addEventListener("playing", () => {
  hasPlayed = true;
  pace.resume();
  setState("playing");
});
video.addEventListener("pause", () => {
  if (engine && !video.ended && status.state !== "waiting") setState("paused");
});
video.addEventListener("ended", ended);

// -- what is on screen ---------------------------------------------------------------------------

function readLevels() {
  if (!engine) return;
  status.levels = engine.levels();
  status.selected = engine.selected();
  const id = engine.level();
  const level = status.levels.find((one) => one.id === id) ?? null;
  if (level && status.level && level.id !== status.level.id) status.switches += 1;
  status.level = level;
  controls.setLevels(status.levels, status.selected, level);
}

function readFrames() {
  const quality = video.getVideoPlaybackQuality?.();
  status.frames = quality?.totalVideoFrames ?? 0;
  status.droppedFrames = quality?.droppedVideoFrames ?? 0;
}

function select(id) {
  engine?.select(id);
  readLevels();
}

function jumpToLive() {
  engine?.jumpToLive();
  if (video.paused) play();
}

/** Dates in playlists and manifests are media time, which may be ahead of capture or behind it; WebRTC's
 * engine has been told by how much already. */
function trueLatency() {
  const latency = engine.latency(clock);
  return latency === null || engine.name === "webrtc" ? latency : latency + mediaAheadS;
}

async function measureAhead() {
  mediaAheadS = (await api.record())?.details?.timeline?.ahead_s ?? 0;
}

setInterval(() => {
  if (!engine) return;
  lookWhetherStuck();
  if (!engine) return;
  readLevels();
  readFrames();
  status.lowLatency = engine.lowLatency();
  controls.setLowLatency(status.lowLatency);
  status.latency = trueLatency();
  status.target = engine.target();
  if (status.state === "playing") pace.keep(engine);
  controls.setSoundAlone(status.state === "playing" && !status.frames && !video.videoWidth);
  const behind = status.latency !== null && status.target !== null && status.latency > status.target + BEHIND_S;
  controls.setLatency(status.latency, behind || video.paused);
}, 500);

setInterval(() => {
  if (engine && hasPlayed) pace.nudge();
}, NUDGE_EVERY_MS);
setInterval(() => talk.advance(engine?.mediaTime() ?? null), MESSAGES_EVERY_MS);

document.title = `${path} — live`;
controls.setTitle(path);
setState("loading", ...WORDS.connecting);
clock.synchronise();
setInterval(() => clock.synchronise(), 300_000);
setInterval(() => status.state === "playing" && measureAhead(), AHEAD_EVERY_MS * (0.8 + 0.4 * Math.random()));
begin();
