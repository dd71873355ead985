// Figures, settings and texts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEPT, Meter, estimateMos, rating } from "../../../examples/jssip/quality.js";
import { Settings, readOffer } from "../../../examples/jssip/settings.js";
import { duration, failureText, initials, registrationText, transferText } from "../../../examples/jssip/words.js";
import { FakeStore } from "./fakes.mjs";

const report = (received, lost, bytes) => [
  { type: "inbound-rtp", kind: "audio", packetsReceived: received, packetsLost: lost, bytesReceived: bytes, jitter: 0.004, codecId: "c" },
  { type: "outbound-rtp", kind: "audio", bytesSent: bytes },
  { type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.03 },
  { type: "codec", id: "c", mimeType: "audio/opus" },
];

test("loss, jitter, round trip and rates come from two reports", () => {
  const meter = new Meter();
  assert.equal(meter.add(report(0, 0, 0), 0).mos, null);
  const sample = meter.add(report(45, 5, 4000), 1000);
  assert.equal(sample.loss, 0.1);
  assert.equal(sample.jitterMs, 4);
  assert.equal(sample.rttMs, 30);
  assert.equal(sample.inKbps, 32);
  assert.equal(sample.codec, "opus");
  assert.ok(sample.mos < 4 && sample.mos > 2.5, `${sample.mos}`);
});

test("silence is not perfect quality", () => {
  const meter = new Meter();
  meter.add(report(100, 0, 8000), 0);
  const sample = meter.add(report(100, 0, 8000), 1000);
  assert.deepEqual([sample.loss, sample.mos], [null, null]);
  assert.equal(meter.mos, null);
});

test("no more samples are kept than are drawn", () => {
  const meter = new Meter();
  for (let second = 0; second < 2 * KEPT; second++) meter.add(report(50 * second, 0, 4000 * second), 1000 * second);
  assert.equal(meter.samples.length, KEPT);
});

test("the score falls with loss and delay, and G.711 suffers more from loss than Opus", () => {
  const score = (loss, rttMs = 20, codec = "opus") => estimateMos({ loss, rttMs, jitterMs: 2, codec });
  assert.ok(score(0) > 4.3);
  assert.ok(score(0.02) < score(0) && score(0.2) < score(0.02));
  assert.ok(score(0, 600) < score(0, 20));
  assert.ok(score(0.05, 20, "PCMU") < score(0.05));
  assert.equal(score(1) >= 1, true);
  assert.deepEqual([4.3, 3.8, 3.2, 2.8, 1.2, null].map(rating), ["excellent", "good", "fair", "poor", "bad", "unknown"]);
});

test("what the server offers is read with paths and ports on its own host", () => {
  const told = { websocket: "/sip", domain: "demo", users: [{ user: "alice" }, {}], janus: 8188, kamailio: { websocket: "ws://k/", domain: "k" } };
  const offered = readOffer(told, new URL("https://gw.example/phone/"));
  assert.equal(offered.websocket, "wss://gw.example/sip");
  assert.equal(offered.gateway, "wss://gw.example:8188/");
  assert.deepEqual(offered.users, [{ user: "alice" }]);
  const settings = new Settings(null, offered);
  assert.deepEqual(settings.server("kamailio"), { url: "ws://k/", domain: "k" });
  assert.deepEqual(readOffer(null, new URL("http://h:1/phone/")).websocket, "ws://h:1/sip");
});

test("settings are kept, typed servers win over offered ones, a broken store does no harm", () => {
  const store = new FakeStore();
  const first = new Settings(store, { websocket: "ws://offered/", domain: "offered" });
  assert.deepEqual(first.server("straight"), { url: "ws://offered/", domain: "offered" });
  first.setServer("straight", { url: "ws://typed/", domain: "" });
  assert.deepEqual(new Settings(store, first.offered).server("straight"), { url: "ws://typed/", domain: "offered" });
  first.setServer("straight", { url: "ws://offered/", domain: "offered" });
  assert.deepEqual(new Settings(store, { websocket: "ws://new/", domain: "new" }).server("straight"), { url: "ws://new/", domain: "new" });
  store.setItem("boringsdp.phone", "not JSON");
  assert.equal(new Settings(store).get("digits"), "rfc4733");
});

test("texts for people", () => {
  assert.match(failureText(404), /Nobody is known/);
  assert.match(transferText(403), /does not allow it for this call/);
  assert.match(transferText(599), /^It failed \(599\)/);
  assert.match(failureText(0, "User Denied Media Access"), /microphone/);
  assert.match(failureText(499, "Odd"), /499, Odd/);
  assert.match(registrationText(401), /password/);
  assert.match(registrationText(0, "Connection Error", "ws://x/"), /ws:\/\/x\//);
  assert.deepEqual([7, 754, 3723].map(duration), ["0:07", "12:34", "1:02:03"]);
  assert.deepEqual(["Alice Cooper", "bob", ""].map((name) => initials({ name })), ["AC", "B", "U"]);
});
