// A ring tone made by the browser: two notes, a pause.

const NOTES = [[480, 0], [620, 0.25], [480, 0.5], [620, 0.75]];
const EVERY_MS = 3000;

export class Ring {
  #timer = null;
  #context = null;

  /** Ring, or be silent. Browsers let a page sound once it was clicked. */
  set(wanted) {
    if (wanted === (this.#timer !== null)) return;
    clearInterval(this.#timer);
    this.#timer = wanted ? setInterval(() => this.#once(), EVERY_MS) : null;
    if (wanted) this.#once();
    else this.#context?.suspend();
  }

  #once() {
    this.#context ??= new AudioContext();
    this.#context.resume();
    const now = this.#context.currentTime;
    for (const [frequency, after] of NOTES) {
      const tone = new OscillatorNode(this.#context, { frequency });
      const level = new GainNode(this.#context, { gain: 0.1 });
      tone.connect(level).connect(this.#context.destination);
      tone.start(now + after);
      tone.stop(now + after + 0.22);
    }
  }
}
