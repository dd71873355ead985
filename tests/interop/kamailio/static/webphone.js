// Web phones in one page, on JsSIP or SIP.js behind one small interface. Each has a tone generator of its own and keeps what it hears.
import * as JsSIP from 'jssip';
import {Inviter, Registerer, RegistererState, SessionState, UserAgent, Web} from 'sip.js';

const WORKLET = `registerProcessor('tap', class extends AudioWorkletProcessor {
    constructor() { super(); this.kept = new Float32Array(2048); this.size = 0; }
    process(inputs) {
        const [channel] = inputs[0];
        if (!channel) return true;
        this.kept.set(channel, this.size);
        this.size += channel.length;
        if (this.size === this.kept.length) { this.port.postMessage(this.kept.slice()); this.size = 0; }
        return true;
    }
});`;

const sleep = ms => new Promise(done => setTimeout(done, ms));
const context = new AudioContext();
const prepared = context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], {type: 'text/javascript'})));

class Phone {
    events = [];          // what happened, in order
    tapped = [];          // chunks of samples heard
    pc = null;

    constructor(user) {
        this.user = user;
        this.oscillator = new OscillatorNode(context, {frequency: 440});
        this.gain = new GainNode(context, {gain: 0});
        this.out = context.createMediaStreamDestination();
        this.oscillator.connect(this.gain).connect(this.out);
        this.oscillator.start();
        this.tap = new AudioWorkletNode(context, 'tap', {channelCount: 1, channelCountMode: 'explicit'});
        this.tap.port.onmessage = event => this.tapped.push(event.data);
        const mute = new GainNode(context, {gain: 0});
        this.tap.connect(mute).connect(context.destination);
    }

    note(name, detail = null) { this.events.push({name, detail, at: performance.now()}); }

    stream() {
        const tracks = [...this.out.stream.getAudioTracks(), ...(this.canvas ? this.canvas.captureStream(10).getVideoTracks() : [])];
        return new MediaStream(tracks.map(track => track.clone()));
    }

    // From now on calls have video: a picture of one colour with a spot that moves.
    film(colour) {
        this.canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 240});
        const pen = this.canvas.getContext('2d');
        let at = 0;
        const draw = () => {
            pen.fillStyle = colour;
            pen.fillRect(0, 0, 320, 240);
            pen.fillStyle = 'white';
            pen.fillRect(200 + at++ % 100, 200, 10, 10);
        };
        draw();
        this.filming = setInterval(draw, 100);
    }

    // The colour of what came, and how often a picture was decoded.
    async seen() {
        if (!this.video || !this.video.videoWidth) return null;
        const small = Object.assign(document.createElement('canvas'), {width: 4, height: 4});
        const pen = small.getContext('2d');
        pen.drawImage(this.video, 0, 0, 4, 4);
        const [figures] = (await this.statistics()).filter(one => one.type === 'inbound-rtp' && one.kind === 'video');
        return {rgb: Array.from(pen.getImageData(0, 0, 1, 1).data.slice(0, 3)), size: [this.video.videoWidth, this.video.videoHeight],
            frames: figures ? figures.framesDecoded : 0};
    }

    get constraints() { return {audio: true, video: Boolean(this.canvas)}; }

    hook(pc) {
        if (this.pc === pc) return;
        this.pc = pc;
        pc.addEventListener('track', event => this.play(event.track));
        pc.addEventListener('connectionstatechange', () => this.note('connection', pc.connectionState));
    }

    play(track) {
        const stream = new MediaStream([track]);
        const element = Object.assign(document.createElement(track.kind), {srcObject: stream, autoplay: true, muted: true});
        document.getElementById('media').append(element);
        element.play().catch(() => {});
        if (track.kind === 'video') {
            this.video = element;
            return;
        }
        if (this.source) this.source.disconnect();
        this.source = context.createMediaStreamSource(stream);
        this.source.connect(this.tap);
        this.note('track');
    }

    burst(frequency, seconds) {
        const start = context.currentTime + 0.05;
        this.oscillator.frequency.setValueAtTime(frequency, start);
        this.gain.gain.setValueAtTime(0.5, start);
        this.gain.gain.setValueAtTime(0, start + seconds);
    }

    forget() { this.tapped = []; }

    heard() {
        const factor = Math.floor(context.sampleRate / 16000);
        const size = this.tapped.reduce((sum, chunk) => sum + chunk.length, 0);
        const all = new Float32Array(size);
        let at = 0;
        for (const chunk of this.tapped) { all.set(chunk, at); at += chunk.length; }
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
    }

    dial(digits) {
        const sender = this.pc.getSenders().find(one => one.dtmf);
        sender.dtmf.insertDTMF(digits, 160, 80);
    }

    // What a phone that trickles sends when it has found its candidates (RFC 8840).
    trickle() {
        const lines = this.pc.localDescription.sdp.split('\r\n');
        const first = prefix => lines.find(line => line.startsWith(prefix));
        const fragment = [first('a=ice-ufrag:'), first('a=ice-pwd:'), first('m='), first('a=mid:'),
            ...lines.filter(line => line.startsWith('a=candidate:')), 'a=end-of-candidates', ''];
        return this.info('application/trickle-ice-sdpfrag', fragment.join('\r\n'));
    }

    directions() { return this.pc.getTransceivers().map(one => one.currentDirection); }

    async statistics() {
        const found = [];
        const wanted = ['inbound-rtp', 'outbound-rtp', 'transport', 'candidate-pair', 'codec'];
        if (this.pc) (await this.pc.getStats()).forEach(one => wanted.includes(one.type) && found.push(one));
        return found;
    }

    sdp() { return {local: this.pc.localDescription?.sdp, remote: this.pc.remoteDescription?.sdp}; }
}

