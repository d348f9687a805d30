// How long pictures wait for packets that were lost and are sent again.
//
// A browser shows pictures as they come; where packets get lost each picture that lacks one is late by a
// round trip and more, and one whose packet is lost twice by two: it stands still. Where that happens a
// viewer sees less of it with a cushion, so pictures wait for as long as two resends take, or three where
// so much is lost that two are not enough every few seconds, until all has been well for a while.

const SOME_LOSS = 0.005;
const MUCH_LOSS = 0.02; // of 300 packets a second one is then lost thrice every ten seconds and more
const RESENDS = 2;
const RESENDS_OF_MUCH = 3;
const ASKED_AFTER_MS = 40; // a gap is noticed with the next packets
const AGAIN_AFTER_MS = 120; // who sends nothing knows no round trip by RTCP: libwebrtc takes 100 ms, in turns of 20
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
    const share = received + lost > 0 ? lost / (received + lost) : 0;
    if (share > SOME_LOSS) {
      const resends = share > MUCH_LOSS ? RESENDS_OF_MUCH : RESENDS;
      const first = ASKED_AFTER_MS + (rttMs || ASSUMED_RTT_MS);
      const wanted = Math.min(MOST_MS, first + (resends - 1) * AGAIN_AFTER_MS);
      this.#cushion = nowMs < this.#until ? Math.max(this.#cushion, wanted) : wanted;
      this.#until = nowMs + KEPT_MS;
    } else if (nowMs >= this.#until) {
      this.#cushion = 0;
    }
    return this.#cushion;
  }
}
