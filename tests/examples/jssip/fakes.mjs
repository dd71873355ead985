// A SIP side, a microphone and a store that a test holds in its hands.

import { History } from "../../../examples/jssip/history.js";
import { Phone } from "../../../examples/jssip/phone.js";
import { Settings, readOffer } from "../../../examples/jssip/settings.js";

export class FakeStore {
  #kept = new Map();
  getItem(key) {
    return this.#kept.get(key) ?? null;
  }
  setItem(key, value) {
    this.#kept.set(key, String(value));
  }
}

export class FakeStream {
  constructor() {
    this.stopped = false;
  }
  getTracks() {
    return [this];
  }
  stop() {
    this.stopped = true;
  }
}

/** A call that does what it is told at once, and keeps what it was told. */
export class FakeCall {
  constructor(user, offersVideo = false) {
    this.party = { name: "", user, uri: `${user}@example.com` };
    this.offersVideo = offersVideo;
    this.remoteUri = `sip:${user}@example.com`;
    this.told = [];
    this.connection = null;
    this.hear = () => {};
  }
  note(...what) {
    this.told.push(what.join(" "));
  }
  answer() {
    this.note("answer");
    this.hear("answered", {});
  }
  decline(code) {
    this.note("decline", code);
    this.hear("ended", { by: "local", code: 0, cause: "Rejected" });
  }
  hangUp() {
    this.note("hangup");
    this.hear("ended", { by: "local", code: 0, cause: "Canceled" });
  }
  async hold() {
    this.note("hold");
  }
  async resume() {
    this.note("resume");
  }
  mute(on) {
    this.note("mute", on);
  }
  digit(digit, how) {
    this.note("digit", digit, how);
  }
  refer(target, other, progress) {
    this.note("refer", target, other?.party.user ?? "");
    this.progress = progress;
  }
}

/** A phone that is logged in as alice; `rig.hear` brings news, `rig.calls` are those it made. */
export async function rig({ registered = true, microphone = async () => new FakeStream() } = {}) {
  const made = { calls: [], notices: [], clock: { now: 1_000_000 } };
  const store = new FakeStore();
  const settings = new Settings(store, readOffer({ domain: "example.com", users: [{ user: "bob", name: "Bob" }] }, new URL("http://gateway.test/phone/")));
  made.settings = settings;
  made.history = new History(store);
  made.phone = new Phone({
    settings,
    history: made.history,
    media: { microphone, close: (stream) => stream?.getTracks().forEach((track) => track.stop()) },
    clock: () => made.clock.now,
    connect: async (account, hear) => {
      made.hear = hear;
      return {
        domain: "example.com",
        start() {},
        stop() {},
        call(target, stream, hearCall) {
          const call = new FakeCall(target.split("@")[0]);
          call.hear = hearCall;
          call.stream = stream;
          made.calls.push(call);
          return call;
        },
      };
    },
  });
  made.phone.addEventListener("notice", ({ detail }) => made.notices.push(`${detail.kind}: ${detail.text}`));
  made.incoming = (user, more = {}) => {
    const call = new FakeCall(user);
    made.hear("incoming", { call, replaces: null, ...more });
    return call;
  };
  await made.phone.logIn({ user: "alice", password: "secret", name: "Alice" });
  if (registered) made.hear("connection", { state: "registered" });
  return made;
}
