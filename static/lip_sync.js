// Keeps picture and sound of a WebRTC session together, as far as anybody notices.
//
// A browser that keeps them exactly together has the picture wait for the sound, which needs a deeper
// jitter buffer: 60 to 100 ms of latency for nothing that is seen. People notice sound that is late by
// more than about 125 ms or early by 45 ms (ITU-R BT.1359); within less than that both play at once. Of
// AAC made into Opus sound comes 40 ms after its picture, and waits 35 to 75 ms more in Chromium's buffer.

const LATE_MS = 120; // sound may be behind the picture by so much,
const EARLY_MS = 25; // and before it by so much
const STEP_MS = 80; // of one correction: a longer pause of the picture would be seen
const SLACK_MS = 10; // what is within the bounds by more than that is let go again
const MOST_MS = 1000;
const CATCHING_UP_MS = 15; // within a look: less is chance

/**
 * How long picture and sound are held back for each other, milliseconds: `held` is { picture, sound } as
 * of now, `lead` what the picture on screen is ahead of the sound that is heard, in media time, and
 * `expected` what that was to be by the last look, null where there was none. Who catches up by itself is
 * not waited for: sound that piled up until a browser's output had begun is played a little faster then.
 */
export function correct(held, lead, expected) {
  let { picture, sound } = held;
  const step = (missing) => Math.min(STEP_MS, missing);
  if (beyond(lead) > 0 && (expected === null || beyond(expected) - beyond(lead) > CATCHING_UP_MS)) return held;
  if (lead > LATE_MS) [picture, sound] = holdBack(picture, sound, step(lead - LATE_MS));
  else if (lead < -EARLY_MS) [sound, picture] = holdBack(sound, picture, step(-EARLY_MS - lead));
  else if (picture > 0 && lead < LATE_MS - SLACK_MS) picture -= Math.min(picture, step(LATE_MS - SLACK_MS - lead));
  else if (sound > 0 && lead > SLACK_MS - EARLY_MS) sound -= Math.min(sound, step(lead + EARLY_MS - SLACK_MS));
  return { picture, sound };
}

/** What `lead` is to be when `now` is held in the place of `before`. */
export function expect(lead, before, now) {
  return lead - (now.picture - before.picture) + (now.sound - before.sound);
}

/** By how much a lead would be noticed. */
function beyond(lead) {
  return Math.max(lead - LATE_MS, -EARLY_MS - lead, 0);
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
