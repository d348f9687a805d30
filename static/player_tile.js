// One of several players on a page: muted, starts again by itself, and says how late it is.
import { createEngine } from "./engine.js";
import { latencyLabel } from "./labels.js";
import { PaceKeeper, bufferMark, bufferedAhead } from "./pace_keeper.js";
import { Sparkline } from "./sparkline.js";
import { StuckWatch, patienceOf } from "./stuck.js";

const READ_MS = 500;
const NUDGE_MS = 200;
const AGAIN_MS = 2000;
const OTHER_MS = 5000; // until another codec may be on air
const POINTS = 120; // of a reading each half second: a minute

export class PlayerTile {
  #engine = null;
  #timers = [];
  #again = 0;
  #history = [];
  #stuck = new StuckWatch();

  /** `kind`: { id, title, engine, lowLatency }; `onSound(tile)` is called when it is to be heard. */
  constructor(kind, clock, onSound) {
    this.kind = kind;
    this.clock = clock;
    this.stalls = 0;
    this.restarts = 0; // by itself: it was stuck, or what it showed was cut off
    this.isOnAir = true; // whether the path has media, as far as is known
    this.latency = null;
    this.aheadS = 0; // of media time, by which dates in playlists and manifests go, before capture
    this.element = document.getElementById("tile").content.firstElementChild.cloneNode(true);
    this.tile = this.element.querySelector(".tile");
    this.video = this.#find("video");
    this.video.muted = true;
    this.pace = new PaceKeeper(this.video);
    this.chart = new Sparkline(POINTS);
    this.#find(".chart").append(this.chart.element);
    this.#name(kind.title);
    this.#find(".run").addEventListener("click", () => (this.isRunning ? this.stop() : this.start()));
    this.#find(".sound").addEventListener("click", () => onSound(this));
    this.video.addEventListener("waiting", () => this.#stalled());
    this.video.addEventListener("playing", () => this.#playing());
  }

  get isRunning() {
    return this.tile.dataset.state !== "stopped";
  }

  get isHeard() {
    return !this.video.muted;
  }

  set isHeard(isHeard) {
    this.video.muted = !isHeard;
    this.#find(".sound").setAttribute("aria-pressed", isHeard);
  }

  async start() {
    this.#letGo();
    this.#show("starting", "Connecting…");
    this.#stuck.begin();
    this.pace.begin();
    const engine = await createEngine(this.kind.engine, this.video, {
      ready: () => this.video.play().catch(() => {}), // muted, so nothing but a new source can forbid it
      changed: () => {},
      failed: (reason) => {
        if (this.#hasShown) this.restarts += 1;
        this.#failed(reason);
      },
      jumped: () => {
        this.restarts += 1;
        this.start();
      },
      error: () => {},
    }, { lowLatency: this.kind.lowLatency, clock: this.clock });
    if (!this.isRunning || this.#engine) return engine.stop?.();
    this.#engine = engine;
    this.#timers = [setInterval(() => this.#read(), READ_MS), setInterval(() => this.#nudge(), NUDGE_MS)];
    engine.start();
  }

  stop() {
    this.#letGo();
    this.isHeard = false;
    this.#show("stopped", "");
    this.#draw(null);
  }

  /** For tests and curious people. */
  statistics() {
    return {
      id: this.kind.id,
      state: this.tile.dataset.state,
      latency: this.latency,
      target: this.#engine?.target() ?? null,
      lowLatency: this.#engine?.lowLatency().on ?? false,
      stalls: this.stalls,
      restarts: this.restarts,
      frames: this.video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0,
      currentTime: this.video.currentTime,
    };
  }

  /** With the same `topS` the charts of several tiles can be compared. */
  scale(topS) {
    this.chart.draw(this.#history, `Latency of the last minute, now ${latencyLabel(this.latency)}`, topS);
  }

  get worstS() {
    return Math.max(0, ...this.#history.filter((one) => one !== null));
  }

  #read() {
    const engine = this.#engine;
    if (!engine) return;
    if (this.tile.dataset.state === "playing") this.pace.keep(engine);
    const got = { mark: bufferMark(this.video), patienceMs: patienceOf(engine) };
    if (this.#stuck.push(this.tile.dataset.state, this.isOnAir, performance.now(), got)) {
      this.restarts += 1;
      return this.#failed({ kind: "media", status: 0 });
    }
    this.#draw(this.tile.dataset.state === "playing" ? this.#measure(engine) : null);
    const target = engine.target();
    this.#text(".target", this.kind.engine === "webrtc" ? "none" : latencyLabel(target));
    this.#text(".buffer", this.kind.engine === "webrtc" ? "–" : latencyLabel(bufferedAhead(this.video)));
    this.#text(".level", engine.levels().find((one) => one.id === engine.level())?.label ?? "–");
  }

  /** WebRTC is told by how much media time is ahead, and its engine has added that. */
  #measure(engine) {
    const latency = engine.latency(this.clock);
    return latency === null || this.kind.engine === "webrtc" ? latency : latency + this.aheadS;
  }

  #draw(latency) {
    this.latency = latency;
    this.#history.push(latency);
    if (this.#history.length > POINTS) this.#history.shift();
    this.#text(".latency", latencyLabel(latency));
    this.#text(".stalls", `${this.stalls}`);
    this.#text(".restarts", `${this.restarts}`);
  }

  /** Whether it has come as far as a picture since it was started last. */
  get #hasShown() {
    return this.tile.dataset.state === "playing" || this.tile.dataset.state === "stalled";
  }

  #nudge() {
    if (this.#hasShown) this.pace.nudge();
  }

  #playing() {
    if (!this.isRunning) return;
    this.pace.resume();
    this.#show("playing", "");
  }

  #stalled() {
    if (this.tile.dataset.state !== "playing" || this.video.seeking) return;
    this.stalls += 1;
    this.#show("stalled", this.isOnAir ? "Waiting for media…" : "The stream pauses; waiting…");
  }

  #failed({ kind, status }) {
    this.#letGo();
    if (kind === "unsupported") {
      this.#show("failed", "This browser cannot play this.");
      this.#again = setTimeout(() => this.start(), OTHER_MS);
      return;
    }
    if (status === 401 || status === 403) return this.#show("failed", "This stream is for viewers with a token.");
    this.#show("waiting", WORDS[status] ?? "The stream cannot be had now; trying again…");
    this.#again = setTimeout(() => this.start(), AGAIN_MS);
  }

