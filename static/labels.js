// Figures in words for people. Knows no browser.

/** A bit rate. */
export function bitrateLabel(bitrate) {
  if (!bitrate) return "";
  return bitrate >= 1e6 ? `${(bitrate / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bitrate / 1e3)} kbit/s`;
}

/** A size in memory. */
export function bytesLabel(bytes) {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`;
}

/** A span of time, as coarse as people say it. */
export function durationLabel(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** A latency, or a dash where it is not known. */
export function latencyLabel(seconds) {
  if (!seconds) return "–";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** "1 viewer", "2 viewers". */
export function countLabel(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

const CODECS = [
  [/^(avc[13]|h264)/, "H.264"], [/^(hvc1|hev1|h265|hevc)/, "H.265"], [/^(av01|av1)/, "AV1"], [/^(vp09|vp9)/, "VP9"],
  [/^(mp4a\.40|aac)/, "AAC"], [/^opus$/i, "Opus"], [/^mp3$/, "MP3"], [/^(ac-3|ec-3)/, "Dolby"],
];

/** A codec by the name that people know, from its RFC 6381 string or ours. */
export function codecLabel(codec) {
  return CODECS.find(([pattern]) => pattern.test(codec))?.[1] ?? codec.toUpperCase();
}

const PROTOCOLS = { hls: "HLS", dash: "DASH", webrtc: "WebRTC", rtmp: "RTMP", rtmps: "RTMPS", whip: "WHIP", whep: "WHEP", pull: "pulled", slate: "slate" };

/** A protocol as it is written. */
export function protocolLabel(protocol) {
  return PROTOCOLS[protocol] ?? protocol.toUpperCase();
}
