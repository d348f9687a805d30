// HLS by the browser itself (Safari, iOS).
import { sourceUrl } from "./engine.js";

export class NativeEngine {
  constructor(video, on) {
    this.name = "native";
    this.video = video;
    this.on = on;
    this.failed = () => this.#failed();
  }

  start() {
    this.video.addEventListener("error", this.failed);
    this.video.src = sourceUrl("native");
    this.on.ready(); // iPhones load nothing before they are asked to play
  }

  stop() {
    this.video.removeEventListener("error", this.failed);
    this.video.removeAttribute("src");
    this.video.load();
  }

  levels() {
    return []; // the browser chooses and does not say
  }

  level() {
    return null;
  }

  selected() {
    return null;
  }

  select() {}

  lowLatency() {
    return { offered: false, on: false }; // the browser decides
  }

  latency(clock) {
    const start = this.video.getStartDate?.()?.getTime();
    return start ? (clock.now() - start) / 1000 - this.video.currentTime : null;
  }

  mediaTime() {
    return null; // Safari's date ranges are not read
  }

  distance() {
    return null;
  }

  target() {
    return null;
  }

  jumpToLive() {
    const ranges = this.video.seekable;
    if (ranges.length) this.video.currentTime = ranges.end(ranges.length - 1);
  }

  ended() {
    return Number.isFinite(this.video.duration);
  }

  #failed() {
    const error = this.video.error;
    this.on.error(error?.message || `media error ${error?.code}`);
    const media = error?.code === MediaError.MEDIA_ERR_DECODE;
    this.on.failed({ kind: media ? "media" : "network", status: 0, detail: error?.message ?? "" });
  }
}
