// The phone's state, without page and SIP: node --test tests/examples/jssip/

import assert from "node:assert/strict";
import { test } from "node:test";

import { PhoneError } from "../../../examples/jssip/words.js";
import { FakeCall, FakeStream, rig } from "./fakes.mjs";

const states = (phone) => phone.lines.map((line) => `${line.number} ${line.party.user} ${line.state}`);

test("a call goes from calling over ringing to active, and leaves a record", async () => {
  const { phone, calls, history, ...made } = await rig();
  const line = await phone.call("bob");
  assert.deepEqual(states(phone), ["1 bob calling"]);
  assert.equal(line.party.name, "Bob");
  calls[0].hear("ringing", { early: false });
  assert.deepEqual(states(phone), ["1 bob ringing"]);
  calls[0].hear("answered", {});
  assert.equal(phone.current, line);
  calls[0].hear("ended", { by: "remote", code: 0, cause: "Terminated" });
  assert.deepEqual(states(phone), []);
  assert.equal(calls[0].stream.stopped, true);
  assert.deepEqual(history.records.map(({ outcome, direction }) => [outcome, direction]), [["answered", "outgoing"]]);
  assert.deepEqual(made.notices, []);
});

test("numbers are called without what people write between their digits, and nonsense is refused in words", async () => {
  const { phone, calls, notices } = await rig();
  await phone.call("+49 (30) 123-456");
  assert.equal(calls[0].party.user, "+4930123456");
  phone.hangUp();
  assert.equal(await phone.call("two words"), null);
  assert.equal(await phone.call("  "), null);
  assert.equal(notices.length, 2);
  assert.match(notices[1], /Write a number/);
  assert.equal(calls.length, 1);
});

test("no call without a connection", async () => {
  const { phone, calls, notices } = await rig({ registered: false });
  assert.equal(await phone.call("bob"), null);
  assert.match(notices[0], /Not connected/);
  assert.equal(calls.length, 0);
});

test("a second call holds the first; swapping and resuming keep one active", async () => {
  const { phone, calls, ...made } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  const carol = made.incoming("carol");
  await phone.answer();
  assert.deepEqual(calls[0].told, ["hold"]);
  assert.deepEqual(states(phone), ["1 bob held", "2 carol active"]);
  await phone.swap();
  assert.deepEqual(states(phone), ["1 bob active", "2 carol held"]);
  assert.deepEqual(carol.told, ["answer", "hold"]);
  assert.equal(await phone.call("dave"), null); // both lines are used
});

test("a third caller hears that we are busy, and is told of as missed", async () => {
  const { phone, history, ...made } = await rig();
  made.incoming("bob");
  await phone.answer();
  made.incoming("carol");
  await phone.answer();
  const dave = made.incoming("dave");
  assert.deepEqual(dave.told, ["decline 486"]);
  assert.deepEqual(history.records.map(({ party, outcome }) => [party.user, outcome]), [["dave", "missed"]]);
});

test("declining, missing and being answered elsewhere are three things", async () => {
  const { phone, history, notices, ...made } = await rig();
  made.incoming("bob");
  phone.decline();
  made.incoming("carol").hear("ended", { by: "remote", code: 0, cause: "Canceled", elsewhere: false });
  made.incoming("dave").hear("ended", { by: "remote", code: 0, cause: "Canceled", elsewhere: true });
  assert.deepEqual(history.records.map(({ outcome }) => outcome), ["elsewhere", "missed", "declined"]);
  assert.deepEqual(notices, []);
});

test("a refused call says why, and giving up says nothing", async () => {
  const { phone, calls, history, notices } = await rig();
  await phone.call("bob");
  calls[0].hear("ended", { by: "remote", code: 486, cause: "Busy" });
  assert.deepEqual(notices, ["error: Bob: Busy. Try again later."]);
  await phone.call("bob");
  phone.hangUp();
  assert.deepEqual(history.records.map(({ outcome }) => outcome), ["cancelled", "failed"]);
  assert.equal(notices.length, 1);
});

test("a microphone that is refused leaves an incoming call ringing", async () => {
  let allowed = false;
  const microphone = async () => {
    if (!allowed) throw new PhoneError("Allow it.");
    return new FakeStream();
  };
  const { phone, notices, ...made } = await rig({ microphone });
  made.incoming("bob");
  await phone.answer();
  assert.deepEqual(states(phone), ["1 bob incoming"]);
  assert.deepEqual(notices, ["error: Allow it."]);
  allowed = true;
  await phone.answer();
  assert.deepEqual(states(phone), ["1 bob active"]);
});

