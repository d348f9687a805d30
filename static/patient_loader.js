// Playlist requests that wait on the server, asked again for as long as the broadcaster is away.
//
// hls.js gives a request that waits for the next part 1.6 s, then polls every few seconds, so that a
// broadcaster who is back is noticed late. Here such a request lasts as long as the server may hold
// it, and is made again when the server lets go (503) or cannot be reached; hls.js sees one long one.

const WAITS = /[?&]_HLS_msn=/;
const SLACK_MS = 2000;
const AGAIN_MS = 250; // between two requests, of which the first may have failed at once
const PATIENCE_MS = 90_000; // then hls.js is told: longer than servers wait for a publisher

/** A loader class around `Base`, hls.js's own; `holdMs()` is how long the server may hold a request. */
export function patientLoader(Base, holdMs) {
  return class PatientLoader {
    constructor(config) {
      this.config = config;
      this.inner = new Base(config);
      this.timer = 0;
    }

    get context() {
      return this.inner.context;
    }

    get stats() {
      return this.inner.stats;
    }

    load(context, config, callbacks) {
      if (!WAITS.test(context.url)) {
        this.inner.load(context, config, callbacks);
        return;
      }
      const until = performance.now() + PATIENCE_MS;
      const limit = holdMs() + SLACK_MS;
      const loadPolicy = { ...config.loadPolicy, maxTimeToFirstByteMs: limit, maxLoadTimeMs: limit };
      const patient = { ...config, timeout: limit, loadPolicy };
      const ask = () => this.inner.load(context, patient, { ...callbacks, onError, onTimeout });
      const again = () => {
        if (performance.now() > until) return false;
        this.timer = setTimeout(() => {
          this.inner.destroy();
          this.inner = new Base(this.config);
          ask();
        }, AGAIN_MS);
        return true;
      };
      const onError = (error, ...rest) => {
        const isAway = error.code === 0 || error.code >= 500;
        if (!isAway || !again()) callbacks.onError(error, ...rest);
      };
      const onTimeout = (...all) => {
        if (!again()) callbacks.onTimeout(...all);
      };
      ask();
    }

    abort() {
      clearTimeout(this.timer);
      this.inner.abort();
    }

    destroy() {
      clearTimeout(this.timer);
      this.inner.destroy();
    }

    getCacheAge() {
      return this.inner.getCacheAge();
    }

    getResponseHeader(name) {
      return this.inner.getResponseHeader(name);
    }
  };
}
