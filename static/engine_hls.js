// HLS through Media Source Extensions by hls.js.
import Hls from "./vendor/hls.min.js";
import { levelLabel, sourceUrl } from "./engine.js";

const MAX_MEDIA_RECOVERIES = 3;

export class HlsEngine {
  constructor(video, on) {
    this.name = "hls";
    this.video = video;
    this.on = on;
    this.recoveries = 0;
    this.hls = null;
  }

  start() {
    if (!Hls.isSupported()) {
      this.on.failed({ kind: "unsupported", status: 0, detail: "no Media Source Extensions" });
      return;
    }
    const hls = (this.hls = new Hls({
      workerPath: new URL("./vendor/hls.worker.js", import.meta.url).href,
      lowLatencyMode: true,
      backBufferLength: 30,
    }));
    hls.on(Hls.Events.ERROR, (_, data) => this.#error(data));
    for (const event of ["MANIFEST_PARSED", "LEVELS_UPDATED", "LEVEL_SWITCHED"]) {
      hls.on(Hls.Events[event], () => this.on.changed());
    }
    hls.attachMedia(this.video);
    hls.loadSource(sourceUrl("hls"));
    this.on.ready();
  }

  stop() {
    this.hls?.destroy();
    this.hls = null;
  }

  levels() {
    return (this.hls?.levels ?? [])
      .map((level, id) => ({
        id,
        height: level.height || 0,
        fps: level.frameRate || 0,
        bitrate: level.bitrate || 0,
        label: levelLabel(level.height, level.frameRate, level.bitrate),
      }))
      .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
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

  latency(clock) {
    const date = this.hls?.playingDate; // from EXT-X-PROGRAM-DATE-TIME
    if (date) return (clock.now() - date.getTime()) / 1000;
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

  #error(data) {
    const status = data.response?.code ?? 0;
    this.on.error(`${data.details}${status ? ` (${status})` : ""}`);
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.recoveries < MAX_MEDIA_RECOVERIES) {
      this.recoveries += 1;
      this.hls.recoverMediaError();
      return;
    }
    const unsupported = data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR;
    const missing = status >= 400;
    const network = data.type === Hls.ErrorTypes.NETWORK_ERROR;
    const kind = unsupported ? "unsupported" : missing ? "missing" : network ? "network" : "media";
    this.on.failed({ kind, status, detail: data.details });
  }
}