  #letGo() {
    clearTimeout(this.#again);
    this.#timers.forEach(clearInterval);
    this.#timers = [];
    this.#engine?.stop();
    this.#engine = null;
  }

  #show(state, message) {
    this.tile.dataset.state = state;
    this.#text(".message", message);
    this.#text(".run", this.isRunning ? "Stop" : "Start");
    this.#find(".run").setAttribute("aria-label", `${this.isRunning ? "Stop" : "Start"} ${this.kind.title}`);
  }

  #name(title) {
    const heading = this.#find("h2");
    heading.textContent = title;
    heading.id = `tile-${this.kind.id}`;
    this.tile.dataset.id = this.kind.id;
    this.tile.setAttribute("aria-labelledby", heading.id);
    this.video.setAttribute("aria-label", `${title} video`);
    this.#find(".sound").setAttribute("aria-label", `Sound of ${title}`);
    this.#show("stopped", "");
  }

  #find(selector) {
    return this.tile.querySelector(selector);
  }

  #text(selector, text) {
    const element = this.#find(selector);
    if (element.textContent !== text) element.textContent = text;
  }
}

const WORDS = {
  404: "Nothing is live here; waiting…",
  409: "Nothing is live here; waiting…",
  410: "Nothing is live here; waiting…",
  503: "The stream is about to start…",
};