class JsSipPhone extends Phone {
    constructor(user, server, domain, password) {
        super(user);
        this.domain = domain;
        this.ua = new JsSIP.UA({sockets: [new JsSIP.WebSocketInterface(server)], uri: `sip:${user}@${domain}`, register: true, session_timers: false,
            register_expires: 300, password: password || null});
        this.ua.on('newRTCSession', ({originator, session}) => this.take(originator, session));
    }

    start() {
        return new Promise((done, failed) => {
            this.ua.on('registered', done);
            this.ua.on('registrationFailed', ({cause}) => failed(new Error(cause)));
            this.ua.start();
        });
    }

    async stop() {
        this.ua.stop();
        await sleep(50);
    }

    take(originator, session) {
        this.session = session;
        if (session.connection) this.hook(session.connection);
        session.on('peerconnection', ({peerconnection}) => this.hook(peerconnection));
        session.on('progress', ({response}) => this.note('progress', response && response.status_code));
        session.on('confirmed', () => this.note('confirmed'));
        session.on('failed', ({cause, message}) => this.note('failed', (message && message.status_code) || cause));
        session.on('ended', ({originator: who}) => this.note('ended', who));
        session.on('hold', ({originator: who}) => this.note('hold', who));
        session.on('unhold', ({originator: who}) => this.note('unhold', who));
        session.on('refer', ({accept, request}) => {
            this.note('refer', request.getHeader('Refer-To'));
            accept(null, {mediaStream: this.stream(), pcConfig: {iceServers: []}});
        });
        session.on('replaces', ({accept}) => {
            this.note('replaces');
            accept(newer => newer.answer({mediaStream: this.stream(), pcConfig: {iceServers: []}}));
        });
        if (originator === 'remote') this.note('incoming', session.remote_identity.uri.user);
    }

    call(user) { this.ua.call(`sip:${user}@${this.domain}`, {mediaStream: this.stream(), pcConfig: {iceServers: []}}); }

    // The call that `call` and `answer` are not about from now on: `refer` transfers its other side.
    keep() { this.kept = this.session; }

    // Transfer the other side to a user, or with `joined` to the one that `session` is with.
    refer(user, joined = false) {
        this.kept ||= this.session;
        this.kept.refer(`sip:${user}@${this.domain}`, {
            replaces: joined ? this.session : undefined,
            eventHandlers: {
                requestFailed: ({cause}) => this.note('refer refused', cause),
                accepted: () => this.note('transferred'),
                failed: ({status_line: {status_code: code}}) => this.note('not transferred', code),
            },
        });
    }

    answer() { this.session.answer({mediaStream: this.stream(), pcConfig: {iceServers: []}}); }

    reject(code) { this.session.terminate({status_code: code}); }

    hangup() { this.session.terminate(); }

    // A new offer in an UPDATE (RFC 3311), which SIP.js cannot send.
    update() { return new Promise((done, failed) => this.session.renegotiate({useUpdate: true}, done) || failed(new Error('the update was refused'))); }

    info(type, body) {
        return new Promise(done => {
            this.session.once('newInfo', ({info}) => ['succeeded', 'failed'].forEach(
                event => info.on(event, ({response}) => done(response.status_code))));
            this.session.sendInfo(type, body);
        });
    }

    hold() { return new Promise((done, failed) => this.session.hold({}, done) || failed(new Error('hold was refused'))); }

    resume() { return new Promise((done, failed) => this.session.unhold({}, done) || failed(new Error('resume was refused'))); }
}

