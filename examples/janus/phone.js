// A telephone on janus.js and the SIP plugin, without a page: the gateway is the SIP user agent, this browser tells it what to do by JSON.
//
// `hear(name, detail)` is told "state" {state, text}, with state one of connecting, ready, refused, lost, off, and "call", the Call that is
// new or has changed. One handle of the plugin is one line with at most one call.

import { explain } from "../common/microphone.js";
import Janus, { adapter } from "../lib/janus.js";

const LINES = 2;
const MICROPHONE = [{ type: "audio", capture: true, recv: true }];
const initialised = new Promise((done) => Janus.init({ debug: ["warn", "error"], dependencies: Janus.useDefaultDependencies({ adapter }), callback: done }));

/** What is filled in: the demo's users are guests at the gateway's own SIP address, and need no registrar. */
export function accountOf(offer, { user, name }) {
  const secrets = offer.secrets ?? {};
  return { server: offer.janus ? `${location.protocol.replace("http", "ws")}//${location.hostname}:${offer.janus}` : "", domain: offer.sip ?? "", user, name, ...secrets };
}

export class Phone {
  calls = new Set();
  lines = [];

  /** `account` {server, domain, user, password, name, apisecret, token}. Without a password nothing registers: a guest. */
  constructor(account, hear) {
    this.hear = hear;
    this.account = account;
    this.uri = `sip:${account.user}@${account.domain}`;
  }

  async start() {
    this.hear("state", { state: "connecting", text: "connecting" });
    await initialised;
    const { server, apisecret, token } = this.account;
    this.janus = new Janus({
      server,
      apisecret,
      token,
      iceServers: [],
      success: () => this.#open(),
      error: (problem) => this.refused(problem),
      destroyed: () => this.hear("state", { state: "off", text: "logged out" }),
    });
  }

  stop() {
    this.janus?.destroy();
  }

  refused(problem) {
    this.hear("state", { state: "refused", text: String(problem?.message ?? problem) });
  }

  call(target) {
    const line = this.#idle();
    if (!line) throw new Error("all lines are busy: hang up first");
    const uri = this.address(target);
    new Call(line, uri, false).invite(uri);
  }

  /** A whole address of what the person wrote: a user, a number, or one already. */
  address(target) {
    return target.includes(":") ? target : `sip:${target}${target.includes("@") ? "" : `@${this.account.domain}`}`;
  }

  /** Call whom the other side of a call asks us to call; the plugin tells it how that fares. */
  follow({ refer_id: referId, refer_to: target }) {
    const line = this.#idle();
    if (line) new Call(line, target, false).invite(target, { refer_id: referId });
    else this.lines[0].handle.send({ message: { request: "decline", refer_id: referId, code: 486 } });
  }

  #idle() {
    return this.lines.find((line) => line.handle && !line.call);
  }

  // A second line for a second call, once the first has told its number.
  #open() {
    const { password, name, user } = this.account;
    const credentials = password ? { secret: password } : { type: "guest" };
    const first = new Line(this, { request: "register", username: this.uri, display_name: name || user, ...credentials }, (event, result) => {
      if (event === "registered") {
        this.hear("state", { state: "ready", text: password ? "registered" : "ready" });
        if (this.lines.length < LINES) this.lines.push(new Line(this, { request: "register", type: "helper", username: this.uri, master_id: result.master_id }));
      } else if (event === "registration_failed") {
        this.hear("state", { state: result.retry_in ? "lost" : "refused", text: `${result.code} ${result.reason}` });
      }
    });
    this.lines = [first];
  }
}

/** One handle of the plugin. */
class Line {
  call = null;

  constructor(phone, registration, hear = () => {}) {
    this.phone = phone;
    phone.janus.attach({
      plugin: "janus.plugin.sip",
      success: (handle) => {
        this.handle = handle;
        handle.send({ message: registration });
      },
      error: (problem) => phone.refused(problem),
      onmessage: (message, jsep) => this.#heard(message, jsep, hear),
      onremotetrack: (track, mid, added) => added && this.call?.hear(track),
    });
  }

  #heard({ error, result = {}, call_id: id }, jsep, hear) {
    if (error) return this.call ? this.call.tell(error) : this.phone.refused(error);
    const { event } = result;
    hear(event, result);
    if (event === "incomingcall") new Call(this, result.username, true, jsep, result.displayname);
    else if (event === "transfer") this.phone.follow(result);
    else this.call?.news(event, result, jsep);
    if (this.call && id) this.call.id = id;
  }
}

