// WebRTC by WHEP: the least latency, at the price of a session with the server for each viewer.
import { levelLabel } from "./engine.js";
import { SCREEN_MS, median } from "./lip_sync.js";
import { mediaTime, outputDelay, playing } from "./rtp_clock.js";
import { view } from "./webrtc.js";

const STATISTICS_MS = 500;
const LAYERS_EVERY = 4; // of these
const SHOWN = 3; // pictures are looked at each time: the screen's refresh makes each up to 17 ms late

export class WebrtcEngine {
  /** Who reloads the page comes back at once, and a token may be good for one session alone. */
  #leave = (event) => event.persisted || this.session?.close();

  constructor(video, on, { clock }) {
    this.name = "webrtc";
    this.clock = clock;
    this.video = video;
    this.on = on;
    this.session = null;
    this.isStopped = false;
    this.picture = null; // { height, fps }
    this.layers = { choices: [], active: null, selected: null, mediaAheadS: 0, clocks: {} };
    this.reads = 0;
    this.onScreen = null; // media time of the picture minus performance.now(), milliseconds
    this.shown = []; // { timestamp, at } of some pictures since the last look, `at` being when each is displayed
    this.watching = 0;
    this.outputMs = 0; // what sound takes through the browser's output
    this.timer = 0;
  }

  async start() {
    const endpoint = new URL("whep", location.href.split(/[?#]/)[0]).href;
    try {
      const session = await view(endpoint, {
        sync: new URLSearchParams(location.search).get("sync") ?? "auto",
        on: {
          failed: (reason) => this.on.failed(reason),
          message: (event) => this.on.message?.(event),
          state: (state) => state === "disconnected" && this.on.error("the connection is interrupted"),
        },
      });
      if (this.isStopped) return session.close();
      this.session = session;
      addEventListener("pagehide", this.#leave);
      this.video.srcObject = session.stream;
      this.timer = setInterval(() => this.#read(), STATISTICS_MS);
      this.on.ready();
    } catch (error) {
      if (this.isStopped) return;
      const { kind = "media", status = 0, detail = String(error) } = error;
      this.on.failed({ kind, status, detail });
    }
  }

  stop() {
    this.isStopped = true;
    clearInterval(this.timer);
    removeEventListener("pagehide", this.#leave);
    this.session?.close();
    this.video.srcObject = null;
  }

  levels() {
    return this.layers.choices
      .map(({ encodingId, height, bitrate }) => {
        const fps = encodingId === this.layers.active ? (this.picture?.fps ?? 0) : 0;
        return { id: encodingId, height, fps, bitrate, label: levelLabel(height, 0, bitrate) };
      })
      .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
  }

  level() {
    return this.layers.active;
  }

  selected() {
    return this.layers.selected;
  }

  async select(id) {
    this.#take(await this.session?.chooseLayer(id));
  }

  lowLatency() {
    return { offered: false, on: true };
  }

  latency(clock) {
    if (this.onScreen === null) return null;
    const seconds = (clock.now() - performance.now() - this.onScreen) / 1000 + this.layers.mediaAheadS;
    return Math.max(0, seconds); // the server's clock is known to half a round trip
  }

  mediaTime() {
    return Infinity; // messages come with their picture
  }

  distance() {
    return null; // the browser's jitter buffer keeps the pace
  }

  target() {
    return null;
  }

  jumpToLive() {} // it is nowhere else

  ended() {
    return false;
  }

  #take(layers) {
    if (!layers || this.isStopped) return;
    this.layers = layers;
    this.on.changed();
  }

  async #read() {
    if (this.reads++ % LAYERS_EVERY === 0) this.session?.layers().then((layers) => this.#take(layers));
    this.#compare();
    const report = await this.session?.peer.getStats().catch(() => null);
    if (!report || this.isStopped) return;
    for (const one of report.values()) {
      if (one.type === "media-playout") this.outputMs = outputDelay(one);
      if (one.type !== "inbound-rtp" || one.kind !== "video" || !one.frameHeight) continue;
      this.picture = { height: one.frameHeight, fps: Math.round(one.framesPerSecond ?? 0) };
    }
  }

  /** What is on screen with what is heard, both in media time. */
  #compare() {
    const [seen, heard] = [this.#offset("video", this.#seen()), this.#offset("audio", this.#handedOn("audio"))];
    if (seen !== null) this.onScreen = seen;
    if (seen !== null && heard !== null) this.session.keepTogether(seen - heard + this.outputMs - SCREEN_MS);
  }

  /** Of [{ timestamp, at }]: media time minus performance.now(), milliseconds; null where that is not known. */
  #offset(kind, played) {
    const clock = this.layers.clocks[kind];
    if (!clock || !played.length) return null;
    return median(played.map(({ timestamp, at }) => mediaTime(clock, timestamp, this.clock.now()) - at));
  }

  #handedOn(kind) {
    const receiver = this.session?.peer.getReceivers().find(({ track }) => track.kind === kind);
    const played = receiver && playing(receiver);
    return played ? [played] : [];
  }

  /** The pictures that were displayed after the last look; a browser that does not tell of them is asked what it
   * has handed on. */
  #seen() {
    if (!this.video.requestVideoFrameCallback || this.shown.some(({ timestamp }) => timestamp === undefined)) {
      return this.#handedOn("video");
    }
    this.#watch(SHOWN);
    return this.shown.splice(0);
  }

  /** The next `count` pictures. */
  #watch(count) {
    this.video.cancelVideoFrameCallback(this.watching);
    this.watching = this.video.requestVideoFrameCallback((_now, { rtpTimestamp, expectedDisplayTime }) => {
      this.shown.push({ timestamp: rtpTimestamp, at: expectedDisplayTime });
      if (count > 1 && !this.isStopped) this.#watch(count - 1);
    });
  }
}
