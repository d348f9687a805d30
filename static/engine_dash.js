// DASH through Media Source Extensions by dash.js.
import { MediaPlayer } from "./vendor/dash.mediaplayer.min.js";
import { levelLabel, sourceUrl } from "./engine.js";

const EVENTS = MediaPlayer.events;
const XSDATE = "urn:mpeg:dash:utc:http-xsdate:2014";

const MANIFEST_ERRORS = new Set([10, 11, 25, 31, 32]);
const CODEC_ERRORS = new Set([23, 30]);

export class DashEngine {
  constructor(video, on) {
    this.name = "dash";
    this.video = video;
    this.on = on;
    this.player = null;
    this.chosen = null;
    this.dynamic = true;
  }

  start() {
    const player = (this.player = MediaPlayer().create());
    player.initialize();
    player.updateSettings({
      debug: { logLevel: 0 },
      streaming: {
        delay: { useSuggestedPresentationDelay: true },
        buffer: { bufferToKeep: 30 },
        // Never the library's default, which asks a clock on the public internet.
        utcSynchronization: {
          defaultTimingSource: { scheme: XSDATE, value: new URL("/time", location.href).href },
        },
      },
    });
    player.on(EVENTS.ERROR, ({ error }) => this.#error(error));
    player.on(EVENTS.MANIFEST_LOADED, ({ data }) => (this.dynamic = data?.type === "dynamic"));
    for (const event of ["STREAM_INITIALIZED", "QUALITY_CHANGE_RENDERED", "QUALITY_CHANGE_REQUESTED"]) {
      player.on(EVENTS[event], () => this.on.changed());
    }
    // Not before: dash.js refreshes the manifest only if it sees the element's own "play" event.
    player.on(EVENTS.PLAYBACK_METADATA_LOADED, () => this.on.ready());
    player.attachView(this.video);
    player.setAutoPlay(false);
    player.attachSource(sourceUrl("dash"));
  }

  stop() {
    this.player?.destroy();
    this.player = null;
  }

  levels() {
    return this.#representations()
      .map((one) => ({
        id: one.id,
        height: one.height || 0,
        fps: one.frameRate || 0,
        bitrate: one.bandwidth || 0,
        label: levelLabel(one.height, one.frameRate, one.bandwidth),
      }))
      .sort((a, b) => b.height - a.height || b.bitrate - a.bitrate);
  }

  level() {
    return this.player?.getCurrentRepresentationForType("video")?.id ?? null;
  }

  selected() {
    return this.chosen;
  }

  select(id) {
    this.chosen = id;
    this.player?.updateSettings({
      streaming: { abr: { autoSwitchBitrate: { video: id === null } } },
    });
    if (id !== null) this.player?.setRepresentationForTypeById("video", id, false);
    this.on.changed();
  }

  latency() {
    const latency = this.player?.getCurrentLiveLatency();
    return Number.isFinite(latency) && latency > 0 ? latency : null;
  }

  target() {
    const delay = this.player?.getTargetLiveDelay();
    return Number.isFinite(delay) && delay > 0 ? delay : null;
  }

  jumpToLive() {
    this.player?.seekToOriginalLive();
  }

  ended() {
    return !this.dynamic;
  }

  #representations() {
    try {
      return this.player?.getRepresentationsByType("video") ?? [];
    } catch {
      return []; // before the manifest is there
    }
  }

  #error(error) {
    const code = error?.code ?? 0;
    const status = error?.data?.response?.status ?? error?.data?.status ?? 0;
    this.on.error(`${error?.message ?? "error"} (${status || code})`);
    if (MANIFEST_ERRORS.has(code)) {
      this.on.failed({ kind: "missing", status, detail: error.message });
    } else if (CODEC_ERRORS.has(code)) {
      this.on.failed({ kind: "unsupported", status: 0, detail: error.message });
    } else if (this.video.error) {
      this.on.failed({ kind: "media", status: 0, detail: error.message });
    }
  }
}
