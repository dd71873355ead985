// What is sent: a built-in tone, or the microphone. What is heard: its level.

let context;

function audioContext() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume();
  return context;
}

/** A soft two-note figure that returns every 1.6 seconds, so that its echo is easy to hear. Returns {stream, stop}. */
export function tone() {
  const audio = audioContext();
  const [out, gain, oscillator] = [audio.createMediaStreamDestination(), audio.createGain(), audio.createOscillator()];
  oscillator.connect(gain).connect(out);
  gain.gain.value = 0.02;
  oscillator.frequency.value = 440;
  oscillator.start();
  let next = audio.currentTime + 0.1;
  const schedule = () => {
    for (; next < audio.currentTime + 4; next += 1.6) {
      oscillator.frequency.setValueAtTime(440, next);
      oscillator.frequency.setValueAtTime(660, next + 0.4);
      for (const [at, level] of [[0, 0.02], [0.03, 0.35], [0.36, 0.3], [0.44, 0.35], [0.78, 0.3], [1, 0.02]]) gain.gain.linearRampToValueAtTime(level, next + at);
    }
  };
  schedule();
  const timer = setInterval(schedule, 1000);
  return {
    stream: out.stream,
    stop() {
      clearInterval(timer);
      oscillator.stop();
      out.stream.getTracks().forEach((track) => track.stop());
    },
  };
}

/** Whether the browser's sound machinery does not run, as Firefox's without a sound device. */
export function silent() {
  return context?.state !== "running";
}

/** The microphone; echo cancellation is off, or it would remove what this page is about. */
export async function microphone() {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error("Browsers give pages a microphone only over HTTPS or on localhost. Open this page as http://localhost instead.");
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false } });
    return { stream, stop: () => stream.getTracks().forEach((track) => track.stop()) };
  } catch (error) {
    const why = {
      NotAllowedError: "The microphone was not allowed. Allow it for this page in the address bar.",
      NotFoundError: "There is no microphone.",
      NotReadableError: "The microphone is in use by another program. Close that program.",
    }[error.name];
    throw new Error(why ?? `The microphone cannot be used: ${error.message}`);
  }
}

/** Watches a stream; `level()` is in dBov, `pitch()` the strongest frequency in Hz. */
export function watch(stream) {
  const audio = audioContext();
  const analyser = audio.createAnalyser();
  analyser.fftSize = 8192;
  const source = audio.createMediaStreamSource(stream);
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const bins = new Float32Array(analyser.frequencyBinCount);
  return {
    level() {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      return power > 0 ? Math.max(-127, 10 * Math.log10(power)) : -127;
    },
    pitch() {
      analyser.getFloatFrequencyData(bins);
      return (bins.indexOf(Math.max(...bins)) * audio.sampleRate) / analyser.fftSize;
    },
    stop: () => source.disconnect(),
  };
}
