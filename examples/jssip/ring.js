// The tones a phone makes by itself, by WebAudio: no sound files.

const CADENCES = {
  // [frequencies in Hz, seconds on, seconds off, loudness]
  ring: [[440, 554], 0.9, 1.6, 0.12], // somebody calls
  ringback: [[425], 1, 4, 0.06], // it rings there
  waiting: [[425], 0.2, 3.8, 0.05], // somebody calls during a call
  busy: [[425], 0.48, 0.48, 0.05],
};

export class Ringer {
  #context = null;
  #stop = null;
  playing = "";

  constructor(settings) {
    this.settings = settings;
  }

  /** Call this from a click: browsers start no sound before one. */
  wake() {
    this.#context ??= new AudioContext();
    this.#context.resume().catch(() => {});
  }

  /** Play one of the tones until told otherwise; "" for silence. */
  play(name) {
    if (name === this.playing) return;
    this.#stop?.();
    this.#stop = null;
    this.playing = name;
    if (!name || !this.settings.get("ring")) return;
    this.wake();
    this.#stop = this.#sound(...CADENCES[name]);
  }

  /** A short tone for a pressed key. */
  key(digit) {
    if (!this.#context || !this.settings.get("ring")) return;
    const at = "123A456B789C*0#D".indexOf(digit);
    if (at >= 0) this.#burst([[697, 770, 852, 941][at >> 2], [1209, 1336, 1477, 1633][at & 3]], 0.1, 0.04);
  }

  #sound(frequencies, on, off, loudness) {
    const once = () => this.#burst(frequencies, on, loudness);
    let last = once();
    const timer = setInterval(() => (last = once()), 1000 * (on + off));
    return () => {
      clearInterval(timer);
      last();
    };
  }

  #burst(frequencies, seconds, loudness) {
    const [audio, start] = [this.#context, this.#context.currentTime];
    const gain = new GainNode(audio, { gain: 0 });
    gain.gain.setTargetAtTime(loudness, start, 0.012);
    gain.gain.setTargetAtTime(0, start + seconds, 0.012);
    gain.connect(audio.destination);
    const oscillators = frequencies.map((frequency) => new OscillatorNode(audio, { frequency }));
    for (const oscillator of oscillators) {
      oscillator.connect(gain);
      oscillator.start(start);
      oscillator.stop(start + seconds + 0.1);
    }
    return () => gain.disconnect();
  }
}

/** The tone that fits the lines. */
export function toneFor(lines) {
  const talking = lines.some((line) => line.state === "active");
  if (lines.some((line) => line.state === "incoming")) return talking ? "waiting" : "ring";
  return lines.some((line) => line.state === "ringing" && !line.early) ? "ringback" : "";
}
