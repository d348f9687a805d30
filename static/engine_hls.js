// HLS through Media Source Extensions by hls.js.
import Hls from "./vendor/hls.min.js";
import { listLevels, sourceUrl } from "./engine.js";
import { LoadWatch } from "./load_watch.js";
import { patientLoader } from "./patient_loader.js";
import { Seen } from "./seen.js";

const MAX_MEDIA_RECOVERIES = 3;
const MAX_TARGETS_BEHIND = 10; // target durations; further behind than that, it jumps to live
const HELD_TARGETS = 3; // target durations that a server may hold a request (RFC 8216bis 6.2.5.2)
const LONGEST_HOLD_MS = 30_000; // while the target duration is unknown
const UNSTICK_MS = 250;
const STARVED_MS = 500; // a hiccup of the network is over by then
const ENOUGH_S = 0.3; // beyond a hole before it is worth a jump: two parts
const LONG_MS = 1500; // whoever stands for so long takes
const LITTLE_S = 0.05; // this much, too: hls.js may load no more before
const MESSAGE_ATTRIBUTE = "X-HEADWATER-MESSAGE";
const STALL_INCREASE_S = 0.2; // of the distance from live, after each stall: a part or so

/** A server that restarts, or a proxy that has lost it, is asked again while the buffer plays on. */
function patient(maxNumRetry) {
  const retry = (config, count, timedOut, response) => {
    const code = response?.code ?? 0;
    return count < config.maxNumRetry && (timedOut || code === 0 || code === 404 || code >= 500);
  };
  const errorRetry = { maxNumRetry, retryDelayMs: 250, maxRetryDelayMs: 2000, shouldRetry: retry };
  return {
    default: {
      maxTimeToFirstByteMs: 10_000, // blocked requests are held for three target durations
      maxLoadTimeMs: 20_000,
      timeoutRetry: { maxNumRetry: 4, retryDelayMs: 0, maxRetryDelayMs: 0 },
      errorRetry,
    },
  };
}

const PLAYLIST_RETRIES = 14; // about 25 s: then the page itself goes on asking
const MEDIA_RETRIES = 4; // a segment that does not come in 4 s has left the window

export class HlsEngine {
  constructor(video, on, { lowLatency }) {
    this.name = "hls";
    this.video = video;
    this.on = on;
    this.wantsLowLatency = lowLatency;
    this.recoveries = 0;
    this.messages = new Seen();
    this.loads = new LoadWatch();
    this.lastNumbers = new Map(); // level: the last segment it listed
    this.unstickTimer = 0;
    this.starvedSince = 0;
    this.hls = null;
  }

