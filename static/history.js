// What each path did over the last minutes, from its API records. Knows no browser.

export const POINTS = 60; // of a poll every two seconds: two minutes
const CPU_POINTS = 6;

/** The video that people look at: what the publisher sends, else the largest rendition. */
export function mainVideo(record) {
  const videos = record.renditions.filter((one) => (one.kind ?? "video") === "video");
  return videos.find((one) => one.copied) ?? videos.reduce((a, b) => ((b?.height ?? 0) > (a?.height ?? -1) ? b : a), null);
}

export class History {
  #paths = new Map();

  /** The records of all paths as of `atMs`; a path that is not among them is forgotten. */
  push(records, atMs) {
    const names = new Set(records.map((one) => one.path));
    for (const name of this.#paths.keys()) if (!names.has(name)) this.#paths.delete(name);
    for (const record of records) this.#push(record, atMs);
  }

  /** { bitrate, fps, cores }: the newest values last; `cores` is null while unknown. */
  of(name) {
    const seen = this.#paths.get(name);
    return {
      bitrate: seen?.points.map((one) => one.bitrate) ?? [],
      fps: seen?.points.map((one) => one.fps) ?? [],
      cores: seen ? coresOf(seen.cpu) : null,
    };
  }

  #push(record, atMs) {
    const seen = this.#paths.get(record.path) ?? { points: [], cpu: [] };
    this.#paths.set(record.path, seen);
    seen.points.push({ bitrate: record.ingest_bps, fps: mainVideo(record)?.measured_fps ?? 0 });
    if (seen.points.length > POINTS) seen.points.shift();
    const worker = record.worker;
    if (!worker || worker.starts !== seen.cpu.at(-1)?.starts) seen.cpu = [];
    if (worker) seen.cpu.push({ atMs, cpuS: worker.cpu_s, starts: worker.starts });
    if (seen.cpu.length > CPU_POINTS) seen.cpu.shift();
  }
}

function coresOf(cpu) {
  const [first, last] = [cpu[0], cpu.at(-1)];
  if (!first || last.atMs <= first.atMs) return null;
  return Math.max(0, (1000 * (last.cpuS - first.cpuS)) / (last.atMs - first.atMs));
}
