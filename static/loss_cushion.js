// How long pictures wait for packets that were lost and are sent again.
//
// A browser shows pictures as they come; where packets get lost each picture that lacks one is late by a
// round trip and more, and one whose packet is lost twice by two: it stands still. Where that happens a
// viewer sees less of it with a cushion, so pictures wait for as long as two resends take, until all has
// been well for a while.

const SOME_LOSS = 0.005;
const RESENDS = 2;
const ASKED_AFTER_MS = 40; // a gap is noticed with the next packets, and asked about in turns of 20 ms
const MOST_MS = 500;
const ASSUMED_RTT_MS = 100;
const KEPT_MS = 15_000;

export class LossCushion {
  #received = 0;
  #lost = 0;
  #until = 0;
  #cushion = 0;

  /** Milliseconds to wait, given the counters of the video's inbound-rtp and the round trip, about twice a
   * second; `nowMs` is any clock. */
  update({ packetsReceived = 0, packetsLost = 0 }, rttMs, nowMs) {
    const received = packetsReceived - this.#received;
    const lost = packetsLost - this.#lost;
    this.#received = packetsReceived;
    this.#lost = packetsLost;
    if (received + lost > 0 && lost / (received + lost) > SOME_LOSS) {
      const wanted = Math.min(MOST_MS, RESENDS * ((rttMs || ASSUMED_RTT_MS) + ASKED_AFTER_MS));
      this.#cushion = nowMs < this.#until ? Math.max(this.#cushion, wanted) : wanted;
      this.#until = nowMs + KEPT_MS;
    } else if (nowMs >= this.#until) {
      this.#cushion = 0;
    }
    return this.#cushion;
  }
}
