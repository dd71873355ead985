// The page: buttons in, pictures out.

import { Call } from "./call.js";
import { LegFigures } from "./figures.js";
import { Session } from "./gateway.js";
import { microphone, silent, tone, watch } from "./sound.js";
import { Translation } from "./translation.js";

const $ = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;
const RECONNECT_MS = 3000;

let session, call, sound, heard, timer;
const heardLevel = () => heard?.level() ?? -127;
const figures = {
  webrtc: new LegFigures($("leg-webrtc"), "Browser leg", "from the browser", "to it"),
  plain: new LegFigures($("leg-plain"), "Plain leg", "from the echo peer", "to it"),
};
const translation = new Translation({
  rows: $("rows"), summary: $("summary"), before: $("column-before"), after: $("column-after"),
  tabs: { offer: $("tab-offer"), answer: $("tab-answer") }, hideKept: $("hide-kept"),
});

// --- the gateway ---

async function connect() {
  chip("connecting", "connecting to the gateway");
  try {
    const response = await fetch("settings");
    if (!response.ok) throw new Error(`The gateway answers ${response.status}.`);
    const settings = await response.json();
    const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${settings.websocket_port}/`;
    $("gateway-detail").textContent = settings.gateway;
    session = await Session.open(url, settings.secrets);
    session.addEventListener("message", ({ detail }) => logMessage(detail));
    session.addEventListener("closed", lost);
    chip("connected", "gateway connected");
    clearTrouble("gateway");
  } catch (error) {
    session = undefined;
    chip("lost", "gateway not reachable");
    trouble(error instanceof TypeError ? "The gateway is not reachable. Is it still running? This page tries again by itself." : error.message, "gateway");
    setTimeout(connect, RECONNECT_MS);
  }
  update();
}

function lost() {
  session = undefined;
  chip("lost", "gateway lost");
  trouble("The connection to the gateway was lost. This page tries again by itself.", "gateway");
  call?.hangUp("The gateway is gone.");
  setTimeout(connect, RECONNECT_MS);
  update();
}

function chip(state, text) {
  $("gateway").dataset.state = state;
  $("gateway").querySelector(".text").textContent = text;
}

function trouble(text, about = "call") {
  $("banner-text").textContent = text;
  $("banner").dataset.about = about;
  $("banner").hidden = false;
}

function clearTrouble(about) {
  if (!about || $("banner").dataset.about === about) $("banner").hidden = true;
}

function logMessage({ way, text }) {
  const line = document.createElement("li");
  line.dataset.way = way;
  line.textContent = text.length > 1500 ? `${text.slice(0, 1500)} …` : text;
  $("messages").append(line);
  while ($("messages").childElementCount > 200) $("messages").firstElementChild.remove();
}

// --- the call ---

async function openSound() {
  sound?.stop();
  sound = undefined;
  sound = await (chosen("source") === "microphone" ? microphone() : tone());
  setTimeout(() => silent() && call && trouble("This browser plays no sound at all: it found no sound device. The call works, but nothing is sent or heard."), 2000);
  return sound.stream;
}

/** The chosen sound; without a microphone the tone, and the reason in the banner. */
async function soundOrTone() {
  try {
    return await openSound();
  } catch (error) {
    document.querySelector('input[value="tone"]').checked = true;
    trouble(`${error.message} The tone is sent now.`);
    return openSound();
  }
}

async function start(how) {
  clearTrouble();
  busy(true);
  try {
    const stream = await soundOrTone();
    call = new Call(session, { stream, codec: chosen("codec"), srtp: chosen("srtp"), delay: Number($("delay").value) });
    listen(call);
    status(how === "place" ? "Calling the echo peer …" : "The echo peer is calling …");
    setState("connecting");
    Object.values(figures).forEach((leg) => leg.clear());
    $("digits-gateway").textContent = $("digits-peer").textContent = "none yet";
    await call[how]();
    timer = setInterval(measure, 1000);
  } catch (error) {
    trouble(error.message);
    await call?.hangUp("The call could not be placed.");
    if (!call) setState("idle");
  }
  busy(false);
}

function listen(it) {
  it.addEventListener("change", update);
  it.addEventListener("exchange", ({ detail }) => translation.show(detail).catch((error) => trouble(error.message)));
  it.addEventListener("digit", ({ detail }) => digit($("digits-gateway"), detail));
  it.addEventListener("trouble", ({ detail }) => trouble(detail.reason));
  it.addEventListener("track", ({ detail }) => {
    $("remote").srcObject = detail.stream;
    $("remote").play().catch(() => trouble("The browser does not play sound before you press something on this page."));
    heard?.stop();
    heard = watch(detail.stream);
  });
  it.addEventListener("ended", ({ detail }) => {
    clearInterval(timer);
    sound?.stop();
    heard?.stop();
    sound = heard = call = undefined;
    $("remote").srcObject = null;
    status(`Call ended. ${detail.reason}`);
    setState("idle");
    if (!/^You/.test(detail.reason) && $("banner").hidden) trouble(detail.reason);
    update();
  });
}

/** Run what changes the call; its failure is shown and the page stays usable. */
async function during(action) {
  busy(true);
  try {
    await action();
  } catch (error) {
    trouble(error.message);
  }
  busy(false);
}

async function measure() {
  const measured = call;
  if (!measured || measured.measuring) return;
  measured.measuring = true;
  try {
    const { gateway, far, browser } = await measured.figures();
    if (measured.ended) return;
    const seconds = performance.now() / 1000;
    for (const name of ["webrtc", "plain"]) {
      const leg = gateway.legs?.[name];
      const stream = leg?.streams?.find(({ kind }) => kind === "audio");
      if (!stream) continue;
      if (name === "webrtc") stream.sent.level_dbov ??= heardLevel();
      else if (far.received) stream.sent.level_dbov ??= far.received.level_dbov;
      flow(name, figures[name].add(stream, seconds));
    }
    $("plain-protocol").textContent = `${gateway.legs?.plain?.protocol?.includes("SAVP") ? "SRTP (SDES)" : "RTP"}${codecName(gateway.legs?.plain)}`;
    $("webrtc-protocol").textContent = `DTLS-SRTP${codecName(gateway.legs?.webrtc)}`;
    if (far.digits?.length) $("digits-peer").replaceChildren(...far.digits.flatMap(digitText));
    $("peer-detail").textContent = `heard ${far.received?.packets ?? 0} packets, answers after ${far.delay_ms} ms`;
    const pair = browser.find(({ type, nominated, state }) => type === "candidate-pair" && state === "succeeded" && nominated !== false);
    const trip = pair?.currentRoundTripTime;
    $("browser-detail").textContent = `hears ${Math.round(heardLevel())} dBov${trip === undefined ? "" : `, ${(1000 * trip).toFixed(1)} ms to the gateway`}`;
  } catch (error) {
    if (!measured.ended) trouble(error.message);
  } finally {
    buttons();
    measured.measuring = false;
  }
}

const codecName = (leg) => (leg?.streams?.[0]?.codec ? ` · ${leg.streams[0].codec.split("/")[0]}` : "");

// --- pictures ---

function flow(name, rate) {
  const [there, back] = name === "webrtc" ? [rate.in, rate.out] : [rate.out, rate.in];
  $(`link-${name}`).dataset.flow = there && back ? "both" : there ? "there" : back ? "back" : "off";
  const text = `${Math.round(there)} → · ← ${Math.round(back)} packets/s`;
  if (name === "plain") state("plain-state", call?.held ? "held" : there || back ? "connected" : "idle", call?.held ? `held, ${text}` : text);
}

function state(id, value, text) {
  $(id).dataset.state = value;
  $(id).textContent = text;
}

function setState(value) {
  document.body.dataset.state = value;
}

function update() {
  const connection = call?.connection;
  const ice = connection?.iceConnectionState ?? "new";
  const dtls = call?.sender?.transport?.state ?? (connection?.connectionState === "connected" ? "connected" : "new");
  state("ice-state", ice, `ICE ${ice}`);
  state("dtls-state", dtls, `DTLS ${dtls}`);
  if (call && !call.ended) {
    const connected = connection?.connectionState === "connected";
    if (connection?.connectionState === "failed") trouble("The browser could not reach the gateway's media port (UDP). A firewall may be in between.");
    setState(call.held ? "held" : connected ? "up" : "connecting");
    if (connected) status(call.held ? "On hold: the peer still receives you; you receive nothing." : "Connected. You should hear yourself.");
  } else {
    for (const name of Object.keys(figures)) $(`link-${name}`).dataset.flow = "off";
    state("plain-state", "new", "idle");
    $("browser-detail").textContent = "not in a call";
    $("peer-detail").textContent = "plain RTP telephone";
  }
  buttons();
}

let isBusy = false;

function busy(value) {
  isBusy = value;
  buttons();
}

function buttons() {
  const inCall = Boolean(call && !call.ended);
  $("call").disabled = $("be-called").disabled = !session || inCall || isBusy;
  $("hang-up").disabled = !inCall;
  $("hold").disabled = !inCall || isBusy;
  $("hold").setAttribute("aria-pressed", String(Boolean(call?.held)));
  $("hold").textContent = call?.held ? "Resume" : "Hold";
  document.querySelectorAll('input[name="srtp"]').forEach((input) => { input.disabled = inCall; });
  document.querySelectorAll('input[name="codec"]').forEach((input) => { input.disabled = isBusy; });
  $("delay").disabled = inCall;
  $("pad").querySelectorAll("button").forEach((button) => { button.disabled = !(inCall && call.canSendDigits); });
}

function status(text) {
  $("status").textContent = text;
}

function digitText({ digit: name, duration_ms: length }) {
  const note = document.createElement("small");
  note.textContent = ` ${length} ms `;
  return [name, note];
}

function digit(place, detail) {
  if (place.textContent === "none yet") place.replaceChildren();
  place.append(...digitText(detail));
  place.scrollTop = place.scrollHeight;
}

// --- what the person does ---

for (const name of "123A456B789C*0#D") {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.dataset.testid = `digit-${name}`;
  button.setAttribute("aria-label", { "*": "star", "#": "pound" }[name] ?? name);
  button.addEventListener("click", () => call?.digit(name));
  $("pad").append(button);
}

$("call").addEventListener("click", () => start("place"));
$("be-called").addEventListener("click", () => start("beCalled"));
$("hang-up").addEventListener("click", () => call?.hangUp());
$("hold").addEventListener("click", () => during(() => call.hold(!call.held)));
$("banner-close").addEventListener("click", () => clearTrouble());
$("delay").addEventListener("input", () => { $("delay-value").textContent = `${$("delay").value} ms`; });
for (const input of document.querySelectorAll('input[name="codec"]')) {
  input.addEventListener("change", () => call && during(() => call.useCodec(input.value)));
}
for (const input of document.querySelectorAll('input[name="source"]')) {
  input.addEventListener("change", () => call && during(async () => {
    const stream = await soundOrTone();
    await call.useStream(stream);
  }));
}
addEventListener("pagehide", () => call?.hangUp());
// For whoever looks from the console, and for the tests: what is heard now.
window.demo = { level: heardLevel, pitch: () => heard?.pitch(), call: () => call };

update();
connect();