class SipJsPhone extends Phone {
    constructor(user, server, domain, password) {
        super(user);
        this.domain = domain;
        this.ua = new UserAgent({
            uri: UserAgent.makeURI(`sip:${user}@${domain}`),
            transportOptions: {server},
            authorizationUsername: user,
            authorizationPassword: password,
            logBuiltinEnabled: false,
            sessionDescriptionHandlerFactory: Web.defaultSessionDescriptionHandlerFactory(async () => this.stream()),
            sessionDescriptionHandlerFactoryOptions: {iceGatheringTimeout: 1000, peerConnectionConfiguration: {iceServers: []}},
            delegate: {onInvite: invitation => { this.take(invitation); this.note('incoming', invitation.remoteIdentity.uri.user); }},
        });
    }

    async start() {
        await this.ua.start();
        this.registerer = new Registerer(this.ua, {expires: 300});
        await new Promise((done, failed) => {
            this.registerer.stateChange.addListener(state => state === RegistererState.Registered && done());
            this.registerer.register({requestDelegate: {onReject: ({message}) => failed(new Error(message.reasonPhrase))}});
        });
    }

    async stop() { await this.ua.stop(); }

    take(session) {
        this.session = session;
        session.delegate = {
            onSessionDescriptionHandler: handler => this.hook(handler.peerConnection),
            onInvite: () => this.note('reinvite'),
            onBye: bye => { this.byed = true; return bye.accept(); },
            onRefer: referral => {
                this.note('refer', referral.referTo.toString());
                referral.accept();
                const inviter = referral.makeInviter({sessionDescriptionHandlerOptions: {constraints: this.constraints}});
                this.take(inviter);
                inviter.invite();
            },
        };
        session.stateChange.addListener(state => {
            if (state === SessionState.Established) this.note('confirmed');
            if (state === SessionState.Terminated) {
                if (this.events.some(one => one.name === 'confirmed')) this.note('ended', this.byed ? 'remote' : 'local');
                // The status, if there is one, is told a moment later.
                else setTimeout(() => this.events.some(one => one.name === 'failed') || this.note('failed', 'Canceled'), 50);
            }
        });
    }

    call(user) {
        const target = UserAgent.makeURI(`sip:${user}@${this.domain}`);
        const inviter = new Inviter(this.ua, target, {earlyMedia: true, sessionDescriptionHandlerOptions: {constraints: this.constraints}});
        this.take(inviter);
        inviter.invite({requestDelegate: {
            onProgress: ({message}) => this.note('progress', message.statusCode),
            onReject: ({message}) => this.note('failed', message.statusCode),
        }}).catch(error => this.note('failed', String(error)));
    }

    answer() { return this.session.accept({sessionDescriptionHandlerOptions: {constraints: this.constraints}}); }

    keep() { this.kept = this.session; }

    async refer(user, joined = false) {
        this.kept ||= this.session;
        const onNotify = notification => {
            notification.accept();
            const code = Number(notification.request.body.split(' ')[1]);
            if (code >= 300) this.note('not transferred', code);
            else if (code >= 200) this.note('transferred');
        };
        await this.kept.refer(joined ? this.session : UserAgent.makeURI(`sip:${user}@${this.domain}`),
            {onNotify, requestDelegate: {onReject: ({message}) => this.note('refer refused', message.statusCode)}});
    }

    reject(code) { return this.session.reject({statusCode: code}); }

    async hangup() {
        if (this.session.state === SessionState.Established) await this.session.bye();
        else if (this.session instanceof Inviter) await this.session.cancel();
        else await this.session.reject();
    }

    info(type, body) {
        return new Promise(done => this.session.info({
            requestOptions: {body: {contentDisposition: 'info-package', contentType: type, content: body}},
            requestDelegate: {onAccept: ({message}) => done(message.statusCode), onReject: ({message}) => done(message.statusCode)},
        }));
    }

    direct(hold) {
        return new Promise((done, failed) => this.session.invite({
            sessionDescriptionHandlerOptions: {constraints: this.constraints, hold},
            requestDelegate: {onAccept: done, onReject: ({message}) => failed(new Error(`${message.statusCode} ${message.reasonPhrase}`))},
        }).catch(failed));
    }

    async hold() { await this.direct(true); }

    async resume() { await this.direct(false); }
}

const LIBRARIES = {jssip: JsSipPhone, sipjs: SipJsPhone};

window.phones = {};
window.open_phone = async (library, user, server, domain, password) => {
    await context.resume();
    await prepared;
    const phone = new LIBRARIES[library](user, server, domain, password);
    window.phones[user] = phone;
    try {
        await phone.start();
    } catch (error) {
        await window.close_phone(user);
        return error.message;
    }
    return null;
};
window.close_phone = async user => {
    const phone = window.phones[user];
    delete window.phones[user];
    if (!phone) return;
    await phone.stop();
    if (phone.pc) phone.pc.close();
    if (phone.source) phone.source.disconnect();
    phone.tap.disconnect();
    phone.oscillator.stop();
    clearInterval(phone.filming);
    if (!Object.keys(window.phones).length) document.getElementById('media').replaceChildren();
};
