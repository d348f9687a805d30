// WebRTC by WHEP: the least latency, at the price of a session with the server for each viewer.
import { levelLabel } from "./engine.js";
import { mediaTime, playing } from "./rtp_clock.js";
import { view } from "./webrtc.js";

const STATISTICS_MS = 500;
const LAYERS_EVERY = 4; // of these

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
    this.timer = 0;
  }

  async start() {
    const endpoint = new URL("whep", location.href.split(/[?#]/)[0]).href;
    try {
      const session = await view(endpoint, {
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
      if (one.type !== "inbound-rtp" || one.kind !== "video" || !one.frameHeight) continue;
      this.picture = { height: one.frameHeight, fps: Math.round(one.framesPerSecond ?? 0) };
    }
  }

  /** What is on screen with what is heard, both in media time. */
  #compare() {
    const offsets = {};
    for (const receiver of this.session?.peer.getReceivers() ?? []) {
      const clock = this.layers.clocks[receiver.track.kind];
      const played = clock && playing(receiver);
      if (played) offsets[receiver.track.kind] = mediaTime(clock, played.timestamp, this.clock.now()) - played.at;
    }
    if (offsets.video === undefined) return;
    this.onScreen = offsets.video;
    if (offsets.audio !== undefined) this.session.keepTogether(offsets.video - offsets.audio);
  }
}
