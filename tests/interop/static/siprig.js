// A user of janus.plugin.sip through the official janus.js: requests go out, events are noted with their jsep, answers are taken as they come.
import {Rig} from '/static/rig.js';

const promised = start => new Promise((success, error) => start({success, error: reason => error(new Error(String(reason && reason.message || reason)))}));

export class SipRig extends Rig {
    incoming = null;      // the jsep of the last incomingcall or updatingcall
    early = null;         // the answer that went out as early media
    masterId = null;

    connect(server, plugin = 'janus.plugin.sip') { return super.connect(server, plugin); }

    hear(message, jsep) {
        const result = message.result || {};
        if (result.master_id) this.masterId = result.master_id;
        this.note('sip', {event: result.event || 'error', ...message, jsep: jsep && jsep.type, sdp: jsep && jsep.sdp});
        if (['incomingcall', 'updatingcall'].includes(result.event)) this.incoming = jsep || null;
        else if (jsep) this.taken = promised(({success, error}) => this.handle.handleRemoteJsep({jsep, success, error})).catch(error => this.note('refused', String(error)));
    }

    // Sends a request without waiting for what comes of it.
    ask(body, jsep) { return promised(({success, error}) => { this.handle.send({message: body, jsep, success: () => success(null), error}); }); }

    async place(uri, {media = {audio: true}, ...extra} = {}) {
        const jsep = await promised(({success, error}) => this.handle.createOffer({tracks: this.tracks(media), success, error}));
        await this.ask({request: 'call', uri, ...extra}, jsep);
    }

    // Takes an incoming call, or gives early media (`progress`) and takes it later with the same answer; without an SDP of the caller ours
    // is an offer.
    async take({media = {audio: true}, request = 'accept', ...extra} = {}) {
        const jsep = this.early || await this.describe(media);
        this.early = request === 'progress' ? jsep : null;
        await this.ask({request, ...extra}, jsep);
    }

    describe(media) {
        const tracks = media ? this.tracks(media) : undefined;
        if (!this.incoming) return promised(({success, error}) => this.handle.createOffer({tracks, success, error}));
        return promised(({success, error}) => this.handle.createAnswer({jsep: this.incoming, tracks, success, error}));
    }

    // Answers an updatingcall, or with `media` offers a change itself.
    async update({media = null, iceRestart = false, offer = false, ...extra} = {}) {
        const tracks = media ? this.tracks(media) : undefined;
        const jsep = await promised(({success, error}) => offer ? this.handle.createOffer({tracks, iceRestart, success, error})
            : this.handle.createAnswer({jsep: this.incoming, tracks, success, error}));
        await this.ask({request: 'update', ...extra}, jsep);
    }

    said(event) { return this.events.filter(one => one.name === 'sip' && one.detail.event === event).map(one => one.detail); }

    forgetEvents() { this.events = []; }
}