  start() {
    if (!Hls.isSupported()) {
      this.on.failed({ kind: "unsupported", status: 0, detail: "no Media Source Extensions" });
      return;
    }
    const hls = (this.hls = new Hls({
      workerPath: new URL("./vendor/hls.worker.js", import.meta.url).href,
      lowLatencyMode: this.wantsLowLatency,
      liveSyncOnStallIncrease: STALL_INCREASE_S,
      backBufferLength: 30,
      enableDateRangeMetadataCues: false, // by a text track from a data: URL, which the page's policy forbids
      pLoader: patientLoader(Hls.DefaultConfig.loader, () => this.#holdMs()),
      playlistLoadPolicy: patient(PLAYLIST_RETRIES),
      fragLoadPolicy: patient(MEDIA_RETRIES),
    }));
    // As an option it would have to come with a fixed distance, and the playlist's would not count.
    hls.config.liveMaxLatencyDurationCount = MAX_TARGETS_BEHIND;
    hls.on(Hls.Events.ERROR, (_, data) => this.#error(data));
    for (const event of ["MANIFEST_PARSED", "LEVELS_UPDATED", "LEVEL_SWITCHED"]) {
      hls.on(Hls.Events[event], () => this.on.changed());
    }
    hls.on(Hls.Events.BUFFER_APPENDED, (_, { type }) => this.loads.append(type, performance.now()));
    hls.on(Hls.Events.LEVEL_UPDATED, (_, { level, details }) => {
      this.loads.list(details.edge, performance.now());
      this.#followNumbers(level, details);
      this.#readMessages(details.dateRanges);
    });
    hls.attachMedia(this.video);
    hls.loadSource(sourceUrl("hls"));
    this.unstickTimer = setInterval(() => this.#unstick(), UNSTICK_MS);
    this.on.ready();
  }

  stop() {
    clearInterval(this.unstickTimer);
    this.hls?.destroy();
    this.hls = null;
  }

  levels() {
    return listLevels(
      (this.hls?.levels ?? []).map(({ height, frameRate, bitrate }, id) => {
        return { id, height, fps: frameRate, bitrate };
      }),
    );
  }

  level() {
    const level = this.hls?.currentLevel ?? -1;
    return level < 0 ? null : level;
  }

  selected() {
    if (!this.hls || this.hls.autoLevelEnabled) return null;
    return this.hls.manualLevel < 0 ? null : this.hls.manualLevel;
  }

  select(id) {
    if (this.hls) this.hls.nextLevel = id ?? -1;
  }

  lowLatency() {
    const offered = (this.hls?.latestLevelDetails?.partTarget ?? 0) > 0;
    return { offered, on: offered && this.wantsLowLatency };
  }

  latency(clock) {
    const date = this.hls?.playingDate; // from EXT-X-PROGRAM-DATE-TIME
    if (date) return (clock.now() - date.getTime()) / 1000;
    return this.hls?.latency || null;
  }

  mediaTime() {
    return this.hls?.playingDate?.getTime() ?? null;
  }

  distance() {
    return this.hls?.latency || null;
  }

  target() {
    return this.hls?.targetLatency ?? null;
  }

  jumpToLive() {
    const position = this.hls?.liveSyncPosition;
    if (position) this.video.currentTime = position;
  }

  ended() {
    return this.hls?.latestLevelDetails?.live === false;
  }

  /** Over a hole as soon as there is something beyond it: hls.js may take three seconds. */
  #unstick() {
    const { video, hls } = this;
    const now = performance.now();
    const isStarved = video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA && !video.paused;
    this.starvedSince = isStarved ? this.starvedSince || now : 0;
    if (!isStarved || !hls?.latestLevelDetails?.live || now - this.starvedSince < STARVED_MS) return;
    const enoughS = now - this.starvedSince > LONG_MS ? LITTLE_S : ENOUGH_S;
    const beyond = beyondHole(video.buffered, video.currentTime, enoughS);
    if (beyond !== null) {
      this.on.error(`nothing at ${video.currentTime.toFixed(1)}: on to ${beyond.toFixed(1)}`);
      this.starvedSince = now;
      video.currentTime = beyond + 0.01;
    } else if (this.lowLatency().on && this.loads.isStuck(this.starvedSince, now)) {
      this.on.error(`nothing loads at ${video.currentTime.toFixed(1)}: anew`);
      this.loads.begin(now);
      hls.stopLoad();
      if (hls.liveSyncPosition > video.currentTime) this.jumpToLive();
      hls.startLoad();
    }
  }

  #holdMs() {
    const target = this.hls?.latestLevelDetails?.targetduration;
    return target ? HELD_TARGETS * target * 1000 : LONGEST_HOLD_MS;
  }

  /** An origin that has forgotten its window starts higher: hls.js would guess where that is. */
  #followNumbers(level, details) {
    const last = this.lastNumbers.get(level);
    this.lastNumbers.set(level, details.endSN);
    if (last !== undefined && details.startSN > last + 1) this.on.jumped();
  }

  /** Each is told once: a playlist lists those of its whole window. */
  #readMessages(ranges) {
    for (const [id, range] of Object.entries(ranges)) {
      const text = range.attr?.[MESSAGE_ATTRIBUTE];
      if (!text || !this.messages.add(id)) continue;
      try {
        this.on.message?.(JSON.parse(decodeURIComponent(text)));
      } catch (error) {
        this.on.error(`message ${id}: ${error.message}`);
      }
    }
  }

  #error(data) {
    const status = data.response?.code ?? 0;
    this.on.error(`${data.details}${status ? ` (${status})` : ""}`);
    if (!data.fatal) return;
    const unsupported = data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !unsupported && this.recoveries < MAX_MEDIA_RECOVERIES) {
      this.recoveries += 1;
      this.hls.recoverMediaError();
      return;
    }
    const missing = status >= 400;
    const network = data.type === Hls.ErrorTypes.NETWORK_ERROR;
    const kind = unsupported ? "unsupported" : missing ? "missing" : network ? "network" : "media";
    this.on.failed({ kind, status, detail: data.details });
  }
}

/** Where the next stretch of `enoughS` begins, when nothing is buffered at `time`; else null. */
function beyondHole(buffered, time, enoughS) {
  for (let i = 0; i < buffered.length; i++) {
    const [start, end] = [buffered.start(i), buffered.end(i)];
    if (start <= time && end - time > ENOUGH_S) return null;
    if (start > time && end - start >= enoughS) return start;
  }
  return null;
}
