// A telephone on SIP.js, without a page: SIP over WebSocket straight to the gateway.
//
// `hear(name, detail)` is told "state" {state, text}, with state one of connecting, ready, refused, lost, off, and "call", the Call that is
// new or has changed.

import { explain } from "../common/microphone.js";
import { Inviter, Registerer, RegistererState, SessionState, SIPExtension, UserAgent, UserAgentState, Web } from "../lib/sip.js";

export const NAME = "SIP.js";
const RECONNECT_AFTER_MS = 2000;
const MEDIA = { constraints: { audio: true, video: false } };

/** Where to register: what the demo offers, for a user of it. */
export function accountOf(offer, user) {
  return { server: offer.websocket && `${location.protocol.replace("http", "ws")}//${location.host}${offer.websocket}`, domain: offer.domain, ...user };
}

/** What is wrong with the gateway's offer, in words; nothing if it serves. */
export function problem(offer) {
  return offer.janus && !offer.websocket ? "This gateway has no SIP over WebSocket: b2bua.enabled is off. Write the address of another one below." : "";
}

export class Phone {
  calls = new Set();
  stopped = false;

  /** `account` {server, domain, user, password, name}. Throws when that is no address. */
  constructor(account, hear) {
    this.hear = hear;
    this.domain = account.domain;
    const uri = UserAgent.makeURI(`sip:${account.user}@${account.domain}`);
    if (!uri) throw new Error(`“${account.user}@${account.domain}” is no address`);
    this.agent = new UserAgent({
      uri,
      displayName: account.name,
      authorizationUsername: account.user,
      authorizationPassword: account.password,
      transportOptions: { server: account.server },
      sipExtensionReplaces: SIPExtension.Supported,
      sipExtension100rel: SIPExtension.Supported,
      userAgentString: "BoringSDP small phone (SIP.js)",
      logLevel: "warn",
      sessionDescriptionHandlerFactoryOptions: { iceGatheringTimeout: 500, peerConnectionConfiguration: { iceServers: [] } },
      delegate: {
        onInvite: (invitation) => this.#comes(invitation),
        onConnect: () => this.#register(),
        onDisconnect: (error) => (error ? this.#lost() : this.hear("state", { state: "off", text: "logged out" })),
      },
    });
    this.registerer = new Registerer(this.agent, { expires: 300, instanceId: this.agent.instanceId, regId: 1 });
    this.registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Unregistered && !this.stopped) this.hear("state", { state: "refused", text: "not registered" });
    });
  }

  async start() {
    this.hear("state", { state: "connecting", text: "connecting" });
    try {
      await this.agent.start();
    } catch {
      this.hear("state", { state: "refused", text: "the gateway cannot be reached" });
    }
  }

  async stop() {
    if (this.stopped) return;
    this.stopped = true;
    for (const call of this.calls) call.end();
    if (this.registerer.state === RegistererState.Registered) await this.registerer.unregister();
    if (this.agent.state === UserAgentState.Started) await this.agent.stop();
  }

  /** Call a user of the same domain, a number, or a whole address. */
  call(target) {
    const uri = this.#address(target);
    const call = new Call(this, new Inviter(this.agent, uri, { earlyMedia: true, sessionDescriptionHandlerOptions: MEDIA }), uri.user ?? target);
    call.invite();
    return call;
  }

  #address(target) {
    const uri = UserAgent.makeURI(target.includes(":") ? target : `sip:${target}${target.includes("@") ? "" : `@${this.domain}`}`);
    if (!uri) throw new Error(`“${target}” is no address`);
    return uri;
  }

  /** The address that a REFER names: that of a call with somebody, or whom the person wrote. */
  referred(target) {
    return target instanceof Call ? target.session : this.#address(target);
  }

  #lost() {
    this.hear("state", { state: "lost", text: "no connection, trying again" });
    if (!this.stopped) this.agent.reconnect().catch(() => setTimeout(() => this.#lost(), RECONNECT_AFTER_MS));
  }

  // Every new connection registers: this is how the gateway learns by which one it reaches us, calls that are up included.
  #register() {
    const onAccept = () => this.hear("state", { state: "ready", text: "registered" });
    const onReject = ({ message }) => this.hear("state", { state: "refused", text: `refused: ${message.statusCode} ${message.reasonPhrase}` });
    this.registerer.register({ requestDelegate: { onAccept, onReject } }).catch((error) => this.hear("state", { state: "lost", text: error.message }));
  }

  #comes(invitation) {
    const { displayName, uri } = invitation.remoteIdentity;
    const call = new Call(this, invitation, displayName || uri.user);
    if (invitation.replacee) call.answer(); // it takes over a call that is up
  }
}

/** One call. `state`: calling, ringing, incoming, up, held, ended; `note`: what to tell the person besides. */
export class Call {
  note = "";
  muted = false;
  held = false;
  heldByOther = false;

