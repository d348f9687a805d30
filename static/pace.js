// How fast to play, so that a viewer comes to the distance from live that is meant and stays there.
//
// The libraries' own ways differ: one only hurries, and not with less than a second of buffer; the
// other changes the rate many times a second. This is slow, small and the same for both.

const FASTEST = 1.08; // above this voices sound odd
const SLOWEST = 0.94;
const SLACK = 0.05; // parts of the target: within it nobody needs to hurry
const STARVED = 0.35; // parts of the target: with less than this in the buffer the next hiccup shows
const FED = 0.6; // with more than this there is something to hurry through
const GAIN = 0.2; // rate for each second of error

/** The playback rate for `distance` from live and `ahead` in the buffer, all in seconds. */
export function paceOf({ distance, target, ahead }) {
  if (!(distance > 0) || !(target > 0)) return 1;
  const error = distance - target;
  if (error < 0 && ahead < STARVED * target) return round(Math.max(SLOWEST, 1 + GAIN * error));
  if (error > SLACK * target && ahead > FED * Math.min(target, distance)) {
    return round(Math.min(FASTEST, 1 + GAIN * error));
  }
  return 1;
}

function round(rate) {
  return Math.round(rate * 100) / 100;
}
