// A camera whose picture is the time code that glass.js reads, and a microphone that beeps each second.
//
// A classic script, to be put into a page before that page's own scripts.

class TimeCodeCamera {
  static CELLS = 48;
  static TIME_BITS = 44;
  static FRAME_RATE = 30;
  static BEEP_S = 0.05;

  /** The cells (1 white, 0 black) that say this many milliseconds since 1970. */
  static encode(utcMs) {
    const bits = [];
    for (let i = TimeCodeCamera.TIME_BITS - 1; i >= 0; i--) bits.push(Math.floor(utcMs / 2 ** i) % 2);
    const parity = [1, 1];
    bits.forEach((bit, i) => (parity[i % 2] ^= bit));
    return [1, 0, ...bits, ...parity];
  }

  static open(width, height) {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { alpha: false });
    const stream = canvas.captureStream(0);
    const [track] = stream.getVideoTracks();
    const paint = () => {
      const utcMs = Date.now();
      context.fillStyle = `hsl(${(utcMs / 50) % 360} 40% 40%)`;
      context.fillRect(0, 0, width, height);
      const edge = (i) => Math.round((i * width) / TimeCodeCamera.CELLS);
      TimeCodeCamera.encode(utcMs).forEach((cell, i) => {
        context.fillStyle = cell ? "white" : "black";
        context.fillRect(edge(i), 0, edge(i + 1) - edge(i), Math.round(height / 18));
      });
      track.requestFrame();
    };
    setInterval(paint, 1000 / TimeCodeCamera.FRAME_RATE);
    stream.addTrack(TimeCodeCamera.microphone());
    return stream;
  }

  static microphone() {
    const audio = new AudioContext();
    const tone = new OscillatorNode(audio, { frequency: 1000 });
    const gain = new GainNode(audio, { gain: 0 });
    const out = audio.createMediaStreamDestination();
    tone.connect(gain).connect(out);
    tone.start();
    let told = 0;
    setInterval(() => {
      const next = Math.ceil(Date.now() / 1000 + 0.3); // seconds of UTC
      if (next === told) return;
      told = next;
      const at = audio.currentTime + next - Date.now() / 1000;
      gain.gain.setValueAtTime(1, at);
      gain.gain.setValueAtTime(0, at + TimeCodeCamera.BEEP_S);
    }, 100);
    return out.stream.getAudioTracks()[0];
  }
}

navigator.mediaDevices.getUserMedia = async () => TimeCodeCamera.open(640, 360);
