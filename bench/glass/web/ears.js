// Hears the beeps of the test source and of camera.js, which begin with each second of UTC, in what a
// WebRTC player plays, and so how late sound is.
//
// A classic script, to be put into a page before that page's own scripts; Chromium alone can do it:
//   window.ears = new Ears(videoElement);  …  ears.record()

class Ears {
  static LOUD = 0.03; // beeps have 0.25 and more
  static QUIET_S = 0.3; // before a beep

  static #peers = [];
  #quiet = 0; // samples
  #skew = Infinity; // of performance.now() beyond the track's own time, where nothing delays us
  #record = {
    beeps: [], // [Date.now(), age]: when each began to be handed to the output, and how late that was, milliseconds
    chunks: 0,
  };

  /** Peers that the page opens from now on, whose reports tell how long the output takes. */
  static watchPeers() {
    const Peer = window.RTCPeerConnection;
    window.RTCPeerConnection = class extends Peer {
      constructor(...settings) {
        super(...settings);
        Ears.#peers.push(this);
      }
    };
  }

  constructor(video) {
    const [track] = video.srcObject?.getAudioTracks?.() ?? [];
    if (track && window.MediaStreamTrackProcessor) this.#hear(new MediaStreamTrackProcessor({ track }).readable.getReader());
  }

  /** How many were heard. */
  get beeps() {
    return this.#record.beeps.length;
  }

  /** All of it until now, and how long after that things are heard, milliseconds. */
  async record() {
    const outputMs = await Ears.#outputMs();
    return { ...this.#record, outputMs };
  }

  static async #outputMs() {
    for (const peer of Ears.#peers.toReversed()) {
      for (const one of (await peer.getStats()).values()) {
        if (one.type === "media-playout" && one.totalSamplesCount) return (1000 * one.totalPlayoutDelay) / one.totalSamplesCount;
      }
    }
    return 0;
  }

  async #hear(reader) {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const now = performance.now();
      this.#skew = Math.min(this.#skew, now - value.timestamp / 1000);
      const late = now - value.timestamp / 1000 - this.#skew;
      this.#look(value, Date.now() - late);
      this.#record.chunks += 1;
      value.close();
    }
  }

  /** One chunk, which was handed on at `at` by Date.now(). */
  #look(chunk, at) {
    const wave = new Float32Array(chunk.numberOfFrames);
    chunk.copyTo(wave, { planeIndex: 0, format: "f32-planar" });
    wave.forEach((sample, n) => {
      if (Math.abs(sample) < Ears.LOUD) return (this.#quiet += 1);
      if (this.#quiet > Ears.QUIET_S * chunk.sampleRate) {
        const begun = at + (1000 * n) / chunk.sampleRate;
        this.#record.beeps.push([begun, ((begun + 500) % 1000) - 500]);
      }
      return (this.#quiet = 0);
    });
  }
}

Ears.watchPeers();
window.Ears = Ears;
