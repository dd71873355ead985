// The Janus API over WebSocket, as much of it as the NoSIP plugin needs: sessions, handles, requests and their events.

import { PhoneError } from "../words.js";

const ANSWER_MS = 10_000;
const KEEPALIVE_MS = 25_000;

/** A session. Events: "closed" when the connection is gone. */
export class Session extends EventTarget {
  #socket;
  #id;
  #waiting = new Map();
  #handles = new Map();
  #keepalive;

  static async open(url, secrets = {}) {
    const session = new Session();
    session.secrets = secrets;
    await session.#connect(url);
    session.#id = (await session.request({ janus: "create" })).data.id;
    session.#keepalive = setInterval(() => session.request({ janus: "keepalive" }).catch(() => {}), KEEPALIVE_MS);
    return session;
  }

  /** Attach to a plugin; `onEvent(name, message)` hears what was not asked for. */
  async attach(plugin, onEvent) {
    const handle = new Handle(this, (await this.request({ janus: "attach", plugin })).data.id);
    this.#handles.set(handle.id, onEvent);
    return handle;
  }

  forget(handle) {
    this.#handles.delete(handle.id);
  }

  /** Send a request and return its reply; with `event`, the event that follows the ack. Raises PhoneError. */
  request(message, { event = false } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new PhoneError("The connection to the gateway is closed. Call again."));
        return;
      }
      const transaction = crypto.getRandomValues(new Uint32Array(3)).join("");
      const late = () => this.#settle(transaction, "reject", new PhoneError("The gateway did not answer in time. Try again."));
      this.#waiting.set(transaction, { resolve, reject, event, timer: setTimeout(late, ANSWER_MS) });
      this.#socket.send(JSON.stringify({ ...message, ...this.secrets, transaction, ...(this.#id && { session_id: this.#id }) }));
    });
  }

  close() {
    this.#socket?.close(1000);
  }

  #connect(url) {
    const lost = () =>
      new PhoneError(`The gateway does not answer at ${url || "its address"}. Check that it runs, and its address in the settings.`);
    return new Promise((resolve, reject) => {
      try {
        this.#socket = new WebSocket(url, "janus-protocol");
      } catch {
        reject(lost());
        return;
      }
      this.#socket.onopen = resolve;
      this.#socket.onmessage = ({ data }) => this.#received(JSON.parse(data));
      this.#socket.onclose = () => {
        reject(lost());
        this.#over();
      };
    });
  }

  #received(message) {
    const waiting = this.#waiting.get(message.transaction);
    if (message.janus === "error")
      this.#settle(message.transaction, "reject", new PhoneError(`The gateway refused: ${message.error.reason}`));
    else if (waiting && !(waiting.event && message.janus === "ack")) this.#settle(message.transaction, "resolve", message);
    else if (!waiting && message.sender !== undefined) this.#handles.get(message.sender)?.(message.janus, message);
    else if (message.janus === "timeout") this.close();
  }

  #settle(transaction, how, value) {
    const waiting = this.#waiting.get(transaction);
    this.#waiting.delete(transaction);
    clearTimeout(waiting?.timer);
    waiting?.[how](value);
  }

  #over() {
    clearInterval(this.#keepalive);
    for (const transaction of [...this.#waiting.keys()]) {
      this.#settle(transaction, "reject", new PhoneError("The connection to the gateway was lost. Call again."));
    }
    for (const hear of this.#handles.values()) hear("detached", {});
    this.dispatchEvent(new Event("closed"));
  }
}

class Handle {
  constructor(session, id) {
    this.session = session;
    this.id = id;
  }

  /** Send a plugin request; returns {result, jsep}. Raises PhoneError with what the plugin complains about. */
  async send(body, jsep) {
    const reply = await this.session.request({ janus: "message", handle_id: this.id, body, ...(jsep && { jsep }) }, { event: true });
    const { error, result } = reply.plugindata.data;
    if (error) throw new PhoneError(`The gateway could not use a description: ${error}`);
    return { result, jsep: reply.jsep };
  }

  trickle(candidate) {
    return this.session.request({ janus: "trickle", handle_id: this.id, candidate: candidate ?? { completed: true } });
  }

  async detach() {
    this.session.forget(this);
    await this.session.request({ janus: "detach", handle_id: this.id });
  }
}
