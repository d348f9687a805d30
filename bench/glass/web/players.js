// Bare players with the settings that their own documentation gives for low latency, nothing else:
//   ?player=<a key of PLAYERS>&url=<playlist or MPD>
// window.player tells { name, latency() } by the player's own estimate; window.failed what went wrong.

const parameters = new URLSearchParams(location.search);
const url = parameters.get("url");
const video = document.getElementById("video");

function loadScript(source) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = source;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`no ${source}`));
    document.head.append(script);
  });
}

function fail(text) {
  window.failed = String(text);
}

async function startHls(lowLatencyMode) {
  const { default: Hls } = await import("/static/vendor/hls.min.js");
  const hls = new Hls({ workerPath: "/static/vendor/hls.worker.js", lowLatencyMode });
  hls.on(Hls.Events.ERROR, (_, data) => data.fatal && fail(data.details));
  hls.attachMedia(video);
  hls.loadSource(url);
  await video.play();
  return () => hls.latency;
}

async function startDash() {
  const { MediaPlayer } = await import("/static/vendor/dash.mediaplayer.min.js");
  const player = MediaPlayer().create();
  player.initialize();
  player.updateSettings({ debug: { logLevel: 0 } });
  player.on(MediaPlayer.events.ERROR, ({ error }) => fail(error?.message));
  player.attachView(video);
  player.setAutoPlay(true);
  player.attachSource(url);
  return () => player.getCurrentLiveLatency();
}

async function startShaka() {
  await loadScript("node_modules/shaka-player/dist/shaka-player.compiled.js");
  const { shaka } = window;
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  player.configure({ streaming: { lowLatencyMode: true, liveSync: { enabled: true } } });
  player.addEventListener("error", ({ detail }) => detail.severity === 2 && fail(`shaka ${detail.code}: ${detail.data} ${video.error?.message ?? ""}`));
  await player.attach(video);
  await player.load(url);
  await video.play();
  return () => player.getStats().liveLatency;
}

// Its low-latency mode asks for the same playlist again and again, or gives up, at every other start.
async function startVideoJs() {
  await loadScript("node_modules/video.js/dist/video.min.js");
  const player = window.videojs(video, {
    muted: true,
    liveui: true,
    html5: { vhs: { llhls: false, overrideNative: true } },
  });
  player.on("error", () => fail(player.error()?.message));
  player.src({ src: url, type: url.endsWith(".mpd") ? "application/dash+xml" : "application/x-mpegURL" });
  await player.play();
  return () => null; // it has no public estimate
}

const PLAYERS = {
  "hls.js": () => startHls(false),
  "hls.js-ll": () => startHls(true),
  "dash.js": startDash,
  shaka: startShaka,
  "video.js": startVideoJs,
};

const name = parameters.get("player");
window.player = { name, latency: () => null };
PLAYERS[name]().then((latency) => (window.player.latency = latency), fail);
