// What every engine looks like to the page, and how one is chosen.
//
// An engine plays one URL in one video element:
//   start()            begins; reports through `on`
//   stop()             lets go of the video element; the engine is not used again
//   levels()           [{ id, height, fps, bitrate, label }], best first
//   level()            id of the level on screen, or null
//   selected()         id the viewer chose, or null for automatic
//   select(id | null)  chooses
//   lowLatency()       { offered, on }: whether the stream can be played with low latency, and is
//   latency(clock)     seconds behind the camera by the stream's own dates and the server's clock,
//                      or null while unknown
//   distance()         seconds behind the newest media, or null where the pace is not ours
//   target()           the same as it should be, or null
//   mediaTime()        of the picture on screen, milliseconds since 1970, or null while unknown
//   jumpToLive()       goes to where it would have started
// and calls
//   on.ready()         now play() may be called
//   on.changed()       levels or level changed
//   on.failed({ kind, status, detail })   it cannot go on: kind is "missing" (HTTP status says why),
//                      "network", "media" (cannot be decoded) or "unsupported"
//   on.jumped()        the stream goes on elsewhere: begin anew at once
//   on.message(event)  metadata or chat has come, perhaps before its time, perhaps again (docs/metadata.md)
//   on.error(text)     something went wrong that it is dealing with

/** A level's name for people, such as "720p60". */
export function levelLabel(height, fps, bitrate) {
  if (!height) return bitrate ? `${Math.round(bitrate / 1000)} kbit/s` : "Audio";
  return fps && fps > 31 ? `${height}p${Math.round(fps)}` : `${height}p`;
}

/** What `levels()` gives, of { id, height, fps, bitrate } in any order, with what is unknown missing. */
export function listLevels(levels) {
  return levels
    .map(({ id, height, fps, bitrate }) => ({
      id,
      height: height || 0,
      fps: fps || 0,
      bitrate: bitrate || 0,
      label: levelLabel(height, fps, bitrate),
    }))
    .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
}

const APPLE = /^Apple/.test(navigator.vendor);
const MSE = "ManagedMediaSource" in window || "MediaSource" in window;

const WEBRTC = "RTCPeerConnection" in window;

/** "hls", "dash", "native" or "webrtc" for this browser; null when it can play nothing of ours. */
export function chooseEngine(wanted, video) {
  const native = video.canPlayType("application/vnd.apple.mpegurl") !== "";
  if (wanted === "webrtc" && WEBRTC) return "webrtc";
  if (wanted === "dash" && MSE) return "dash";
  if (wanted === "hls" && MSE) return "hls";
  if (wanted === "native" && native) return "native";
  // Safari's own player has the lower latency and spares the battery.
  if (APPLE && native) return "native";
  if (MSE) return "hls";
  return native ? "native" : null;
}

/** The engines this browser could use, in the order of the menu. */
export function availableEngines(video) {
  const native = video.canPlayType("application/vnd.apple.mpegurl") !== "";
  // Chromium has a player of its own by now, but ours says more and chooses better.
  return [
    ...(native && (APPLE || !MSE) ? ["native"] : []),
    ...(MSE ? ["hls", "dash"] : []),
    ...(WEBRTC ? ["webrtc"] : []),
  ];
}

/** An engine's name for people. */
export function engineLabel(name, engines) {
  if (name === "native") return engines.includes("hls") ? "HLS, built in" : "HLS";
  return name === "webrtc" ? "WebRTC" : name.toUpperCase();
}

const MODULES = { dash: "./engine_dash.js", webrtc: "./engine_webrtc.js", native: "./engine_native.js", hls: "./engine_hls.js" };

/** The engine's code, which may be asked for before it is known whether there is anything to play. */
export function loadEngine(name) {
  return import(MODULES[name]);
}

/** The engine called `name`, its library loaded only now; `options` is { lowLatency, clock }. */
export async function createEngine(name, video, on, options) {
  const code = await loadEngine(name);
  if (name === "dash") return new code.DashEngine(video, on, options);
  if (name === "webrtc") return new code.WebrtcEngine(video, on, options);
  if (name === "native") return new code.NativeEngine(video, on);
  return new code.HlsEngine(video, on, options);
}

/** The playlist or manifest an engine reads (for WebRTC: that tells of the stream), relative to the page so that path prefixes stay. */
export function sourceUrl(name, { lowLatency = false } = {}) {
  const file = name !== "dash" ? "index.m3u8" : lowLatency ? "low-latency.mpd" : "manifest.mpd";
  return new URL(file, location.href.split(/[?#]/)[0]).href;
}
