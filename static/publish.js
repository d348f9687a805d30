// Publishes a camera or the screen from the browser by WHIP.
import { bitrateLabel } from "./labels.js";
import { readPlace } from "./place.js";
import { publish } from "./webrtc.js";

const RETRY_MS = [1000, 2000, 4000, 8000]; // then the last one
const FACTS_MS = 1000;
const FRAME_RATE = 30;
const CONNECT_MS = 8000; // there is nothing else to fall back to, and a relay may be far away

const $ = (id) => document.getElementById(id);
const { path, folder } = readPlace(location.pathname, "publish");
const role = new URLSearchParams(location.search).get("role"); // "backup", or primary

let stream = null;
let session = null;
let wanted = false; // the publisher has not said stop
let run = 0; // of the latest start: what an earlier one still brings is not wanted any more
let attempt = 0;
let retryTimer = 0;
let before = null;

/** What browser tests and curious people may use: `headwater` in the console. */
window.headwater = Object.freeze({
  statistics: () => ({ state: $("state").dataset.state ?? "idle", message: $("state").textContent, path }),
});

function setState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
  $("go").textContent = wanted ? "Stop" : "Go live";
  $("go").toggleAttribute("data-live", wanted);
}

const REASONS = {
  NotAllowedError: "The browser was not allowed to use it. Allow it in the address bar and try again.",
  NotFoundError: "There is no such device.",
  NotReadableError: "Another program uses it.",
};

// -- what to show --------------------------------------------------------------------------------

async function choose(kind) {
  if (!navigator.mediaDevices) {
    setState("failed", "Browsers give cameras to secure pages alone: open this page with https, or on this machine.");
    return;
  }
  try {
    const next = await (kind === "screen" ? openScreen() : openCamera());
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = next;
  } catch (error) {
    setState("failed", REASONS[error.name] ?? error.message);
    return;
  }
  $("preview").srcObject = stream;
  $("preview").classList.toggle("mirrored", kind === "camera");
  $("preview").play().catch(() => {});
  $("empty").hidden = true;
  $("camera").setAttribute("aria-pressed", String(kind === "camera"));
  $("screen").setAttribute("aria-pressed", String(kind === "screen"));
  $("go").disabled = false;
  stream.getVideoTracks()[0]?.addEventListener("ended", stop);
  await listDevices();
  if (wanted) restart();
  else setState("idle", "Ready.");
}

async function openCamera() {
  const wishes = cameraWishes();
  try {
    return await navigator.mediaDevices.getUserMedia(wishes);
  } catch (error) {
    if (error.name !== "NotFoundError") throw error; // a camera without a microphone is one all the same
    return navigator.mediaDevices.getUserMedia({ ...wishes, audio: false });
  }
}

function cameraWishes() {
  const height = Number($("size").value);
  const exact = (id) => (id ? { deviceId: { exact: id } } : {});
  return {
    video: {
      height: { ideal: height },
      width: { ideal: Math.round((height * 16) / 9) },
      frameRate: { ideal: FRAME_RATE },
      ...exact($("cameras").value),
    },
    audio: exact($("microphones").value),
  };
}

async function openScreen() {
  const screen = await navigator.mediaDevices.getDisplayMedia({
    video: { frameRate: { ideal: FRAME_RATE }, height: { max: Number($("size").value) } },
    audio: true,
  });
  if (!screen.getAudioTracks().length) {
    // The microphone, where the screen has no sound of its own; without one the screen alone.
    const voice = await navigator.mediaDevices.getUserMedia({ audio: true }).catch(() => null);
    for (const track of voice?.getAudioTracks() ?? []) screen.addTrack(track);
  }
  return screen;
}

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [id, kind] of [["cameras", "videoinput"], ["microphones", "audioinput"]]) {
    const select = $(id);
    const chosen = select.value;
    const options = devices.filter((one) => one.kind === kind && one.deviceId);
    select.replaceChildren(...options.map((one, i) => new Option(one.label || `Device ${i + 1}`, one.deviceId)));
    if (options.some((one) => one.deviceId === chosen)) select.value = chosen;
    select.disabled = options.length < 2;
  }
}

