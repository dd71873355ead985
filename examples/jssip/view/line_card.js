// One call: a card that lives as long as its line.

import { $, dress, fillPad, icon, say } from "./dom.js";
import { qualityView } from "./quality.js";
import { duration, initials, partyName } from "../words.js";

const STATES = {
  calling: "Calling…",
  ringing: "Ringing…",
  incoming: "Incoming call",
  answering: "Connecting…",
  active: "In call",
  held: "On hold",
  ended: "Ended",
};

export class LineCard {
  #find;
  #quality;
  #panel = "";

  constructor(line, phone, { ringer, attach }) {
    this.line = line;
    this.phone = phone;
    this.element = $("line-template").content.firstElementChild.cloneNode(true);
    this.element.dataset.testid = `line-${line.number}`;
    this.element.dataset.line = line.number;
    this.#find = (selector) => this.element.querySelector(selector);
    dress(this.element);
    fillPad(
      this.#find(".keys .pad"),
      (digit) => {
        ringer.key(digit);
        phone.sendDigit(digit, line);
      },
      "tone",
    );
    this.#quality = qualityView(this.#find(".quality"));
    this.element.addEventListener("click", (event) => this.#clicked(event.target.closest("[data-do]")?.dataset.do));
    this.#find(".transfer.panel").addEventListener("submit", (event) => {
      event.preventDefault();
      phone.transfer(this.#find(".target").value, line);
    });
    attach?.(this.#find("audio"));
    this.update();
  }

  /** Open one of the panels "keys" and "transfer", or close it if it is open. */
  toggle(panel) {
    this.#panel = this.#panel === panel ? "" : panel;
    this.update();
    if (this.#panel) this.#find(panel === "transfer" ? ".target" : ".keys button").focus();
  }

  update() {
    const { line } = this;
    const [incoming, talking] = [line.state === "incoming", line.isTalking];
    const name = partyName(line.party);
    this.element.dataset.state = line.state;
    this.element.setAttribute("aria-label", `Line ${line.number}: ${name}`);
    say(this.#find(".avatar"), initials(line.party));
    say(this.#find("h3"), name);
    say(this.#find(".state"), this.#stateText());
    say(this.#find(".badge"), `Line ${line.number}`);
    this.#find(".incoming").hidden = !incoming;
    this.#find(".talking").hidden = incoming;
    this.#find("[data-do='answer-video']").hidden = !line.offersVideo;
    for (const name of ["mute", "hold", "keypad", "transfer", "video"]) this.#button(name).disabled = !talking;
    this.#button("hold").disabled ||= line.changing;
    this.#button("keypad").disabled ||= line.state !== "active";
    this.#button("video").disabled ||= line.state !== "active" || line.changing;
    this.#pressed("mute", line.muted, line.muted ? "Unmute" : "Mute", line.muted ? "muted" : "microphone");
    this.#pressed("hold", line.state === "held", line.state === "held" ? "Resume" : "Hold", line.state === "held" ? "play" : "pause");
    this.#pressed("video", Boolean(line.film), line.film ? "Stop video" : "Video", "video");
    say(this.#button("hangup").querySelector(".text"), talking ? "Hang up" : "Cancel");
    this.#panels(talking);
    this.#remark();
    this.#media();
    this.tick();
  }

  /** What changes by itself once a second. */
  tick() {
    say(this.#find("time"), this.line.answeredAt ? duration(this.line.seconds(this.phone.clock())) : "");
    this.#find(".quality").hidden = this.line.state !== "active";
    if (this.line.state === "active") this.#quality(this.line.meter);
  }

  #stateText() {
    const { line } = this;
    const { uri, user } = line.party;
    const own = uri === `${user}@${this.phone.domain}` ? user : uri; // who is of our domain needs no address
    const address = own && own.toLowerCase() !== partyName(line.party).toLowerCase() ? ` · ${own}` : "";
    const state = line.state === "incoming" && line.offersVideo ? "Incoming video call" : STATES[line.state];
    return `${state}${address}`;
  }

  #remark() {
    const { line } = this;
    const texts = [];
    if (line.transfer)
      texts.push(line.transfer.state === "ringing" ? `Transfer: it rings at ${line.transfer.to}.` : `Transferring to ${line.transfer.to}…`);
    if (line.remoteHeld) texts.push("The other side put you on hold.");
    if (line.muted && line.isTalking) texts.push("You are muted: they do not hear you.");
    if (line.heardDigits) texts.push(`They pressed ${line.heardDigits}`);
    this.#find(".remark").hidden = texts.length === 0;
    say(this.#find(".remark"), texts.join(" "));
  }

  #panels(talking) {
    const second = this.line.state === "held" && this.phone.lines.length > 1; // talks to somebody else now
    if (!talking || second || (this.#panel === "keys" && this.line.state !== "active")) this.#panel = "";
    this.#find(".panel.keys").hidden = this.#panel !== "keys";
    this.#find(".panel.transfer").hidden = this.#panel !== "transfer";
    this.#button("keypad").setAttribute("aria-expanded", String(this.#panel === "keys"));
    this.#button("transfer").setAttribute("aria-expanded", String(this.#panel === "transfer"));
    this.#find("[data-do='consult']").disabled = !this.phone.canCall;
    say(this.#find("output"), this.line.digits || "–");
  }

  #media() {
    const { line } = this;
    const remote = line.remote;
    const [audio, far, near] = [this.#find("audio"), this.#find(".far"), this.#find(".near")];
    // A held call is not heard: music on hold of the other side would sound over the other line.
    const heard = line.state === "held" ? null : remote;
    if (audio.srcObject !== heard) audio.srcObject = heard;
    const showing = line.state === "active" && line.showsVideo;
    const far_ = showing ? remote : null;
    if (far.srcObject !== far_) far.srcObject = far_;
    const own = line.film?.id ?? "";
    if (near.dataset.track !== own) {
      near.dataset.track = own;
      near.srcObject = line.film ? new MediaStream([line.film]) : null;
    }
    far.hidden = !showing;
    near.hidden = !line.film;
    this.#find(".film").hidden = !(showing || line.film) || line.state === "held";
  }

  #button(name) {
    return this.#find(`[data-do='${name}']`);
  }

  #pressed(name, on, text, picture) {
    const button = this.#button(name);
    button.setAttribute("aria-pressed", String(on));
    say(button.querySelector(".text"), text);
    const place = button.querySelector("[data-icon]");
    if (place.dataset.icon !== picture) {
      place.dataset.icon = picture;
      place.replaceChildren(icon(picture));
    }
  }

  #clicked(what) {
    const { line, phone } = this;
    const actions = {
      answer: () => phone.answer(line),
      "answer-video": () => phone.answer(line, { video: true }),
      decline: () => phone.decline(line),
      hangup: () => phone.hangUp(line),
      mute: () => phone.mute(line),
      hold: () => (line.state === "held" ? phone.resume(line) : phone.hold(line)),
      keypad: () => this.toggle("keys"),
      transfer: () => this.toggle("transfer"),
      video: () => phone.showCamera(!line.film, line),
      consult: () => phone.call(this.#find(".target").value),
    };
    actions[what]?.();
  }
}
