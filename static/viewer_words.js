// What the player page tells viewers, in plain words: a title and what else is to be said.

export const WORDS = {
  404: ["The stream has not started yet — waiting…", "It will begin here by itself."],
  409: ["The stream has not started yet — waiting…", "It will begin here by itself."],
  410: ["The stream is not running at the moment — waiting…", "It will begin here by itself."],
  503: ["The stream is about to start…", "Just a moment."],
  slow: ["The stream takes long to start — waiting…", "It will begin here by itself."],
  connecting: ["Connecting…", ""],
  network: ["The server cannot be reached — trying again…", "Please check your connection if this takes long."],
  away: ["The broadcaster's connection was lost — waiting…", "The stream goes on here as soon as they are back."],
  buffering: ["Waiting for more of the picture…", ""],
  ended: ["The stream has ended.", "Should it begin again, it will play here by itself."],
  media: ["Something is wrong with the picture — trying again…", ""],
  unsupported: ["Your browser cannot play this stream.", "Please try a current Chrome, Firefox, Edge or Safari."],
};

/** Of an answer's status, or of a name above. */
export function wordsFor(code) {
  if (code === 401 || code === 403) return ["You may not watch this stream.", "Perhaps your link has expired."];
  return WORDS[code] ?? (code >= 400 ? WORDS[503] : WORDS.network);
}

/** Of a picture that waits, while its path is in `state`; null is a server that does not answer. */
export function stallWords(state) {
  if (state === null) return WORDS.network;
  return { away: WORDS.away, live: WORDS.buffering }[state] ?? WORDS[503];
}

/** Why a line of chat was not sent, by the status of the answer (0 is none); "" when it was. */
export function chatWords(status) {
  if (status >= 200 && status < 300) return "";
  if (status === 0) return WORDS.network[0];
  return status === 429 ? "Please wait a moment." : "This could not be sent.";
}
