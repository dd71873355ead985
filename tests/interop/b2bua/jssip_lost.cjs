// JsSIP in Node, with a browser's media replaced by its descriptions: alice calls bob (or bob alice), and bob's WebSocket is lost.
// node jssip_lost.cjs URL ringing|talking|changing SDP-FILE; prints what was told of the two phones' calls, as JSON.
const fs = require("fs");
const WS = require("ws");

const [url, scenario, file] = process.argv.slice(2);
const SDP = fs.readFileSync(file, "utf8");

class PeerConnection {
  static count = 0;
  constructor() {
    this.number = ++PeerConnection.count;
    this.version = 1;
    this.iceGatheringState = "complete";
    this.signalingState = "stable";
  }
  #describe(type, setup) {
    const sdp = SDP.replace(/^o=.*$/m, `o=- ${1000 + this.number} ${this.version} IN IP4 127.0.0.1`).replace(/a=setup:\w+/g, `a=setup:${setup}`);
    return { type, sdp };
  }
  async createOffer() { return this.#describe("offer", "actpass"); }
  async createAnswer() { return this.#describe("answer", "active"); }
  async setLocalDescription(description) { this.localDescription = description; }
  async setRemoteDescription(description) { this.remoteDescription = description; }
  addEventListener() {}
  removeEventListener() {}
  getSenders() { return []; }
  getReceivers() { return []; }
  addTrack() {}
  close() { this.signalingState = "closed"; }
}

const sockets = [];
class Socket extends WS {
  constructor(...args) { super(...args); sockets.push(this); }
}
const media = { getUserMedia: async () => ({ getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] }) };
Object.assign(globalThis, { window: globalThis, WebSocket: Socket, RTCPeerConnection: PeerConnection, RTCSessionDescription: function (it) { return it; } });
Object.defineProperty(globalThis, "navigator", { value: { mediaDevices: media, userAgent: "node" }, configurable: true });
const JsSIP = require("jssip");

const told = { alice: [], bob: [] };
const waiting = [];
const tell = (user, name, detail = "") => {
  told[user].push(detail ? `${name} ${detail}` : name);
  for (const each of [...waiting]) each();
};
const until = (there) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`never: ${there}; ${JSON.stringify(told)}`)), 15000);
  const look = () => {
    if (!there()) return;
    clearTimeout(timer);
    waiting.splice(waiting.indexOf(look), 1);
    resolve();
  };
  waiting.push(look);
  look();
});
const count = (user, name) => told[user].filter((each) => each === name).length;
const hears = (user, name, times = 1) => until(() => count(user, name) >= times);

function phone(user) {
  const ua = new JsSIP.UA({
    sockets: [new JsSIP.WebSocketInterface(url)],
    uri: `sip:${user}@example.com`,
    password: "sesame",
    connection_recovery_min_interval: 1,
    connection_recovery_max_interval: 1,
  });
  ua.calls = [];
  for (const name of ["registered", "disconnected"]) ua.on(name, () => tell(user, name));
  ua.on("newRTCSession", ({ originator, session }) => {
    ua.calls.push(session);
    for (const name of ["progress", "confirmed", "ended", "failed"]) session.on(name, ({ originator: by }) => tell(user, name, by));
    tell(user, "call", originator);
  });
  return ua;
}

const options = { mediaConstraints: { audio: true } };
const last = (ua) => ua.calls[ua.calls.length - 1];

async function main() {
  const alice = phone("alice");
  alice.start();
  await hears("alice", "registered");
  const bob = phone("bob");
  bob.start();
  await hears("bob", "registered");
  const lose = async () => {
    const times = count("bob", "registered");
    sockets[sockets.length - 1]._socket.destroy();
    await hears("bob", "disconnected", count("bob", "disconnected") + 1);
    for (const call of bob.calls) if (call.isInProgress() && call.direction === "incoming") call.terminate(); // it cannot be answered any more
    await hears("bob", "registered", times + 1);
  };
  if (scenario === "changing") {
    bob.call("sip:alice@example.com", options);
    await hears("alice", "progress local");
    last(alice).answer(options);
    await hears("bob", "confirmed local");
    await hears("alice", "confirmed remote");
    last(bob).connection.version++;
    last(bob).renegotiate();
    await lose();
    await hears("alice", "ended remote");
  } else {
    alice.call("sip:bob@example.com", options);
    await hears("bob", "progress local");
    if (scenario === "ringing") {
      await hears("alice", "progress remote");
      await lose();
      await hears("bob", "progress local", 2);
    }
    last(bob).answer(options);
    await hears("alice", "confirmed local");
    if (scenario === "talking") await lose();
    last(alice).terminate();
    await hears("bob", "ended remote");
  }
  console.log(JSON.stringify(told));
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
