// Keyboard shortcuts. Single keys, so they rest while a field is written in, and can be turned off (WCAG 2.1.4).

import { $, el } from "./dom.js";

const KEYS = [
  ["A", "Answer"],
  ["D", "Decline"],
  ["E", "End the call"],
  ["M", "Mute, unmute"],
  ["H", "Hold, resume"],
  ["S", "Swap the two calls"],
  ["T", "Transfer"],
  ["K", "Keypad of the call"],
  ["V", "Video on, off"],
  ["/", "To the number to dial"],
  ["0–9 * #", "Tones to the other side, in a call"],
  ["?", "This list"],
];

export function helpView(phone, settings, cards) {
  const dialog = $("help");
  dialog.append(
    el(
      "div",
      { className: "head" },
      el("h2", { id: "help-title" }, "Keyboard shortcuts"),
      el("button", { type: "button", className: "plain", dataset: { testid: "close-help" }, onclick: () => dialog.close() }, "Done"),
    ),
    el("dl", { className: "shortcuts" }, ...KEYS.map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text)))),
    el("p", { className: "soft" }, "While you write in a field, hold Alt as well. Turn them off in the settings."),
  );
  $("open-help").addEventListener("click", () => dialog.showModal());

  const actions = {
    a: () => phone.answer(),
    d: () => phone.decline(),
    e: () => phone.hangUp(phone.current ?? phone.lines.find((line) => line.state === "held")),
    m: () => phone.mute(),
    h: () => (phone.current ? phone.hold() : phone.resume()),
    s: () => phone.swap(),
    t: () => open("transfer"),
    k: () => open("keys"),
    v: () => phone.showCamera(!phone.current?.film),
    "/": () => $("target").focus(),
    "?": () => dialog.showModal(),
  };

  function open(panel) {
    const line = phone.current ?? phone.lines[0];
    if (line?.isTalking) cards.card(line)?.toggle(panel);
  }

  document.addEventListener("keydown", (event) => {
    if (!settings.get("shortcuts") || event.ctrlKey || event.metaKey || event.repeat || event.isComposing) return;
    if (document.querySelector("dialog[open]") || (!phone.account && event.key !== "?")) return;
    const writing = event.target.closest?.("input:not([type='radio'], [type='checkbox']), textarea, select, [contenteditable]");
    if (writing && !event.altKey) return;
    // With Alt some systems make other letters: the key's place tells which was meant.
    const key = (event.altKey ? event.code.replace(/^Key/, "") : event.key).toLowerCase();
    if (/^[0-9*#]$/.test(key) && phone.current?.state === "active") phone.sendDigit(key);
    else if (actions[key]) actions[key]();
    else return;
    event.preventDefault();
  });
}
