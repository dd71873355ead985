// A small client of the Janus API over WebSocket: sessions, handles, requests and their events. No library is needed to use the gateway.

const ANSWER_MS = 10_000;
const KEEPALIVE_MS = 25_000;

export class GatewayError extends Error {
  constructor(message, code = 0) {
    super(message);
    this.name = "GatewayError";
    this.code = code;
  }
}

/** A session. Events: "message" {way, text} for the log, "closed" when the connection is gone. */
export class Session extends EventTarget {
  #socket; #id; #waiting = new Map(); #handles = new Map(); #keepalive;

  static async open(url, secrets = {}) {
    const session = new Session();
    session.secrets = secrets;
    await session.#connect(url);
    const reply = await session.request({ janus: "create" });
    session.#id = reply.data.id;
    session.#keepalive = setInterval(() => session.request({ janus: "keepalive" }).catch(() => {}), KEEPALIVE_MS);
    return session;
  }

  #connect(url) {
    return new Promise((resolve, reject) => {
      this.#socket = new WebSocket(url, "janus-protocol");
      this.#socket.onopen = () => resolve();
      this.#socket.onmessage = (event) => this.#received(event.data);
      this.#socket.onclose = () => {
        reject(new GatewayError(`The gateway does not answer at ${url}. Is it running?`));
        this.#lost();
      };
    });
  }

  /** Attach to a plugin; `onEvent(name, message)` hears what was not asked for. */
  async attach(plugin, onEvent) {
    const reply = await this.request({ janus: "attach", plugin });
    const handle = new Handle(this, reply.data.id);
    this.#handles.set(handle.id, onEvent);
    return handle;
  }

  forget(handle) {
    this.#handles.delete(handle.id);
  }

  /** Send a request and return its reply; with `event`, the event that follows the ack. */
  request(message, { event = false } = {}) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) {
        reject(new GatewayError("The connection to the gateway is closed."));
        return;
      }
      const transaction = crypto.getRandomValues(new Uint32Array(3)).join("");
      const timer = setTimeout(() => this.#settle(transaction, "reject", new GatewayError(`The gateway did not answer "${message.janus}".`)), ANSWER_MS);
      this.#waiting.set(transaction, { resolve, reject, event, timer });
      const text = JSON.stringify({ ...message, ...this.secrets, transaction, ...(this.#id && { session_id: this.#id }) });
      this.#socket.send(text);
      this.#log("out", message, text);
    });
  }

  close() {
    this.#socket?.close(1000);
  }

  #received(text) {
    const message = JSON.parse(text);
    this.#log("in", message, text);
    const waiting = this.#waiting.get(message.transaction);
    if (message.janus === "error") {
      this.#settle(message.transaction, "reject", new GatewayError(message.error.reason, message.error.code));
    } else if (waiting && !(waiting.event && message.janus === "ack")) {
      this.#settle(message.transaction, "resolve", message);
    } else if (!waiting && message.sender !== undefined) {
      this.#handles.get(message.sender)?.(message.janus, message);
    } else if (message.janus === "timeout") {
      this.close();
    }
  }

  #settle(transaction, how, value) {
    const waiting = this.#waiting.get(transaction);
    this.#waiting.delete(transaction);
    clearTimeout(waiting?.timer);
    waiting?.[how](value);
  }

  #lost() {
    clearInterval(this.#keepalive);
    for (const transaction of [...this.#waiting.keys()]) this.#settle(transaction, "reject", new GatewayError("The connection to the gateway was lost."));
    this.dispatchEvent(new Event("closed"));
  }

  #log(way, message, text) {
    const quiet = message.janus === "keepalive" || message.body?.request === "stats" || message.plugindata?.data?.result?.event === "stats" || message.janus === "ack";
    if (!quiet) this.dispatchEvent(new CustomEvent("message", { detail: { way, text } }));
  }
}

class Handle {
  constructor(session, id) {
    this.session = session;
    this.id = id;
  }

  /** Send a plugin request; returns {result, jsep}. What the plugin complains about is thrown. */
  async send(body, jsep) {
    const reply = await this.session.request({ janus: "message", handle_id: this.id, body, ...(jsep && { jsep }) }, { event: true });
    const { error, error_code: code, result } = reply.plugindata.data;
    if (error) throw new GatewayError(error, code);
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
