// What the person chose, kept in the browser, and what the server that served the page offers. No password is ever kept.

const KEY = "boringsdp.phone";

/** The ways to connect: their name, and what stands below it in the settings. */
export const MODES = {
  straight: { name: "Straight to the gateway", note: "SIP over WebSocket to BoringSDP, which calls the PBX." },
  kamailio: { name: "Through Kamailio", note: "SIP over WebSocket to Kamailio, which asks BoringSDP about the media." },
  sdponly: { name: "SDP only", note: "SIP with a server of your own; only the descriptions go through BoringSDP (NoSIP plugin)." },
};

export const DEFAULTS = Object.freeze({
  mode: "straight",
  servers: Object.freeze({
    straight: Object.freeze({ url: "", domain: "" }),
    kamailio: Object.freeze({ url: "", domain: "" }),
    sdponly: Object.freeze({ url: "", domain: "" }),
  }),
  gateway: "", // WebSocket of the Janus API, for SDP only
  user: "",
  digits: "rfc4733", // or "info"
  microphone: "",
  speaker: "",
  camera: "",
  ring: true,
  notifications: false,
  shortcuts: true,
  theme: "system", // or "light", "dark"
});

/** Settings over a store like localStorage. Events: "change". */
export class Settings extends EventTarget {
  #store;
  #kept = {};

  constructor(store, offered = {}) {
    super();
    this.#store = store;
    this.offered = offered;
    try {
      this.#kept = JSON.parse(store?.getItem(KEY)) ?? {};
    } catch {
      this.#kept = {}; // unreadable or forbidden: the defaults serve
    }
  }

  get(name) {
    return this.#kept[name] ?? DEFAULTS[name];
  }

  set(name, value) {
    this.#kept = { ...this.#kept, [name]: value };
    try {
      this.#store?.setItem(KEY, JSON.stringify(this.#kept));
    } catch {
      // a full or forbidden store: the choice holds until the page is left
    }
    this.dispatchEvent(new CustomEvent("change", { detail: { name, value } }));
  }

  /** URL and domain of the SIP server of a mode: what was typed, else what the page's server offers. */
  server(mode = this.get("mode")) {
    const typed = this.get("servers")[mode] ?? {};
    const offered = this.#offer(mode);
    return { url: typed.url || offered.websocket || "", domain: typed.domain || offered.domain || "" };
  }

  /** Keep what differs from the offer: that may be another one the next time. */
  setServer(mode, { url, domain }) {
    const offered = this.#offer(mode);
    const kept = { url: url === offered.websocket ? "" : url, domain: domain === offered.domain ? "" : domain };
    this.set("servers", { ...this.get("servers"), [mode]: kept });
  }

  #offer(mode) {
    return { straight: this.offered, kamailio: this.offered.kamailio, sdponly: this.offered.sdponly }[mode] ?? {};
  }

  /** WebSocket of the gateway's Janus API. */
  get gateway() {
    return this.get("gateway") || this.offered.gateway || "";
  }
}

/**
 * Return what the page's server offers, read from its JSON: WebSocket URL, domain, ready users, echo extension, other servers.
 *
 * `page` is the page's own location: paths and ports in the answer are meant on its host. An unknown server offers a guess, and no users.
 */
export function readOffer(told, page) {
  const here = (value, protocol = page.protocol === "https:" ? "wss:" : "ws:") => {
    if (typeof value === "number") return `${protocol}//${page.hostname}:${value}/`;
    if (typeof value === "string" && value.startsWith("/")) return `${protocol}//${page.host}${value}`;
    return typeof value === "string" ? value : "";
  };
  const other = (server) => (server ? { websocket: here(server.websocket), domain: server.domain ?? "" } : {});
  return {
    websocket: here(told?.websocket ?? "/sip"),
    domain: told?.domain ?? page.hostname ?? "",
    users: Array.isArray(told?.users) ? told.users.filter((one) => one?.user) : [],
    echo: told?.echo ?? "",
    kamailio: other(told?.kamailio),
    sdponly: other(told?.sdponly),
    gateway: here(told?.janus ?? ""),
    secrets: told?.secrets ?? {},
  };
}
