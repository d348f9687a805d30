// DASH through Media Source Extensions by dash.js.
import { MediaPlayer } from "./vendor/dash.mediaplayer.min.js";
import { beyondGap, capturedAt, growsInPieces, listedRanges, nextPeriodStart, sharesPeriod } from "./dash_timeline.js";
import { listLevels, sourceUrl } from "./engine.js";

const EVENTS = MediaPlayer.events;
const XSDATE = "urn:mpeg:dash:utc:http-xsdate:2014";

const MANIFEST_ERRORS = new Set([10, 11, 25, 31, 32]);
const CODEC_ERRORS = new Set([23, 30]);

const MESSAGE_SCHEMES = ["urn:headwater:metadata:2026", "urn:headwater:chat:2026"]; // of emsg boxes

const RETRY_MS = 1000;
const MANIFEST_RETRIES = 20; // while the buffer plays on; then the page itself goes on asking
const UNSTICK_MS = 500;
const STARVED_MS = 700; // a hiccup of the network is over by then
const LOADS_MS = 2500; // for what is needed where it has jumped to, before it may jump again
const BEHIND_LIVE_S = 0.4; // two parts: what begins later has nothing to show yet
const MEDIA_BEYOND = 0.5; // of the target must be listed beyond a gap before it is worth a jump

export class DashEngine {
  constructor(video, on, { lowLatency }) {
    this.name = "dash";
    this.video = video;
    this.on = on;
    this.wantsLowLatency = lowLatency;
    this.offersLowLatency = false;
    this.manifest = null;
    this.unstickTimer = 0;
    this.jumpedTo = 0;
    this.jumpedAt = -Infinity;
    this.starvedSince = 0;
    this.player = null;
    this.chosen = null;
    this.dynamic = true;
  }

  start() {
    const player = (this.player = MediaPlayer().create());
    player.initialize();
    player.updateSettings({
      debug: { logLevel: 0 },
      streaming: {
        delay: { useSuggestedPresentationDelay: true },
        applyServiceDescription: this.wantsLowLatency,
        liveCatchup: { enabled: false }, // pace.js does it
        buffer: { bufferToKeep: 30 },
        // With low latency the library asks ten times as often, which a crowd must not do.
        retryIntervals: { MPD: RETRY_MS, lowLatencyReductionFactor: 2 },
        retryAttempts: { MPD: MANIFEST_RETRIES, lowLatencyMultiplyFactor: 2 },
        // Never the library's default, which asks a clock on the public internet.
        utcSynchronization: {
          defaultTimingSource: { scheme: XSDATE, value: new URL("/time", location.href).href },
        },
      },
    });
    player.on(EVENTS.ERROR, ({ error }) => this.#error(error));
    player.on(EVENTS.MANIFEST_LOADED, ({ data }) => this.#manifest(data));
    for (const event of ["STREAM_INITIALIZED", "QUALITY_CHANGE_RENDERED", "QUALITY_CHANGE_REQUESTED"]) {
      player.on(EVENTS[event], () => this.on.changed());
    }
    // Not before: dash.js refreshes the manifest only if it sees the element's own "play" event.
    player.on(EVENTS.PLAYBACK_METADATA_LOADED, () => this.on.ready());
    // As they come: the page itself waits for their picture, which dash.js looks at more seldom.
    const early = { mode: EVENTS.EVENT_MODE_ON_RECEIVE };
    for (const scheme of MESSAGE_SCHEMES) player.on(scheme, ({ event }) => this.#readMessage(event), null, early);
    player.attachView(this.video);
    player.setAutoPlay(false);
    this.#attach(player);
    this.unstickTimer = setInterval(() => this.#unstick(), UNSTICK_MS);
  }

  /** The manifest for low latency, where that is wanted and there is one. */
  async #attach(player) {
    const fast = sourceUrl("dash", { lowLatency: true });
    const answer = await fetch(fast, { method: "HEAD" }).catch(() => null);
    this.offersLowLatency = Boolean(answer?.ok);
    const url = this.wantsLowLatency && this.offersLowLatency ? fast : sourceUrl("dash");
    if (this.player === player) player.attachSource(url);
  }

  stop() {
    clearInterval(this.unstickTimer);
    this.player?.destroy();
    this.player = null;
  }

  levels() {
    return listLevels(
      this.#representations().map(({ id, height, frameRate, bandwidth }) => {
        return { id, height, fps: frameRate, bitrate: bandwidth };
      }),
    );
  }

  level() {
    return this.#ask((player) => player.getCurrentRepresentationForType("video"))?.id ?? null;
  }

  selected() {
    return this.chosen;
  }

  select(id) {
    this.chosen = id;
    this.player?.updateSettings({
      streaming: { abr: { autoSwitchBitrate: { video: id === null } } },
    });
    if (id !== null) this.player?.setRepresentationForTypeById("video", id, false);
    this.on.changed();
  }

  lowLatency() {
    return { offered: this.offersLowLatency, on: growsInPieces(this.manifest) };
  }

  latency(clock) {
    if (this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const captured = capturedAt(this.manifest, this.video.currentTime);
    return captured === null ? null : (clock.now() - captured) / 1000;
  }

  mediaTime() {
    const start = new Date(this.manifest?.availabilityStartTime ?? NaN).getTime();
    return Number.isNaN(start) ? null : start + this.video.currentTime * 1000;
  }

  distance() {
    const latency = this.#ask((player) => player.getCurrentLiveLatency());
    return Number.isFinite(latency) && latency > 0 ? latency : null;
  }

  target() {
    const delay = this.#ask((player) => player.getTargetLiveDelay());
    return Number.isFinite(delay) && delay > 0 ? delay : null;
  }

  jumpToLive() {
    this.player?.seekToOriginalLive();
  }

  ended() {
    return !this.dynamic;
  }

  /** An origin that has forgotten its window has other periods: dash.js would stay in the old one. */
  #manifest(manifest) {
    if (!manifest) return;
    const hasMoved = this.manifest && !sharesPeriod(this.manifest, manifest);
    this.manifest = manifest;
    this.dynamic = manifest.type === "dynamic";
    if (hasMoved) this.on.jumped();
  }

  /** dash.js waits for ever where a publisher was away: nothing will ever be buffered there. */
  #unstick() {
    const { video } = this;
    const starved = video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA;
    this.starvedSince = starved && !video.paused ? this.starvedSince || performance.now() : 0;
    if (!this.manifest || !this.starvedSince) return;
    const target = this.#beyondGap(video.currentTime);
    if (target === null || target === this.jumpedTo) return;
    this.jumpedTo = target;
    this.jumpedAt = performance.now();
    this.on.error(`nothing at ${video.currentTime.toFixed(1)}: on to ${target.toFixed(1)}`);
    video.currentTime = target + 0.01; // the library's own seeking would change its target, too
  }