/** One call. `state`: calling, ringing, incoming, up, held, ended; `note`: what to tell the person besides. */
export class Call {
  note = "";
  muted = false;
  heldByOther = false;
  trouble = false; // the note says what is wrong here
  digits = "";
  stream = null;

  /** `uri` is the other side's; `offer` is its, if it made one. */
  constructor(line, uri, incoming, offer = null, name = "") {
    this.line = line;
    this.phone = line.phone;
    this.handle = line.handle;
    this.uri = uri;
    this.other = name || uri.replace(/^sips?:|@.*/g, "");
    this.offer = offer;
    this.state = incoming ? "incoming" : "calling";
    line.call = this;
    this.phone.calls.add(this);
    this.#tell();
  }

  invite(uri, extra = {}) {
    this.handle.createOffer({
      tracks: MICROPHONE,
      success: (jsep) => this.#send({ request: "call", uri, ...extra }, jsep),
      error: (problem) => this.#failed(problem),
    });
  }

  answer() {
    const took = { tracks: MICROPHONE, success: (jsep) => this.#send({ request: "accept" }, jsep), error: (problem) => this.#failed(problem) };
    if (this.offer) this.handle.createAnswer({ jsep: this.offer, ...took });
    else this.handle.createOffer(took);
  }

  /** Hang up, give up, or decline. */
  end() {
    this.#send({ request: this.state === "incoming" ? "decline" : "hangup" });
  }

  /** Hold or resume. The gateway says it to the other side; this browser is not involved. */
  async hold(wanted) {
    this.#send({ request: wanted ? "hold" : "unhold" });
  }

  mute(wanted) {
    this.muted = wanted;
    if (wanted) this.handle.muteAudio();
    else this.handle.unmuteAudio();
    this.#tell();
  }

  /** Send a digit in the media (RFC 4733). */
  digit(digit) {
    this.handle.dtmf({ dtmf: { tones: digit, duration: 160, gap: 80 } });
  }

  /** Let the other side speak with `target` instead: an address, or our Call with them. */
  transfer(target) {
    this.tell("transferring");
    const whom = target instanceof Call ? { uri: target.uri, replace: target.id } : { uri: this.phone.address(target) };
    this.#send({ request: "transfer", ...whom });
  }

  tell(text) {
    this.note = text;
    this.#tell();
  }

  /** Take a track of the other side. */
  hear(track) {
    if (track.kind !== "audio") return;
    this.stream = new MediaStream([track]);
    this.#tell();
  }

  /** Take an event of the plugin about this call. */
  news(event, detail, jsep) {
    if (jsep?.type === "answer") this.handle.handleRemoteJsep({ jsep, error: (problem) => this.#failed(problem) });
    switch (event) {
      case "ringing":
      case "progress":
        return this.#become("ringing");
      case "accepted":
      case "resumed":
        return this.#become("up");
      case "held":
        return this.#become("held");
      case "remote_hold":
      case "remote_resume":
        this.heldByOther = event === "remote_hold";
        return this.#tell();
      case "dtmf":
        this.digits += detail.signal;
        return this.tell(`they pressed ${this.digits}`);
      case "update_failed":
        return this.tell(`refused: ${detail.code} ${detail.reason}`);
      case "updatingcall":
        return this.#update(jsep);
      case "transfer_progress":
        return this.#transferred(detail);
      case "hangup":
        return this.#over(detail);
    }
  }

  #update(jsep) {
    this.handle.createAnswer({
      jsep,
      tracks: MICROPHONE,
      success: (answer) => this.#send({ request: "update" }, answer),
      error: (problem) => this.#failed(problem),
    });
  }

  #transferred({ code, reason, final }) {
    if (!final) return;
    this.tell(code < 300 ? "transferred" : `not transferred: ${code} ${reason}`);
    if (code < 300) this.end();
  }

  #over({ code, reason }) {
    if (code && code !== 200 && !this.trouble && this.note !== "transferred") this.note = `${code} ${reason}`;
    this.phone.calls.delete(this);
    this.line.call = null;
    this.handle.hangup();
    this.#become("ended");
  }

  #failed(problem) {
    this.trouble = true;
    this.tell(explain(problem));
    if (this.state === "calling" && !this.id) this.#over({}); // nothing was sent
    else if (this.state !== "ended") this.end();
  }

  #send(message, jsep) {
    this.handle.send({ message, jsep });
  }

  #become(state) {
    if (this.state === "ended") return;
    this.state = state;
    this.#tell();
  }

  #tell() {
    this.phone.hear("call", this);
  }
}
