// What RTP timestamps mean, by the server's word (`clocks` of the layers resource): media time of what is
// on screen and heard, in every browser, whether or not it tells of sender reports.

const WRAP = 2 ** 32;

/** Milliseconds of UTC of an RTP timestamp, which is within hours of `nearMs`. */
export function mediaTime({ rate, offset }, timestamp, nearMs) {
  const ticks = (timestamp - offset) >>> 0;
  const near = Math.round((nearMs / 1000) * rate) % WRAP;
  let ahead = ticks - near;
  if (ahead > WRAP / 2) ahead -= WRAP;
  else if (ahead < -WRAP / 2) ahead += WRAP;
  return nearMs + (ahead * 1000) / rate;
}

/**
 * What a receiver plays: { timestamp, at } of the newest frame that it handed on, `at` being
 * performance.now() of then; null before the first.
 */
export function playing(receiver) {
  const [source] = receiver.getSynchronizationSources?.() ?? [];
  if (!source) return null;
  // The specification counts from 1970, some browsers from the page's beginning.
  const at = source.timestamp > 1e11 ? source.timestamp - performance.timeOrigin : source.timestamp;
  return { timestamp: source.rtpTimestamp, at };
}

/** When what a page hands to the browser's output is heard, milliseconds later: `playout` is the media-playout
 * report of getStats, where the browser has one. */
export function outputDelay(playout) {
  const samples = playout?.totalSamplesCount ?? 0;
  return samples > 0 ? (1000 * playout.totalPlayoutDelay) / samples : 0;
}
