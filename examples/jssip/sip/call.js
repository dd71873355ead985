// One JsSIP session behind the small interface that the phone's lines use; JsSIP's own words stay in this folder.
//
// What it tells (`hear(name, detail)`):
//   "ringing" {early}            the other side rings; `early`: it is already heard
//   "answered" {}                both can talk
//   "ended" {by, code, cause, elsewhere}
//   "hold" {on}                  the other side put us on hold, or resumed
//   "digit" {digit}              a digit came
//   "media" {}                   tracks or directions changed
//   "party" {party}              who it is became known, or changed

import { PhoneError } from "../words.js";

const PATIENCE_MS = 4000;
const TRIES = 3;
const LOST_CHANGE = /^(Hold|Unhold|Media Renegotiation) Failed$/; // why JsSIP would hang up
const TONE_MS = 160;
const GAP_MS = 80;

export class SipCall {
  #session;
  #hear;
  #directions = [];
  #offering = false; // an offer of ours has no answer yet
  #refused = null; // to be called when it gets none
  #untold = false; // the other side does not know our last change

  /** `prepare(connection, call)` may change the PeerConnection before it is used; `release` what it returns, at the end. */
  constructor(session, direction, prepare) {
    this.#session = session;
    this.direction = direction;
    this.prepare = prepare;
    this.connection = null;
    this.party = partyOf(session.remote_identity);
    this.#hear = () => {};
    this.#listen();
  }

  /** Who is told the news. */
  set hear(hear) {
    this.#hear = hear;
  }

  get isEnded() {
    return this.#session.isEnded();
  }

  /** True when the other side's first description has video. */
  get offersVideo() {
    return /^m=video [1-9]/m.test(this.#session._request?.body ?? "");
  }

  answer(stream) {
    this.#session.answer({ mediaStream: stream, pcConfig: { iceServers: [] } });
  }

  decline(code) {
    if (!this.isEnded) this.#session.terminate({ status_code: code });
  }

  hangUp() {
    if (!this.isEnded) this.#session.terminate();
  }

  /** Stop sending what the microphone hears, or go on. */
  mute(on) {
    if (on) this.#session.mute({ audio: true });
    else this.#session.unmute({ audio: true });
  }

  /** Ask the other side to wait, by a re-INVITE. Raises PhoneError when the call is busy with another change. */
  async hold() {
    if (this.#session.isOnHold().local) return this.#tell();
    await this.#changed((done) => {
      this.#directions = this.connection.getTransceivers().map((one) => [one, one.direction]);
      for (const [transceiver, direction] of this.#directions) {
        if (!transceiver.stopped) transceiver.direction = direction.startsWith("send") ? "sendonly" : "inactive";
      }
      return this.#session.hold({}, done);
    });
  }

  async resume() {
    if (!this.#session.isOnHold().local) return this.#tell();
    await this.#changed((done) => {
      for (const [transceiver, direction] of this.#directions) if (!transceiver.stopped) transceiver.direction = direction;
      return this.#session.unhold({}, done);
    });
  }

  /** Offer again, after tracks changed. */
  async renegotiate() {
    await this.#changed((done) => this.#session.renegotiate({}, done));
  }

  /** Send one digit: as an event within the sound (RFC 4733), or by SIP INFO. */
  digit(digit, how) {
    this.#session.sendDTMF(digit, { duration: TONE_MS, interToneGap: GAP_MS, transportType: how === "info" ? "INFO" : "RFC2833" });
  }

  /** A digit came within the sound: a browser does not tell, but the gateway may. */
  hearDigit(digit) {
    this.#hear("digit", { digit });
  }

  /** Ask the other side to call `target` instead of us, replacing our own call with it if `other` is given (RFC 3515, RFC 3891). */
  refer(target, other, progress) {
    const options = { eventHandlers: referHandlers(progress) };
    if (other) options.replaces = other.#replaced();
    this.#session.refer(target, options);
  }

  /** The address that a transfer to this call's other side names. */
  get remoteUri() {
    return this.#session.remote_identity.uri.toString();
  }

