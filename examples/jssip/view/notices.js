// What is told besides the cards: banners, what a screen reader says, the title, notifications of the system, the connection's light.

import { $, el, icon, say } from "./dom.js";
import { partyName } from "../words.js";

const STAY_MS = { info: 6_000, error: 60_000 };

const CONNECTION = {
  offline: "not logged in",
  connecting: "connecting",
  registered: "ready",
  refused: "login refused",
  lost: "no connection",
  closed: "not connected",
};

export function noticesView(phone, settings, notifier) {
  const title = document.title;
  const told = new Map(); // line to its state, as last said
  const keys = () => (settings.get("shortcuts") ? "Alt and A answers, Alt and D declines." : "The buttons are in the part Calls.");

  phone.addEventListener("notice", ({ detail }) => notice(detail.kind, detail.text));
  phone.addEventListener("incoming", ({ detail: { line } }) => notifier.show(line));
  phone.addEventListener("change", update);
  update();

  function update() {
    const { state } = phone.connection;
    $("connection").dataset.state = state;
    say($("connection").querySelector(".text"), CONNECTION[state]);
    say($("who"), phone.account ? phone.account.name || phone.account.user : "");
    $("log-out").hidden = !phone.account;
    const ringing = phone.ringing;
    document.title = ringing ? `☎ ${partyName(ringing.party)} calls` : phone.current ? `● ${partyName(phone.current.party)}` : title;
    speak();
  }

  // Only what changed is said, and an incoming call at once.
  function speak() {
    for (const line of phone.lines) {
      const state = `${line.state}${line.muted}${line.remoteHeld}`;
      if (told.get(line) === state) continue;
      if (!told.has(line)) forget();
      told.set(line, state);
      const name = partyName(line.party);
      if (line.state === "incoming") say($("alarm"), `${name} calls${line.offersVideo ? " with video" : ""}. ${keys()}`);
      else if (line.state === "answering") say($("live"), `Answering ${name}`);
      else if (line.state === "calling") say($("live"), `Calling ${name}`);
      else if (line.state === "ringing") say($("live"), `It rings at ${name}`);
      else if (line.state === "held") say($("live"), `${name} is on hold`);
      else
        say($("live"), `Connected with ${name}${line.muted ? ", you are muted" : ""}${line.remoteHeld ? ", you are on hold there" : ""}`);
    }
    for (const line of told.keys()) {
      if (phone.lines.includes(line)) continue;
      told.delete(line);
      say($("live"), `Call with ${partyName(line.party)} ended`);
      notifier.hide(line);
    }
    if (!phone.ringing) say($("alarm"), "");
  }
}

/** Errors are of what was before: a call that begins takes them along. */
function forget() {
  $("notices")
    .querySelectorAll(".error")
    .forEach((banner) => banner.remove());
}

/** Show a banner. It goes by itself, an error after a while or with the next call; none while it is pointed at. */
export function notice(kind, text) {
  const place = $("notices");
  [...place.children].filter((other) => other.dataset.text === text).forEach((other) => other.remove());
  const banner = el(
    "div",
    { className: `notice ${kind}`, role: kind === "error" ? "alert" : "status", dataset: { testid: `notice-${kind}`, text } },
    el("p", {}, text),
    el("button", { type: "button", className: "icon plain", ariaLabel: "Dismiss", onclick: () => banner.remove() }, icon("close")),
  );
  place.append(banner);
  while (place.children.length > 3) place.firstElementChild.remove();
  const leave = () => (banner.matches(":hover, :focus-within") ? setTimeout(leave, STAY_MS.info) : banner.remove());
  setTimeout(leave, STAY_MS[kind]);
}

/** Notifications of the system, for when the page is behind others. */
export class Notifier {
  #shown = new Map();

  constructor(settings) {
    this.settings = settings;
  }

  /** Ask the browser for leave; returns whether it gave it. */
  async ask() {
    if (!("Notification" in globalThis)) return false;
    return (await Notification.requestPermission()) === "granted";
  }

  show(line) {
    if (!this.settings.get("notifications") || !("Notification" in globalThis) || Notification.permission !== "granted") return;
    try {
      const shown = new Notification(`${partyName(line.party)} calls`, {
        body: line.party.uri,
        tag: line.id,
        icon: "icon.svg",
        requireInteraction: true,
      });
      shown.onclick = () => {
        window.focus();
        shown.close();
      };
      this.#shown.set(line, shown);
    } catch {
      // phones allow notifications to service workers only: the ring tone must do
    }
  }

  hide(line) {
    this.#shown.get(line)?.close();
    this.#shown.delete(line);
  }
}
