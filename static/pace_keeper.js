// Keeps a video at its distance from live, and gets it going again when it stands still for nothing.
import { paceOf } from "./pace.js";

const JUMP_S = 3; // further behind its low-latency target than this, it jumps rather than hurries
const SETTLE_MS = 1000; // after the first picture, what joining cost is left out in one go
const SETTLE_S = 0.5; // if it was more than this
const JUMP_PAUSE_MS = 5000; // between two such jumps
const STARVED_MS = 300; // standing still for longer than this with media at hand is nudged on,
const ENOUGH_S = 0.4; // if there are two parts of it

/** Seconds that are buffered ahead of where `video` is. */
export function bufferedAhead({ currentTime, buffered }) {
  for (let i = 0; i < buffered.length; i++) {
    if (buffered.start(i) <= currentTime && currentTime <= buffered.end(i)) return buffered.end(i) - currentTime;
  }
  return 0;
}

/** Another text after each time that something was buffered. */
export function bufferMark({ buffered }) {
  return buffered.length ? `${buffered.length} ${buffered.end(buffered.length - 1).toFixed(3)}` : "";
}

export class PaceKeeper {
  #isSettled = false;
  #playingSince = 0;
  #jumpedAt = 0;
  #starvedSince = 0;

  constructor(video) {
    this.video = video;
  }

  /** Another engine begins. */
  begin() {
    this.#isSettled = false;
  }

  /** The video has begun to play, or goes on. */
  resume() {
    this.#playingSince = performance.now();
  }

  /** Called twice a second while it plays; a library that stands on purpose has set its own rate. */
  keep(engine) {
    const distance = engine.distance();
    if (distance === null || this.video.playbackRate === 0) return;
    const target = engine.target();
    const isLow = engine.lowLatency().on;
    if (this.#settleIfJoinedLate(distance, target, isLow)) return;
    const mayJump = isLow && performance.now() - this.#jumpedAt > JUMP_PAUSE_MS;
    if (mayJump && target !== null && distance - target > JUMP_S) {
      this.#jumpedAt = performance.now();
      engine.jumpToLive();
      return;
    }
    const rate = paceOf({ distance, target, ahead: bufferedAhead(this.video) });
    if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }

  /** Once after each start: within what is buffered, so that nothing has to be waited for. */
  #settleIfJoinedLate(distance, target, isLow) {
    if (this.#isSettled || !isLow || performance.now() - this.#playingSince < SETTLE_MS) return false;
    this.#isSettled = true;
    const late = distance - target;
    if (late < SETTLE_S || bufferedAhead(this.video) - late < target / 2) return false;
    this.video.currentTime += late;
    return true;
  }

  /**
   * Called some times a second once it has played. Chromium wants twice as much sound after each time
   * that it ran dry, in the end three seconds, before it goes on. A seek makes it forget that.
   */
  nudge() {
    const { video } = this;
    const isStarved = video.readyState <= HTMLMediaElement.HAVE_CURRENT_DATA && !video.paused && !video.seeking;
    if (!isStarved) {
      this.#starvedSince = 0;
      return;
    }
    this.#starvedSince ||= performance.now();
    if (performance.now() - this.#starvedSince < STARVED_MS || bufferedAhead(video) < ENOUGH_S) return;
    this.#starvedSince = performance.now();
    video.currentTime += 0.001;
  }
}
