// WebRTC by WHEP: the least latency, at the price of a session with the server for each viewer.
import { levelLabel } from "./engine.js";
import { view } from "./webrtc.js";

const STATISTICS_MS = 500;
const LAYERS_EVERY = 4; // of these
const NTP_TO_UNIX_MS = 2_208_988_800_000; // 1900 to 1970

export class WebrtcEngine {
  constructor(video, on) {
    this.name = "webrtc";
    this.video = video;
    this.on = on;
    this.session = null;
    this.isStopped = false;
    this.picture = null; // { height, fps }
    this.layers = { choices: [], active: null, selected: null, mediaAheadS: 0 };
    this.reads = 0;
    this.playoutMs = null; // media time of the picture on screen, by the sender's reports
    this.playoutAt = 0;
    this.timer = 0;
  }

  async start() {
    const endpoint = new URL("whep", location.href.split(/[?#]/)[0]).href;
    try {
      const session = await view(endpoint, {
        on: {
          failed: (reason) => this.on.failed(reason),
          state: (state) => state === "disconnected" && this.on.error("the connection is interrupted"),
        },
      });
      if (this.isStopped) return session.close();
      this.session = session;
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
    if (this.playoutMs === null) return null;
    const elapsed = performance.now() - this.playoutAt;
    return (clock.now() - elapsed - this.playoutMs) / 1000 + this.layers.mediaAheadS;
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
    const report = await this.session?.peer.getStats().catch(() => null);
    if (!report || this.isStopped) return;
    const played = {};
    for (const one of report.values()) {
      if (one.type !== "inbound-rtp") continue;
      played[one.kind] = one.estimatedPlayoutTimestamp;
      if (one.kind === "video") this.#measure(one);
    }
    if (played.video && played.audio) this.session?.keepTogether(played.video, played.audio);
  }

  #measure({ frameHeight, framesPerSecond, estimatedPlayoutTimestamp: playout }) {
    if (frameHeight) this.picture = { height: frameHeight, fps: Math.round(framesPerSecond ?? 0) };
    if (playout) {
      this.playoutMs = playout > NTP_TO_UNIX_MS ? playout - NTP_TO_UNIX_MS : playout;
      this.playoutAt = performance.now();
    }
  }
}
