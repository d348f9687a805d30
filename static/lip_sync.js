// Keeps picture and sound of a WebRTC session together.
//
// Sound comes later than its picture: it is made of packets of 10 to 30 ms, which wait for one another in a
// browser's jitter buffer (20 to 35 ms) and in its output (30 ms in Chromium). Within 20 ms either way is
// exact. Pictures wait for that where sound is the publisher's own Opus, which takes 20 to 35 ms, and for as long
// as the browser keeps more of it from its start up to 100. For AAC made into Opus, always 60 to 80 ms behind its
// picture, it would cost more latency than it is worth to most; then both play when they come, as long as nobody
// notices. People notice sound that is late by more than about 125 ms or early by 45 ms (ITU-R BT.1359).

export const SCREEN_MS = 12; // until the middle of a screen is drawn, half a refresh, and its dots have turned

const EXACT_MS = 14; // between lead and lag by so much nothing is changed: publishers' reports are 5 ms off,
const AIM_MS = 12; // and beyond it this lead is aimed at: as little waiting as will do;
const WASTED_MS = 4; // with less of it pictures are held too long
export const REACH_MS = 50; // sound that comes later than that after its picture is not waited for,
export const PASSED_REACH_MS = 150; // or later than that where it is the publisher's own;
const STAY_MS = 15; // by so much more it may come later once it is waited for
const FREE_MS = 22; // of what a browser is told to hold pictures for are there anyway (Chromium)
const LATE_MS = 120; // sound is noticed to be behind the picture by more,
const EARLY_MS = 25; // and before it by more
const STEP_MS = 80; // of one correction: a longer pause of the picture would be seen
const SLACK_MS = 10; // what is within the bounds by more than that is let go again
const MOST_MS = 1000;
const CATCHING_UP_MS = 15; // within a look: less is chance

/**
 * How long picture and sound are held back for each other, milliseconds: `held` is { picture, sound } as
 * of now, `lead` what the picture on screen is ahead of the sound that is heard, in media time, and
 * `expected` what that was to be by the last look, null where there was none. Who catches up by itself is
 * not waited for: sound that piled up until a browser's output had begun is played a little faster then.
 * Sound that comes up to `reach` after its picture is waited for until both are together exactly; for the
 * rest it is enough that nobody notices.
 */
export function correct(held, lead, expected, reach) {
  const [late, early] = [reach ? EXACT_MS : LATE_MS, reach ? EXACT_MS : EARLY_MS];
  const off = (of) => Math.max(of - late, -early - of, 0);
  if (off(lead) > 0 && (expected === null || off(expected) - off(lead) > CATCHING_UP_MS)) return held;
  return reach ? exact(held, lead, reach) : noticed(held, lead);
}

/** Within what is exact where that is within reach, else within what is noticed. */
function exact(held, lead, reach) {
  const { picture, sound } = held;
  const natural = lead + Math.max(0, picture - FREE_MS);
  if (natural > (picture > 0 ? reach + STAY_MS : reach)) return noticed(held, lead);
  if (lead > EXACT_MS) {
    const free = picture > 0 || sound > 0 ? 0 : FREE_MS;
    const [later, sooner] = holdBack(picture, sound, step(lead - AIM_MS) + free);
    return { picture: later, sound: sooner };
  }
  if (picture > 0 && lead < WASTED_MS) {
    return { picture: Math.max(0, picture - step(AIM_MS - lead)), sound };
  }
  if (lead >= -EXACT_MS) return held;
  const [later, sooner] = holdBack(sound, picture, step(AIM_MS - EXACT_MS - lead));
  return { picture: sooner, sound: later };
}

/** Within what is noticed. */
function noticed({ picture, sound }, lead) {
  if (lead > LATE_MS) [picture, sound] = holdBack(picture, sound, step(lead - LATE_MS));
  else if (lead < -EARLY_MS) [sound, picture] = holdBack(sound, picture, step(-EARLY_MS - lead));
  else if (picture > 0 && lead < LATE_MS - SLACK_MS) picture -= Math.min(picture, step(LATE_MS - SLACK_MS - lead));
  else if (sound > 0 && lead > SLACK_MS - EARLY_MS) sound -= Math.min(sound, step(lead + EARLY_MS - SLACK_MS));
  return { picture, sound };
}

const step = (missing) => Math.min(STEP_MS, missing);

/** How much later than its picture sound may come to be waited for; `sound` is what the server says of it:
 * "passed" is the publisher's own. */
export function reachOf(sound) {
  return sound === "passed" ? PASSED_REACH_MS : REACH_MS;
}

/** What `lead` is to be when `now` is held in the place of `before`. */
export function expect(lead, before, now) {
  return lead - (now.picture - before.picture) + (now.sound - before.sound);
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
