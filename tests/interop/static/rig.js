// What a test does in the page: one call through the official janus.js, tones and pictures of our own, and a measure of what arrives.
import Janus from '/node_modules/janus-gateway/npm/dist/janus.es.js';

const WORKLET = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process(inputs) {
        const [channel] = inputs[0];
        if (channel) this.port.postMessage(channel.slice());
        return true;
    }
});`;

const sleep = ms => new Promise(done => setTimeout(done, ms));
const promised = start => new Promise((success, error) => start({success, error: reason => error(new Error(String(reason && reason.message || reason)))}));

export class Rig {
    events = [];          // everything the handle told, in order
    waiting = [];
    tapped = [];          // chunks of samples heard
    direction = null;

    async init() {
        this.context = new AudioContext();
        this.context.resume();
        const module = URL.createObjectURL(new Blob([WORKLET], {type: 'text/javascript'}));
        await this.context.audioWorklet.addModule(module);
        this.oscillator = new OscillatorNode(this.context, {frequency: 440});
        this.gain = new GainNode(this.context, {gain: 0});
        this.out = this.context.createMediaStreamDestination();
        this.oscillator.connect(this.gain).connect(this.out);
        this.oscillator.start();
        this.tap = new AudioWorkletNode(this.context, 'tap', {channelCount: 1, channelCountMode: 'explicit'});
        this.tap.port.onmessage = event => this.tapped.push(event.data);
        const mute = new GainNode(this.context, {gain: 0});
        this.tap.connect(mute).connect(this.context.destination);
        await promised(({success}) => Janus.init({debug: ['warn', 'error'], callback: success}));
    }

    async connect(server, plugin = 'janus.plugin.nosip') {
        this.janus = await new Promise((success, failure) => {
            const janus = new Janus({server, success: () => success(janus), error: reason => { this.note('session-error', reason); failure(new Error(reason)); },
                destroyed: () => this.note('destroyed')});
        });
        this.handle = await promised(({success, error}) => this.janus.attach({
            plugin, opaqueId: 'rig', success, error,
            onmessage: (message, jsep) => this.hear(message, jsep),
            onremotetrack: (track, mid, on, metadata) => { this.note('remotetrack', {mid, on, kind: track.kind, reason: metadata && metadata.reason}); if (on) this.play(track); },
            onlocaltrack: () => {},
            webrtcState: (up, reason) => this.note('webrtcState', {up, reason}),
            iceState: state => this.note('iceState', state),
            connectionState: state => this.note('connectionState', state),
            mediaState: (medium, on, mid) => this.note('mediaState', {medium, on, mid}),
            slowLink: (uplink, lost, mid) => this.note('slowLink', {uplink, lost, mid}),
            oncleanup: () => this.note('cleanup'),
            ondetached: () => this.note('detached'),
        }));
    }

    note(name, detail) { this.events.push({name, detail, at: performance.now()}); }

    hear(message, jsep) {
        this.note('message', message);
        const unasked = ['hangingup', 'dtmf', 'media_timeout', 'timeout'].includes(message.result && message.result.event);
        const next = unasked ? null : this.waiting.shift();
        if (!next) return;
        if (message.error_code) next.error(new Error(message.error_code + ' ' + message.error));
        else next.success({result: message.result, message, jsep});
    }

    send(message, jsep) {
        return promised(({success, error}) => {
            const timer = setTimeout(() => error('no event for ' + message.request), 15000);
            this.waiting.push({success: value => { clearTimeout(timer); success(value); }, error: reason => { clearTimeout(timer); error(reason); }});
            this.handle.send({message, jsep, error});
        });
    }

    get pc() { return this.handle.webrtcStuff.pc; }

    transceiver(kind) { return this.pc.getTransceivers().find(one => one.receiver.track.kind === kind && !one.stopped); }

    tracks({audio = true, video = false}) {
        const wanted = [];
        if (audio) wanted.push({type: 'audio', capture: this.out.stream.getAudioTracks()[0].clone(), recv: true, dontStop: true});
        if (video) wanted.push({type: 'video', capture: this.picture().getVideoTracks()[0].clone(), recv: true, dontStop: true});
        return wanted;
    }

    // --- a call, from either side; each returns the plain SDP for the peer ---------------------------------------------------------

    async offer({media = null, iceRestart = false, codecs = null, extra = {}} = {}) {
        const tracks = media ? this.tracks(media) : undefined;
        for (const [kind, names] of Object.entries(codecs || {})) this.prefer(kind, names);
        const jsep = await promised(({success, error}) => this.handle.createOffer({tracks, iceRestart, success, error}));
        const {result} = await this.send({request: 'generate', ...extra}, jsep);
        this.local = jsep.sdp;
        return result.sdp;
    }

    async takeAnswer(sdp, extra = {}) {
        const {jsep, result} = await this.send({request: 'process', type: 'answer', sdp, ...extra});
        await promised(({success, error}) => this.handle.handleRemoteJsep({jsep, success, error}));
        this.remote = jsep.sdp;
        return result;
    }

    async answer(sdp, {media = null, extra = {}, processExtra = {}} = {}) {
        const {jsep} = await this.send({request: 'process', type: 'offer', sdp, ...processExtra});
        this.remote = jsep.sdp;
        const tracks = media ? this.tracks(media) : undefined;
        const answer = await promised(({success, error}) => this.handle.createAnswer({jsep, tracks, success, error}));
        const {result} = await this.send({request: 'generate', ...extra}, answer);
        this.local = answer.sdp;
        return result.sdp;
    }

    // EchoTest: the gateway answers for itself.
    async echo(media) {
        const jsep = await promised(({success, error}) => this.handle.createOffer({tracks: this.tracks(media), success, error}));
        const {jsep: answer} = await this.send({audio: true, video: Boolean(media.video)}, jsep);
        await promised(({success, error}) => this.handle.handleRemoteJsep({jsep: answer, success, error}));
    }

    // Leaves only the named codecs, and telephone-event, in the next offer.
    prefer(kind, names) {
        const wanted = RTCRtpReceiver.getCapabilities(kind).codecs.filter(codec => [...names, 'telephone-event'].includes(codec.mimeType.split('/')[1].toLowerCase()));
        this.transceiver(kind).setCodecPreferences(wanted);
    }

    direct(kind, direction) { this.transceiver(kind).direction = direction; }

    dial(tones, duration, gap) { return promised(({success, error}) => this.handle.dtmf({dtmf: {tones, duration, gap}, success, error})); }

    async connected() {
        for (let turn = 0; turn < 300; turn++) {
            if (this.pc && this.pc.connectionState === 'connected') return true;
            if (this.pc && this.pc.connectionState === 'failed') break;
            await sleep(50);
        }
        throw new Error('not connected: ' + (this.pc && this.pc.connectionState) + ' ' + JSON.stringify(this.events));
    }

    // --- media ---------------------------------------------------------------------------------------------------------------------

    play(track) {
        const stream = new MediaStream([track]);
        const element = document.createElement(track.kind);
        element.srcObject = stream;
        element.autoplay = true;
        element.playsInline = true;
        element.muted = true;
        document.getElementById('media').append(element);
        element.play().catch(() => {});
        if (track.kind === 'video') { this.video = element; return; }
        if (this.source) this.source.disconnect();
        this.source = this.context.createMediaStreamSource(stream);
        this.source.connect(this.tap);
    }

    burst(frequency, seconds) {
        const start = this.context.currentTime + 0.05;
        this.oscillator.frequency.setValueAtTime(frequency, start);
        this.gain.gain.setValueAtTime(0.5, start);
        this.gain.gain.setValueAtTime(0, start + seconds);
    }

    tone(frequency) {
        this.oscillator.frequency.value = frequency;
        this.gain.gain.value = frequency ? 0.5 : 0;
    }

    forget() { this.tapped = []; }

    heard() {
        const factor = Math.floor(this.context.sampleRate / 16000);
        const all = this.tapped.flatMap(chunk => Array.from(chunk));
        const samples = new Int16Array(Math.floor(all.length / factor));
        for (let index = 0; index < samples.length; index++) {
            let sum = 0;
            for (let step = 0; step < factor; step++) sum += all[index * factor + step];
            samples[index] = Math.max(-1, Math.min(1, sum / factor)) * 32767;
        }
        const bytes = new Uint8Array(samples.buffer);
        let text = '';
        for (let index = 0; index < bytes.length; index += 8192) text += String.fromCharCode(...bytes.subarray(index, index + 8192));
        return {rate: this.context.sampleRate / factor, data: btoa(text), state: this.context.state};
    }

    picture() {
        if (!this.canvas) {
            this.canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 240});
            const pen = this.canvas.getContext('2d');
            this.rgb = '#ff0000';
            let turn = 0;
            const draw = () => {
                pen.fillStyle = this.rgb;
                pen.fillRect(0, 0, 320, 240);
                pen.fillStyle = '#000';
                pen.fillRect(turn++ % 320, 236, 4, 4);
            };
            draw();
            setInterval(draw, 100);
        }
        return this.canvas.captureStream(10);
    }

    seen() {
        if (!this.video || !this.video.videoWidth) return null;
        const small = Object.assign(document.createElement('canvas'), {width: 4, height: 4});
        const pen = small.getContext('2d');
        pen.drawImage(this.video, 0, 0, 4, 4);
        return {rgb: Array.from(pen.getImageData(0, 0, 1, 1).data.slice(0, 3)), width: this.video.videoWidth, height: this.video.videoHeight};
    }

    async statistics() {
        const wanted = ['inbound-rtp', 'outbound-rtp', 'remote-inbound-rtp', 'remote-outbound-rtp', 'transport', 'candidate-pair', 'codec'];
        const found = [];
        (await this.pc.getStats()).forEach(one => wanted.includes(one.type) && found.push(one));
        return found;
    }

    // Seconds that what arrives now waits in the jitter buffer. While it shrinks, tones are played shorter than they were.
    async queued() {
        const read = async () => (await this.statistics()).find(one => one.type === 'inbound-rtp' && one.kind === 'audio') || {};
        const before = await read();
        await sleep(250);
        const after = await read();
        return (after.jitterBufferDelay - before.jitterBufferDelay) / (after.jitterBufferEmittedCount - before.jitterBufferEmittedCount);
    }

    async hangup() {
        if (!this.handle) return;
        try { this.handle.hangup(true); } catch (error) { /* there was no call */ }
        await promised(({success}) => this.janus.destroy({success, error: success, cleanupHandles: true}));
    }
}

// A page says which kind of rig it wants: see the html files.
export function start(rig) {
    window.rig = rig;
    window.rigReady = rig.init();
}