// -- publishing ----------------------------------------------------------------------------------

async function start() {
  clearTimeout(retryTimer);
  const mine = (run += 1);
  const isLatest = () => mine === run;
  setState("connecting", "Connecting…");
  try {
    const opened = await publish(`${folder}whip${role ? `?role=${encodeURIComponent(role)}` : ""}`, stream, {
      key: $("key").value,
      simulcast: $("simulcast").checked,
      connectMs: CONNECT_MS,
      on: { state: (state) => isLatest() && changed(state), failed: (reason) => isLatest() && lost(reason) },
    });
    if (!isLatest()) return void opened.close();
    session = opened;
  } catch (error) {
    if (isLatest()) lost(error);
  }
}

function changed(state) {
  if (state === "connected") {
    attempt = 0;
    setState("live", "Live");
  } else if (state === "disconnected") {
    setState("connecting", "The connection is interrupted…");
  }
}

/** What may pass is tried again; a refusal is told. */
function lost({ kind, status, detail }) {
  session = null;
  if (!wanted) return;
  if (kind === "missing" && status >= 400 && status < 500) {
    wanted = false;
    setState("failed", detail || "The server refused.");
    return;
  }
  if (kind === "unsupported") {
    wanted = false;
    setState("failed", "This browser has no codec that the server takes.");
    return;
  }
  const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
  attempt += 1;
  setState("connecting", "The connection was lost — trying again…");
  retryTimer = setTimeout(start, wait);
}

async function stop() {
  wanted = false;
  run += 1;
  clearTimeout(retryTimer);
  const old = session;
  session = null;
  setState("idle", "Stopped.");
  await old?.close();
}

async function restart() {
  const old = session;
  session = null;
  await old?.close();
  await start();
}

async function readFacts() {
  const report = await session?.peer.getStats().catch(() => null);
  const layers = [...(report?.values() ?? [])].filter((one) => one.type === "outbound-rtp" && one.kind === "video");
  if (!layers.length) return ($("facts").textContent = "");
  const now = { timestamp: layers[0].timestamp, bytesSent: layers.reduce((sum, one) => sum + one.bytesSent, 0) };
  const seconds = before ? (now.timestamp - before.timestamp) / 1000 : 0;
  const bitrate = seconds > 0 ? (Math.max(0, now.bytesSent - before.bytesSent) * 8) / seconds : 0;
  before = now;
  const sent = layers.filter((one) => one.active !== false && one.framesPerSecond);
  const sizes = sent.sort((a, b) => b.frameHeight - a.frameHeight).map((one) => `${one.frameWidth}×${one.frameHeight}`);
  const rate = Math.round(Math.max(0, ...sent.map((one) => one.framesPerSecond)));
  $("facts").textContent = sizes.length ? `${sizes.join(" + ")}, ${rate} frames/s, ${bitrateLabel(bitrate)}` : "";
}

$("camera").addEventListener("click", () => choose("camera"));
$("screen").addEventListener("click", () => choose("screen"));
$("simulcast").addEventListener("change", () => wanted && restart());
for (const id of ["cameras", "microphones", "size"]) {
  $(id).addEventListener("change", () => $("camera").getAttribute("aria-pressed") === "true" && choose("camera"));
}
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (wanted) return stop();
  wanted = true;
  attempt = 0;
  start();
});
window.addEventListener("pagehide", () => session?.close());
setInterval(readFacts, FACTS_MS);

document.title = `Publish ${path}`;
$("title").textContent = `Publish ${path}`;
$("watch").href = folder;
$("watch").textContent = new URL(folder, location.href).href;
$("screen").hidden = !navigator.mediaDevices?.getDisplayMedia;
setState("idle", "");
