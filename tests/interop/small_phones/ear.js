// Gives a page a microphone with tones of ours, and taps what its calls play. Evaluated in the page, whose policy allows no script of another
// origin and no worklet; hence ScriptProcessor.
async () => {
    const context = new AudioContext();
    await context.resume();
    const oscillator = new OscillatorNode(context, {frequency: 440});
    const level = new GainNode(context, {gain: 0});
    const out = context.createMediaStreamDestination();
    oscillator.connect(level).connect(out);
    oscillator.start();
    navigator.mediaDevices.getUserMedia = async () => out.stream.clone();

    const tap = context.createScriptProcessor(2048, 1, 1);
    let chunks = [], source = null, stream = null;
    tap.onaudioprocess = event => chunks.push(event.inputBuffer.getChannelData(0).slice());
    tap.connect(context.destination);

    window.ear = {
        // Hear what the first card's speaker plays.
        listen() {
            const wanted = document.querySelector('[data-testid="call-card"]:not([data-state="ended"]) audio')?.srcObject;
            if (!wanted || !wanted.getAudioTracks().length) return false;
            if (stream !== wanted) {
                source?.disconnect();
                source = context.createMediaStreamSource(wanted);
                source.connect(tap);
                stream = wanted;
            }
            return true;
        },
        burst(frequency, seconds) {
            const start = context.currentTime + 0.05;
            oscillator.frequency.setValueAtTime(frequency, start);
            level.gain.setValueAtTime(0.5, start);
            level.gain.setValueAtTime(0, start + seconds);
        },
        // A tone that lasts until the next `burst`.
        tone(frequency) {
            oscillator.frequency.value = frequency;
            level.gain.value = 0.5;
        },
        forget() { chunks = []; },
        heard() {
            const factor = Math.floor(context.sampleRate / 16000);
            const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
            const all = new Float32Array(size);
            let at = 0;
            for (const chunk of chunks) { all.set(chunk, at); at += chunk.length; }
            const samples = new Int16Array(Math.floor(size / factor));
            for (let index = 0; index < samples.length; index++) {
                let sum = 0;
                for (let step = 0; step < factor; step++) sum += all[index * factor + step];
                samples[index] = Math.max(-1, Math.min(1, sum / factor)) * 32767;
            }
            const bytes = new Uint8Array(samples.buffer);
            let text = '';
            for (let index = 0; index < bytes.length; index += 8192) text += String.fromCharCode(...bytes.subarray(index, index + 8192));
            return {rate: context.sampleRate / factor, data: btoa(text)};
        },
    };
}
