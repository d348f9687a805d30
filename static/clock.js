// The server's clock, so that latency does not depend on how well the viewer's own clock is set.

const SAMPLES = 3;

/** Milliseconds to add to Date.now() to get the server's UTC; 0 while unknown. */
export class ServerClock {
  constructor(url = "/time") {
    this.url = url;
    this.offset = 0;
    this.known = false;
  }

  /** Measures a few times and keeps the answer with the shortest round trip. */
  async synchronise() {
    let best = Infinity;
    for (let i = 0; i < SAMPLES; i++) {
      try {
        const sent = performance.now();
        const response = await fetch(this.url, { cache: "no-store" });
        const utc = Date.parse((await response.text()).trim());
        const trip = performance.now() - sent;
        if (response.ok && utc && trip < best) {
          best = trip;
          this.offset = utc + trip / 2 - Date.now();
          this.known = true;
        }
      } catch {
        return; // the own clock has to do
      }
    }
  }

  /** The server's UTC now, milliseconds since 1970. */
  now() {
    return Date.now() + this.offset;
  }
}
