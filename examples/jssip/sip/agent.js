// A SIP user agent: JsSIP, told where to connect. What differs between the three modes comes in `link`.
//
// What it tells (`hear(name, detail)`):
//   "connection" {state, code, cause}   state: connecting, registered, refused, lost, closed
//   "incoming" {call, replaces, refer}  a call comes; `replaces`: the SipCall that it takes over (RFC 3891)
//   "outgoing" {call, from}             the other side of `from` asked us to call somebody (RFC 3515)

import { SipCall } from "./call.js";
import { keepInvites } from "./lasting.js";
import { PhoneError } from "../words.js";

let library;

/** Load JsSIP, bundled into one file beside the page. */
export async function loadLibrary(path = "../jssip.js") {
  try {
    library ??= (await import(path)).default ?? globalThis.JsSIP;
  } catch {
    library = globalThis.JsSIP;
  }
  if (!library) {
    throw new PhoneError(
      "JsSIP, the SIP library of this page, is missing. Install Node.js with npm, run “make setup” and start again; examples/jssip/README.md says more.",
    );
  }
  return library;
}

/** `link` {url, domain, prepare, lasting}; `account` {user, password, name}. */
export class Agent {
  #ua;
  #hear;
  #calls = new Map(); // JsSIP session to SipCall
  #link;
  #stopped = false;

  constructor(JsSIP, link, account, hear) {
    this.#hear = hear;
    this.#link = link;
    this.domain = link.domain;
    try {
      this.#ua = new JsSIP.UA({
        sockets: [new JsSIP.WebSocketInterface(link.url)],
        uri: `sip:${account.user}@${link.domain}`,
        password: account.password || null,
        display_name: account.name || null,
        register_expires: 300,
        no_answer_timeout: 120,
        connection_recovery_min_interval: 1,
        connection_recovery_max_interval: 15,
        user_agent: "BoringSDP web phone",
      });
    } catch {
      throw new PhoneError(
        `“${account.user}” at “${link.domain}” by ${link.url || "no address"} cannot be an account. Check name, domain and address in the settings.`,
      );
    }
    if (link.lasting) keepInvites(this.#ua);
    this.#listen();
  }

  start() {
    this.#hear("connection", { state: "connecting" });
    this.#ua.start();
  }

  stop() {
    this.#stopped = true;
    this.#ua.stop();
  }

  /** Call `target`, a number, a user or an address. Returns the SipCall. */
  call(target, stream, hear) {
    const session = this.#ua.call(target, { mediaStream: stream, pcConfig: { iceServers: [] } });
    const call = this.#calls.get(session);
    call.hear = hear;
    return call;
  }

  #listen() {
    const ua = this.#ua;
    let refused = false;
    ua.on("connecting", () => !refused && this.#hear("connection", { state: "connecting" }));
    ua.on("disconnected", () => this.#hear("connection", { state: this.#stopped ? "closed" : "lost" }));
    ua.on("registered", () => this.#hear("connection", { state: "registered" }));
    ua.on("registrationFailed", ({ response, cause }) => {
      refused = [401, 403, 404, 407].includes(response?.status_code);
      this.#hear("connection", { state: refused ? "refused" : "lost", code: response?.status_code ?? 0, cause });
    });
    ua.on("newRTCSession", ({ originator, session }) => this.#take(originator, session));
  }

  #take(originator, session) {
    const call = new SipCall(session, originator === "remote" ? "incoming" : "outgoing", this.#link.prepare);
    this.#calls.set(session, call);
    for (const name of ["ended", "failed"]) session.on(name, () => this.#calls.delete(session));
    session.on("refer", ({ accept }) => this.#refered(call, accept));
    session.on("replaces", ({ accept }) => {
      this.#replaced = call;
      accept();
      this.#replaced = null;
    });
    if (originator === "remote") this.#hear("incoming", { call, replaces: this.#replaced });
  }

  #replaced = null; // JsSIP makes the new session within `accept`

  // The stream must be there when JsSIP makes the session: it is asked for first.
  #refered(from, accept) {
    this.#hear("outgoing", {
      from,
      start: (stream, hear) => {
        let call = null;
        accept((session) => (call = session), { mediaStream: stream, pcConfig: { iceServers: [] } });
        const made = this.#calls.get(call);
        if (made) made.hear = hear;
        return made ?? null;
      },
    });
  }
}
