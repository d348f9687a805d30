// Reads the time code that the test source burns into each picture (streaming/ingest/
// test_time_code.py has its layout), and so the true age of what is on the screen.
//
// A classic script, so that it can be put into any page before that page's own scripts:
//   window.glass = new Glass(videoElement);  …  window.glass.record()

class Glass {
  static CELLS = 48;
  static TIME_BITS = 44;
  static WHITE_FROM = 160;
  static BLACK_TO = 96;
  static ROW_HEIGHTS = 18;
  static READ_EVERY_MS = 90; // a read converts a picture: each third one tells enough

  #video;
  #context = null;
  #readAt = 0;
  #frameAt = 0;
  #waitingSince = 0;
  #record = {
    firstFrameMs: 0, // after the page was asked for
    ages: [], // [Date.now(), Date.now() minus the code on screen], milliseconds
    frames: [], // performance.now() of each picture that was presented
    unreadable: 0,
    stalls: [], // [start, length], performance.now() and milliseconds: the player ran dry
    seeks: 0, // after the first picture
  };

  constructor(video) {
    this.#video = video;
    for (const event of ["waiting", "seeking"]) video.addEventListener(event, () => this.#saw(event));
    video.requestVideoFrameCallback((now) => this.#presented(now));
  }

  /** All of it until now; a stall that still lasts is in it with its length so far. */
  record() {
    const quality = this.#video.getVideoPlaybackQuality();
    const stalls = [...this.#record.stalls];
    if (this.#waitingSince) stalls.push([this.#waitingSince, performance.now() - this.#waitingSince]);
    return { ...this.#record, stalls, dropped: quality.droppedVideoFrames, now: performance.now() };
  }

  #saw(event) {
    if (!this.#frameAt) return; // before the first picture everybody waits and seeks
    if (event === "seeking") this.#record.seeks += 1;
    else if (!this.#waitingSince) this.#waitingSince = performance.now();
  }

  #presented(now) {
    this.#frameAt = now;
    this.#record.firstFrameMs ||= now;
    this.#record.frames.push(now);
    if (this.#waitingSince) {
      this.#record.stalls.push([this.#waitingSince, now - this.#waitingSince]);
      this.#waitingSince = 0;
    }
    if (now - this.#readAt >= Glass.READ_EVERY_MS) {
      this.#readAt = now;
      const utcMs = this.#read();
      if (utcMs === null) this.#record.unreadable += 1;
      else this.#record.ages.push([Date.now(), Date.now() - utcMs]);
    }
    this.#video.requestVideoFrameCallback((next) => this.#presented(next));
  }

  /** Milliseconds since 1970 on the picture, or null. */
  #read() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (this.#context?.canvas.width !== width) {
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = 1;
      this.#context = canvas.getContext("2d", { willReadFrequently: true });
    }
    const row = Math.floor(height / (2 * Glass.ROW_HEIGHTS));
    this.#context.drawImage(this.#video, 0, row, width, 1, 0, 0, width, 1);
    return Glass.decode(this.#context.getImageData(0, 0, width, 1).data, width);
  }

  /** The code in one row of RGBA pixels. */
  static decode(pixels, width) {
    const cells = [];
    for (let i = 0; i < Glass.CELLS; i++) {
      const at = 4 * Math.floor(((i + 0.5) * width) / Glass.CELLS);
      const level = (pixels[at] + pixels[at + 1] + pixels[at + 2]) / 3;
      if (level > Glass.BLACK_TO && level < Glass.WHITE_FROM) return null;
      cells.push(level >= Glass.WHITE_FROM ? 1 : 0);
    }
    const bits = cells.slice(2, 2 + Glass.TIME_BITS);
    const parity = [1, 1];
    bits.forEach((bit, i) => (parity[i % 2] ^= bit));
    if (cells[0] !== 1 || cells[1] !== 0 || cells[46] !== parity[0] || cells[47] !== parity[1]) return null;
    return bits.reduce((sum, bit) => sum * 2 + bit, 0); // shifts stop at 32 bits
  }
}

window.Glass = Glass;
