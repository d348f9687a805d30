// Keeps picture and sound of a WebRTC session together, as far as anybody notices.
//
// A browser that keeps them exactly together has the picture wait for the sound, which needs a deeper
// jitter buffer: 60 to 100 ms of latency for nothing that is seen. People notice sound that is late by
// more than about 125 ms or early by 45 ms (ITU-R BT.1359); within less than that both play at once.

const LATE_MS = 80; // sound may be behind the picture by so much,
const EARLY_MS = 25; // and before it by so much
const STEP_MS = 80; // of one correction: a longer pause of the picture would be seen
const SLACK_MS = 10; // what is within the bounds by more than that is let go again
const MOST_MS = 1000;

/**
 * How long picture and sound are held back for each other, milliseconds: `held` is { picture, sound } as
 * of now, `lead` what the picture on screen is ahead of the sound that is heard, in media time.
 */
export function correct(held, lead) {
  let { picture, sound } = held;
  const step = (missing) => Math.min(STEP_MS, missing);
  if (lead > LATE_MS) [picture, sound] = holdBack(picture, sound, step(lead - LATE_MS));
  else if (lead < -EARLY_MS) [sound, picture] = holdBack(sound, picture, step(-EARLY_MS - lead));
  else if (picture > 0 && lead < LATE_MS - SLACK_MS) picture -= Math.min(picture, step(LATE_MS - SLACK_MS - lead));
  else if (sound > 0 && lead > SLACK_MS - EARLY_MS) sound -= Math.min(sound, step(lead + EARLY_MS - SLACK_MS));
  return { picture, sound };
}

/** Who is ahead is held back by `missing`, for which first the other is let go. */
function holdBack(ahead, behind, missing) {
  const released = Math.min(behind, missing);
  return [Math.min(MOST_MS, ahead + missing - released), behind - released];
}

/** Single frames come early or late by some 10 ms; the middle one of several does not. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Has a receiver keep its media for at least so long. */
export function hold(receiver, milliseconds) {
  if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = milliseconds || null;
  else if ("playoutDelayHint" in receiver) receiver.playoutDelayHint = milliseconds ? milliseconds / 1000 : null;
}
