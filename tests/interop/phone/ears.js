// What a test gives a page of the web phone in place of microphone and camera, and how it hears and sees what comes.
// It is one function of {frequency, colour}; what it leaves is window.ears.
({ frequency, colour }) => {
    const context = new AudioContext();
    const oscillator = new OscillatorNode(context, {frequency});
    const gain = new GainNode(context, {gain: 0});
    const out = context.createMediaStreamDestination();
    oscillator.connect(gain).connect(out);
    oscillator.start();
    const quiet = new GainNode(context, {gain: 0});
    quiet.connect(context.destination);
    const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 240});
    const pen = canvas.getContext('2d');
    let at = 0;
    setInterval(() => {
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 320, 240);
        pen.fillStyle = 'white';
        pen.fillRect(at++ % 300, 220, 10, 10);
    }, 100);

    const ears = {
        asked: [],     // constraints of getUserMedia, in order
        refuse: '',    // name of the error to refuse with
        tones: [],     // frequencies of oscillators that the page itself made
        notified: [],  // titles of notifications
        taps: new Map(),
        audio: number => document.querySelector(`[data-testid="line-${number}"] audio`),
        burst(seconds, hz = frequency) {
            const start = context.currentTime + 0.05;
            oscillator.frequency.setValueAtTime(hz, start);
            gain.gain.setValueAtTime(0.5, start);
            gain.gain.setValueAtTime(0, start + seconds);
        },
        // Keep what the loudspeaker of that line is given.
        listen(number) {
            const stream = ears.audio(number)?.srcObject;
            const old = ears.taps.get(number);
            if (old?.stream === stream) return Boolean(stream);
            old?.source.disconnect();
            ears.taps.delete(number);
            if (!stream?.getAudioTracks().length) return false;
            const tap = {stream, chunks: [], source: context.createMediaStreamSource(stream), node: context.createScriptProcessor(4096, 1, 1)};
            tap.node.onaudioprocess = event => tap.chunks.push(event.inputBuffer.getChannelData(0).slice());
            tap.source.connect(tap.node).connect(quiet);
            ears.taps.set(number, tap);
            return true;
        },
        forget: () => ears.taps.forEach(tap => { tap.chunks = []; }),
        heard(number) {
            const chunks = ears.taps.get(number)?.chunks ?? [];
            const factor = Math.floor(context.sampleRate / 16000);
            const all = new Float32Array(chunks.length * 4096);
            chunks.forEach((chunk, index) => all.set(chunk, index * 4096));
            const samples = new Int16Array(Math.floor(all.length / factor));
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
        // The colour of the other side's picture, or null.
        seen(number) {
            const video = document.querySelector(`[data-testid="line-${number}"] [data-testid=far-video]`);
            if (!video?.videoWidth || video.hidden) return null;
            const small = Object.assign(document.createElement('canvas'), {width: 4, height: 4}).getContext('2d');
            small.drawImage(video, 0, 0, 4, 4);
            return Array.from(small.getImageData(0, 0, 1, 1).data.slice(0, 3));
        },
        sockets: [],
        came: [],      // texts that came by them
    };
    window.ears = ears;

    navigator.mediaDevices.getUserMedia = async constraints => {
        ears.asked.push(constraints);
        if (ears.refuse) throw new DOMException('refused by the test', ears.refuse);
        await context.resume();
        const tracks = [];
        if (constraints.audio) tracks.push(...out.stream.getAudioTracks());
        if (constraints.video) tracks.push(...canvas.captureStream(10).getVideoTracks());
        return new MediaStream(tracks.map(track => track.clone()));
    };
    window.OscillatorNode = class extends OscillatorNode {
        constructor(where, options) {
            super(where, options);
            ears.tones.push(options.frequency);
        }
    };
    window.Notification = class extends EventTarget {
        static permission = 'granted';
        static requestPermission = async () => 'granted';
        constructor(title) {
            super();
            ears.notified.push(title);
        }
        close() { ears.notified.push('closed'); }
    };
    window.WebSocket = class extends WebSocket {
        constructor(...all) {
            super(...all);
            ears.sockets.push(this);
            this.addEventListener('message', ({data}) => ears.came.push(String(data)));
        }
    };
}