  // JsSIP names the tags as the caller sees them; RFC 3891 wants them as the one who is asked to replace its call sees them.
  #replaced() {
    const { call_id: callId, local_tag: local, remote_tag: remote } = this.#session._dialog.id;
    return { _request: { call_id: callId }, _to_tag: remote, _from_tag: local };
  }

  // What an earlier change could not tell.
  async #tell() {
    if (this.#untold) await this.renegotiate();
  }

  async #changed(start) {
    this.#untold = true;
    let told = await this.#offer(start);
    for (let tries = 1; !told && tries < TRIES; tries++) {
      await pause(500 + Math.random() * 1500);
      told = await this.#offer((done) => this.#session.renegotiate({}, done));
    }
    if (!told) throw new PhoneError("The other side changed the call at the same time. Try again in a moment.");
    this.#untold = false;
    this.#hear("media", {});
  }

  // True when the other side has answered, or the call is over.
  async #offer(start) {
    const end = Date.now() + PATIENCE_MS;
    while (!this.#session.isReadyToReOffer()) {
      if (this.isEnded) return true;
      if (Date.now() > end) throw new PhoneError("The call is busy with another change. Try again in a moment.");
      await pause(50);
    }
    this.#offering = true;
    try {
      return await new Promise((done, failed) => {
        this.#refused = () => done(false);
        this.#session.once("ended", () => done(true));
        if (!start(() => done(true))) failed(new PhoneError("That is not possible in this state of the call."));
      });
    } finally {
      this.#offering = false;
      this.#refused = null;
      if (this.connection.signalingState === "have-local-offer") await this.connection.setLocalDescription({ type: "rollback" });
    }
  }

  // JsSIP hangs up when a change of ours is refused, and applies offers that cross ours, which undoes ours. The call shall go on.
  #outlive(session) {
    const terminate = session.terminate.bind(session);
    session.terminate = (options) => {
      if (this.#refused && LOST_CHANGE.test(options?.reason_phrase ?? "")) this.#refused();
      else terminate(options);
    };
    session.on("sdp", ({ originator, type }) => {
      if (originator === "remote" && type === "answer") this.#offering = false;
    });
    for (const name of ["reinvite", "update"]) {
      session.on(name, ({ request, reject }) => this.#offering && request.body && reject({ status_code: 491 }));
    }
    // It writes "recvonly" into offers while the other side holds: then two that resume at once would both go on without sound.
    session._mangleOffer = (sdp) => sdp;
  }

  #listen() {
    const session = this.#session;
    this.#outlive(session);
    if (session.connection) this.#connect(session.connection);
    session.on("peerconnection", ({ peerconnection }) => this.#connect(peerconnection));
    session.on("progress", ({ originator, response }) => {
      if (originator === "remote") this.#hear("ringing", { early: Boolean(response?.body) });
    });
    session.on("confirmed", () => this.#hear("answered", {}));
    session.on("accepted", ({ originator, response }) => {
      if (originator !== "remote") return;
      const identity = response?.s?.("P-Asserted-Identity");
      if (identity?.uri) this.#hear("party", { party: partyOf(identity) });
    });
    session.on("ended", (event) => this.#over(event));
    session.on("failed", (event) => this.#over(event));
    session.on("hold", ({ originator }) => originator === "remote" && this.#hear("hold", { on: true }));
    session.on("unhold", ({ originator }) => originator === "remote" && this.#hear("hold", { on: false }));
    session.on("newDTMF", ({ originator, dtmf }) => originator === "remote" && this.#hear("digit", { digit: dtmf.tone }));
  }

  #connect(connection) {
    if (this.connection === connection) return;
    this.connection = connection;
    this.released = this.prepare?.(connection, this);
    connection.addEventListener("track", ({ track }) => {
      for (const name of ["mute", "unmute", "ended"]) track.addEventListener(name, () => this.#hear("media", {}));
      this.#hear("media", {});
    });
    connection.addEventListener("signalingstatechange", () => connection.signalingState === "stable" && this.#hear("media", {}));
    connection.addEventListener("connectionstatechange", () => {
      // JsSIP looks at iceConnectionState alone, which Chromium leaves at "disconnected" when the way is lost for good.
      if (connection.connectionState === "failed" && !this.isEnded) this.#session.terminate({ cause: "RTP Timeout", status_code: 408 });
      else this.#hear("media", {});
    });
  }

  #over({ originator, message, cause }) {
    this.released?.();
    const reason = message?.getHeader?.("Reason") ?? "";
    this.#hear("ended", {
      by: originator === "remote" ? "remote" : "local",
      code: message?.status_code ?? Number(/cause\s*=\s*(\d+)/i.exec(reason)?.[1] ?? 0),
      cause: cause ?? "",
      elsewhere: /completed elsewhere/i.test(reason) || /cause\s*=\s*200\b/i.test(reason),
    });
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function partyOf(identity) {
  const uri = identity?.uri;
  return { name: identity?.display_name ?? "", user: uri?.user ?? "", uri: uri ? `${uri.user ? `${uri.user}@` : ""}${uri.host}` : "" };
}

function referHandlers(progress) {
  const code = (event) => event.status_line?.status_code ?? event.response?.status_code ?? 0;
  return {
    requestSucceeded: () => progress("asked", 202),
    requestFailed: (event) => progress("failed", code(event)),
    progress: (event) => progress("ringing", code(event)),
    accepted: (event) => progress("done", code(event)),
    failed: (event) => progress("failed", code(event)),
  };
}
