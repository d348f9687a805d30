// Joins a path by WHEP on a page of ours, sees its first picture and leaves.
//
// A classic script; static/webrtc.js does the joining, as on our player page.

/** Milliseconds after the call: { answered, connected, picture }. */
window.joinByWhep = async (path) => {
  const { view } = await import("/static/webrtc.js");
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true });
  document.body.append(video);
  const begun = performance.now();
  const since = () => performance.now() - begun;
  const record = {};
  const picture = new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(since())));
  const on = { state: (state) => state === "connected" && (record.connected ??= since()) };
  const session = await view(`/${path}/whep`, { on });
  record.answered = since();
  try {
    video.srcObject = session.stream;
    record.picture = await picture;
  } finally {
    await session.close();
    video.remove();
  }
  return record;
};
