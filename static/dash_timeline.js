// What an MPD, as dash.js has parsed it, says of time: where there is media, and when it was captured.

const EDGE_S = 0.15; // players stop a few frames before the end of what they have

/** Stretches of video (or, without any, audio) that are listed: [[start, end]], presentation time. */
export function listedRanges(mpd) {
  const ranges = [];
  for (const period of list(mpd?.Period)) {
    const set = mainSet(period);
    const template = list(set?.Representation)[0]?.SegmentTemplate ?? set?.SegmentTemplate;
    if (!template?.SegmentTimeline) continue;
    const offset = (period.start ?? 0) - (template.presentationTimeOffset ?? 0) / template.timescale;
    let time = 0;
    for (const { t, d, r } of list(template.SegmentTimeline.S)) {
      time = t ?? time;
      const start = offset + time / template.timescale;
      time += d * ((r ?? 0) + 1);
      const end = offset + time / template.timescale;
      const last = ranges.at(-1);
      if (last && start - last[1] < 0.05) last[1] = end;
      else ranges.push([start, end]);
    }
  }
  return ranges;
}

/** The next stretch, when nothing is listed at `time` and something later is; else null. */
export function beyondGap(ranges, time) {
  if (ranges.some(([start, end]) => start - EDGE_S <= time && time < end - EDGE_S)) return null;
  return ranges.find(([start]) => start > time) ?? null;
}

/** Where the period after the one at `time` begins; null when it is the last. */
export function nextPeriodStart(mpd, time) {
  const starts = list(mpd?.Period).map((period) => period.start ?? 0);
  return starts.find((start) => start > time + EDGE_S) ?? null;
}

/** Whether one MPD can be the update of the other. */
export function sharesPeriod(mpd, other) {
  const ids = new Set(list(mpd.Period).map((period) => period.id));
  return list(other.Period).some((period) => ids.has(period.id));
}

/** Whether segments can be had while they grow, which is what low latency needs. */
export function growsInPieces(mpd) {
  return list(mpd?.Period).some((period) => {
    const set = mainSet(period);
    const template = list(set?.Representation)[0]?.SegmentTemplate ?? set?.SegmentTemplate;
    return String(template?.availabilityTimeComplete) === "false";
  });
}

/** The camera's UTC at presentation time `time`, milliseconds since 1970; null without a clock. */
export function capturedAt(mpd, time) {
  const start = milliseconds(mpd?.availabilityStartTime);
  if (Number.isNaN(start)) return null;
  return start + time * 1000 + captureShift(mpd, start);
}

/** Milliseconds from media time to capture by the newest ProducerReferenceTime; 0 without any. */
function captureShift(mpd, start) {
  const period = list(mpd.Period).at(-1);
  const set = period && mainSet(period);
  const representation = list(set?.Representation)[0];
  const reference = list(representation?.ProducerReferenceTime ?? set?.ProducerReferenceTime)[0];
  const wall = milliseconds(reference?.wallClockTime);
  const template = representation?.SegmentTemplate ?? set?.SegmentTemplate;
  if (Number.isNaN(wall) || !template) return 0;
  const ticks = reference.presentationTime - (template.presentationTimeOffset ?? 0);
  return wall - (start + ((period.start ?? 0) + ticks / template.timescale) * 1000);
}

/** Of a date as text, or as dash.js has it: Date.parse would take that by its text, without fractions. */
function milliseconds(date) {
  return date === undefined ? NaN : new Date(date).getTime();
}

function mainSet(period) {
  const sets = list(period.AdaptationSet);
  return sets.find((set) => set.contentType === "video") ?? sets[0];
}

function list(value) {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}