  #beyondGap(time) {
    if (growsInPieces(this.manifest)) {
      // Segments are numbered by the clock: only waiting in vain tells where the last one ended.
      const now = performance.now();
      if (now - this.starvedSince < STARVED_MS || now - this.jumpedAt < LOADS_MS) return null;
      const next = nextPeriodStart(this.manifest, time);
      return next !== null && next - time < (this.distance() ?? Infinity) - BEHIND_LIVE_S ? next : null;
    }
    const beyond = beyondGap(listedRanges(this.manifest), time);
    if (!beyond || beyond[1] - beyond[0] < MEDIA_BEYOND * (this.target() ?? 0)) return null;
    return beyond[0];
  }

  #representations() {
    return this.#ask((player) => player.getRepresentationsByType("video")) ?? [];
  }

  /** The library throws where it is asked before it has a source. */
  #ask(question) {
    try {
      return this.player ? question(this.player) : null;
    } catch {
      return null;
    }
  }

  #readMessage({ messageData }) {
    try {
      this.on.message?.(JSON.parse(new TextDecoder().decode(messageData)));
    } catch (error) {
      this.on.error(`message: ${error.message}`);
    }
  }

  #error(error) {
    const code = error?.code ?? 0;
    const status = error?.data?.response?.status ?? error?.data?.status ?? 0;
    this.on.error(`${error?.message ?? "error"} (${status || code})`);
    if (MANIFEST_ERRORS.has(code)) {
      this.on.failed({ kind: "missing", status, detail: error.message });
    } else if (CODEC_ERRORS.has(code)) {
      this.on.failed({ kind: "unsupported", status: 0, detail: error.message });
    } else if (this.video.error) {
      this.on.failed({ kind: "media", status: 0, detail: error.message });
    }
  }
}