test("giving up while the browser still asks for the microphone calls nobody", async () => {
  let allow;
  const microphone = () => new Promise((done) => (allow = () => done(new FakeStream())));
  const { phone, calls } = await rig({ microphone });
  const calling = phone.call("bob");
  await new Promise(setImmediate);
  phone.hangUp();
  allow();
  assert.equal(await calling, null);
  assert.equal(calls.length, 0);
});

test("a blind transfer ends our call when it is done, and goes on when it fails", async () => {
  const { phone, calls, notices } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  await phone.transfer("carol");
  assert.deepEqual(calls[0].told, ["refer sip:carol@example.com "]);
  calls[0].progress("failed", 486);
  assert.match(notices[0], /failed\. Busy.*still connected to Bob/);
  assert.deepEqual(states(phone), ["1 bob active"]);
  await phone.transfer("carol");
  calls[0].progress("done", 200);
  assert.deepEqual(states(phone), []);
});

test("an attended transfer joins the held call with the active one", async () => {
  const { phone, calls } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  await phone.call("carol");
  calls[1].hear("answered", {});
  await phone.join();
  assert.equal(calls[0].told.at(-1), "refer sip:carol@example.com carol");
  calls[0].progress("done", 200);
  assert.deepEqual(states(phone), []);
  assert.equal(calls[1].told.at(-1), "hangup");
});

test("a call that replaces another is answered by itself on its line", async () => {
  const { phone, ...made } = await rig();
  const bob = made.incoming("bob");
  await phone.answer();
  const carol = made.incoming("carol", { replaces: bob });
  await new Promise(setImmediate);
  assert.deepEqual(carol.told, ["answer"]);
  bob.hear("ended", { by: "remote", code: 0, cause: "Terminated" });
  assert.deepEqual(states(phone), ["1 carol active"]);
});

test("digits go the way that the settings say, and only in a call", async () => {
  const { phone, calls, settings } = await rig();
  await phone.call("bob");
  phone.sendDigit("1");
  calls[0].hear("answered", {});
  phone.sendDigit("2");
  settings.set("digits", "info");
  phone.sendDigit("#");
  assert.deepEqual(calls[0].told, ["digit 2 rfc4733", "digit # info"]);
  assert.equal(phone.current.digits, "2#");
});

test("a refused login says what to check and logs out", async () => {
  const { phone, notices, ...made } = await rig({ registered: false });
  made.hear("connection", { state: "refused", code: 401, cause: "Rejected" });
  assert.equal(phone.account, null);
  assert.match(notices[0], /password is wrong/);
});

test("a lost connection is told once, keeps the calls, and its return is told", async () => {
  const { phone, calls, notices, ...made } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  made.hear("connection", { state: "lost" });
  made.hear("connection", { state: "lost" });
  assert.equal(notices.length, 1);
  assert.deepEqual(states(phone), ["1 bob active"]);
  made.hear("connection", { state: "registered" });
  assert.equal(notices[1], "info: Connected again.");
});

test("a call is not answered into a lost connection", async () => {
  const { phone, notices, ...made } = await rig();
  const bob = made.incoming("bob");
  made.hear("connection", { state: "lost" });
  await phone.answer();
  assert.match(notices.at(-1), /Answer when the phone is ready again/);
  assert.deepEqual(bob.told, []);
  made.hear("connection", { state: "registered" });
  await phone.answer();
  assert.deepEqual(bob.told, ["answer"]);
});

test("logging out hangs up", async () => {
  const { phone, calls } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  await phone.logOut();
  assert.deepEqual(calls[0].told, ["hangup"]);
  assert.deepEqual(states(phone), []);
});

test("whoever transfers us leads us to a new call", async () => {
  const { phone, ...made } = await rig();
  const bob = made.incoming("bob");
  await phone.answer();
  const carol = new FakeCall("carol");
  made.hear("outgoing", { from: bob, start: (stream, hear) => Object.assign(carol, { stream, hear }) });
  await new Promise(setImmediate);
  assert.deepEqual(states(phone), ["1 bob active", "2 carol calling"]);
  carol.hear("answered", {});
  bob.hear("ended", { by: "remote", code: 0, cause: "Terminated" });
  assert.deepEqual(states(phone), ["2 carol active"]);
});

test("what rings is given up when the connection stays away, what is talked on is not", async () => {
  const { phone, calls, ...made } = await rig();
  await phone.call("bob");
  calls[0].hear("answered", {});
  const carol = made.incoming("carol");
  const later = async (seconds) => {
    made.clock.now += 1000 * seconds;
    await phone.measure();
  };
  made.hear("connection", { state: "lost" });
  made.hear("connection", { state: "connecting" });
  await later(30);
  assert.deepEqual(states(phone), ["1 bob active", "2 carol incoming"]);
  await later(3);
  assert.deepEqual(states(phone), ["1 bob active"]);
  assert.deepEqual(carol.told, ["decline 603"]);
});