  constructor(phone, session, other) {
    this.phone = phone;
    this.session = session;
    this.other = other;
    this.incoming = !(session instanceof Inviter);
    this.state = this.incoming ? "incoming" : "calling";
    phone.calls.add(this);
    session.stateChange.addListener((state) => this.#changed(state));
    session.delegate = {
      onInvite: (request) => this.#reoffered(request.body),
      onBye: (bye) => {
        this.note = "the other side hung up";
        bye.accept();
      },
      onCancel: () => (this.note = "the caller gave up"),
      onRefer: (referral) => this.#refer(referral),
    };
    this.#tell();
  }

  /** Place an outgoing call. */
  invite() {
    const requestDelegate = {
      onProgress: ({ message }) => this.#become(message.statusCode > 100 ? "ringing" : this.state),
      onReject: ({ message }) => this.#fail(`${message.statusCode} ${message.reasonPhrase}`),
    };
    this.session.invite({ requestDelegate }).catch((error) => this.#fail(explain(error)));
  }

  answer() {
    this.session.accept({ sessionDescriptionHandlerOptions: MEDIA }).catch((error) => {
      this.note = explain(error);
      if (this.session.state !== SessionState.Terminated) this.session.reject({ statusCode: 480 });
      this.#tell();
    });
  }

  /** Hang up, give up, or decline. */
  end() {
    const { session } = this;
    if (session.state === SessionState.Established) session.bye();
    else if (!this.incoming) session.cancel();
    else if (session.state === SessionState.Initial) session.reject({ statusCode: 603 });
  }

  /** Hold or resume. Resolves when the other side has agreed. */
  hold(wanted) {
    const { session } = this;
    const hold = { ...MEDIA, hold: wanted };
    // SIP.js would resume an inactive stream for receiving alone.
    if (!wanted) this.connection.getTransceivers().forEach((one) => (one.direction = "sendrecv"));
    session.sessionDescriptionHandlerOptionsReInvite = hold;
    return new Promise((done) => {
      const requestDelegate = {
        onAccept: () => {
          this.held = wanted;
          this.#become(wanted ? "held" : "up");
          done();
        },
        onReject: ({ message }) => {
          this.note = `refused: ${message.statusCode} ${message.reasonPhrase}`;
          this.#tell();
          done();
        },
      };
      session.invite({ requestDelegate, sessionDescriptionHandlerOptions: hold }).catch((error) => {
        this.note = error.message;
        this.#tell();
        done();
      });
    });
  }

  mute(wanted) {
    this.muted = wanted;
    for (const sender of this.connection.getSenders()) if (sender.track) sender.track.enabled = !wanted;
    this.#tell();
  }

  /** Send a digit in the media (RFC 4733). */
  digit(digit) {
    this.session.sessionDescriptionHandler.sendDtmf(digit, { duration: 160, interToneGap: 80 });
  }

  /** Let the other side speak with `target` instead: an address, or our Call with them. */
  transfer(target) {
    this.note = "transferring";
    this.#tell();
    const over = (text) => {
      this.note = text;
      this.#tell();
    };
    const onNotify = (notification) => {
      notification.accept();
      const code = Number(/^SIP\/2\.0 (\d{3})/.exec(notification.request.body)?.[1] ?? 0);
      if (code >= 300) over(`not transferred: ${notification.request.body.trim().slice(8)}`);
      else if (code >= 200) {
        over("transferred");
        this.end();
      }
    };
    const requestDelegate = { onReject: ({ message }) => over(`not transferred: ${message.statusCode} ${message.reasonPhrase}`) };
    this.session.refer(this.phone.referred(target), { onNotify, requestDelegate }).catch((error) => over(error.message));
  }

  /** What the other side sends, once there is media. */
  get stream() {
    return this.session.sessionDescriptionHandler?.remoteMediaStream ?? null;
  }

  get connection() {
    return this.session.sessionDescriptionHandler?.peerConnection;
  }

  // The other side asks us to call somebody: gateways do this themselves where they can.
  #refer(referral) {
    referral.accept();
    const inviter = referral.makeInviter({ sessionDescriptionHandlerOptions: MEDIA });
    new Call(this.phone, inviter, referral.referTo.uri.user).invite();
  }

  #reoffered(description) {
    this.heldByOther = /a=(sendonly|inactive)/.test(description);
    // SIP.js would offer no more than it answered last, and so stay held for whoever asks us next.
    if (!this.held) this.connection.getTransceivers().forEach((one) => (one.direction = "sendrecv"));
    this.#tell();
  }

  #changed(state) {
    if (state === SessionState.Established) this.#become("up");
    if (state !== SessionState.Terminated) return;
    this.phone.calls.delete(this);
    this.#become("ended");
  }

  // SIP.js tells the response after the session's end, and of a refused re-INVITE besides.
  #fail(text) {
    this.note = text;
    this.#tell();
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
