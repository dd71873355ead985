// The page of the small phones: buttons in, calls out. The telephone itself is phone.js of each example.

import { Ring } from "./ring.js";

const $ = (id) => document.getElementById(id);
const WORDS = {
  calling: "calling …",
  ringing: "it rings",
  incoming: "calls you",
  up: "connected",
  held: "on hold",
  ended: "ended",
};
const SHOW_ENDED_MS = 4000;
const DIGITS = "123456789*0#";

/** Run the page with a telephone: `load` imports phone.js, `library` is what that needs. */
export async function run(load, library) {
  const offer = await fetch("../demo/phone").then((reply) => (reply.ok ? reply.json() : {}), () => ({}));
  const telephone = await load().catch(() => null);
  if (telephone) new Page(telephone, offer);
  else complain(`${library} is missing on this gateway. Install Node.js with npm, end the gateway, and start it again with “make run”.`);
}

function complain(text) {
  $("trouble").textContent = text;
  $("trouble").hidden = !text;
}

class Page {
  #shown = new Map(); // Call to its card
  #ring = new Ring();

  constructor({ Phone, accountOf, problem }, offer) {
    this.Phone = Phone;
    this.accountOf = accountOf;
    this.offer = offer;
    this.users = offer.users ?? [];
    complain(problem?.(offer) ?? "");
    this.#offerUsers();
    const typed = accountOf(offer, {});
    for (const input of $("account").elements) if (input.name && typed[input.name]) input.value = typed[input.name];
    $("account").onsubmit = (event) => {
      event.preventDefault();
      this.logIn({ ...typed, ...Object.fromEntries(new FormData($("account"))) });
    };
    $("dial").onsubmit = (event) => {
      event.preventDefault();
      this.call($("target").value.trim());
    };
    $("log-out").onclick = () => this.phone.stop();
    $("login").hidden = false; // not before: a browser would send the form by itself
    addEventListener("pagehide", () => this.phone?.stop());
  }

  logIn(account) {
    complain("");
    try {
      this.phone = new this.Phone(account, (name, detail) => this.#hear(name, detail));
    } catch (error) {
      return complain(error.message);
    }
    window.phone = this.phone; // for the console
    $("me").textContent = account.name || account.user;
    this.user = account.user;
    this.#offerPeers();
    this.phone.start();
  }

  call(target) {
    if (!target) return $("target").focus();
    complain("");
    try {
      this.phone.call(target);
    } catch (error) {
      complain(error.message);
    }
  }

  #hear(name, detail) {
    if (name === "call") return this.#show(detail);
    if (detail.state === "off" && $("state").dataset.state === "refused") return; // it says why
    $("state").dataset.state = detail.state;
    $("state").textContent = detail.text;
    const inside = ["ready", "lost"].includes(detail.state);
    $("login").hidden = inside || detail.state === "connecting";
    $("phone").hidden = !inside;
    $("log-out").hidden = !inside;
    if (detail.state === "refused") this.phone.stop();
  }

  // A gateway that was started anew has given its users new passwords.
  async #again(user) {
    const offer = await fetch("../demo/phone").then((reply) => reply.json(), () => this.offer);
    this.logIn(this.accountOf(offer, offer.users.find((one) => one.user === user) ?? { user }));
  }

  #offerUsers() {
    for (const { user, name } of this.users) $("ready").append(this.#button(`Log in as ${name}`, `login-${user}`, () => this.#again(user), "primary"));
    $("ready-note").hidden = !this.users.length;
    $("other").open = !this.users.length;
  }

  #offerPeers() {
    const peers = [...(this.offer.echo ? [[this.offer.echo, "Call the echo"]] : []), ...this.users.map(({ user, name }) => [user, `Call ${name}`])];
    $("peers").replaceChildren(
      ...peers.filter(([user]) => user !== this.user).map(([user, text]) => this.#button(text, `call-${user}`, () => this.call(user))),
    );
  }

  #button(text, testid, onclick, className = "") {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: text, onclick, className });
    made.dataset.testid = testid;
    return made;
  }

  #show(call) {
    let card = this.#shown.get(call);
    if (!card) {
      card = new Card(call, () => [...this.#shown.keys()].filter((one) => one !== call && ["up", "held"].includes(one.state)));
      this.#shown.set(call, card);
      $("calls").prepend(card.element);
    }
    card.show();
    for (const [other, shown] of this.#shown) if (other !== call) shown.show();
    const coming = [...this.#shown.keys()].find(({ state }) => state === "incoming");
    this.#ring.set(Boolean(coming));
    document.title = coming ? `☎ ${coming.other} calls` : `${$("me").textContent}: ${$("heading").textContent}`;
    if (call.state !== "ended") return;
    setTimeout(() => {
      card.element.remove();
      this.#shown.delete(call);
    }, SHOW_ENDED_MS);
  }
}

/** One call on the page. */
class Card {
  constructor(call, others) {
    this.call = call;
    this.others = others;
    this.element = $("call").content.firstElementChild.cloneNode(true);
    const part = (name) => this.element.querySelector(`[data-testid="${name}"]`);
    this.part = part;
    part("other").textContent = call.other;
    part("answer").onclick = () => call.answer();
    part("end").onclick = () => call.end();
    part("hold").onclick = async () => {
      part("hold").disabled = true;
      await call.hold(call.state !== "held");
      part("hold").disabled = false;
    };
    part("mute").onclick = () => call.mute(!call.muted);
    part("transfer").onsubmit = (event) => {
      event.preventDefault();
      const target = part("transfer-to").value.trim();
      if (target) call.transfer(target);
    };
    part("join").onclick = () => call.transfer(others()[0]);
    for (const digit of DIGITS) {
      const key = Object.assign(document.createElement("button"), { type: "button", textContent: digit, onclick: () => call.digit(digit) });
      key.dataset.testid = `digit-${digit}`;
      part("pad").append(key);
    }
  }

  show() {
    const { call, part } = this;
    const talking = call.state === "up" || call.state === "held";
    this.element.dataset.state = call.state;
    part("what").textContent = [WORDS[call.state], call.heldByOther && talking && "the other side holds", call.note].filter(Boolean).join("; ");
    part("answer").hidden = call.state !== "incoming";
    part("end").hidden = call.state === "ended";
    part("end").textContent = { incoming: "Decline", calling: "Give up", ringing: "Give up" }[call.state] ?? "Hang up";
    part("talking").hidden = !talking;
    part("hold").setAttribute("aria-pressed", call.state === "held");
    part("mute").setAttribute("aria-pressed", call.muted);
    const [other] = this.others();
    part("join").hidden = !other;
    part("join").textContent = other ? `Join with ${other.other}` : "";
    const heard = part("speaker");
    if (call.stream && heard.srcObject !== call.stream) heard.srcObject = call.stream;
    if (call.state === "ended") heard.srcObject = null;
  }
}
