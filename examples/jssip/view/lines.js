// The calls there are: one card each, and what can be done with two of them.

import { $, say } from "./dom.js";
import { LineCard } from "./line_card.js";
import { partyName } from "../words.js";

/** Returns {card(line)} to reach the card of a line. */
export function linesView(phone, tools) {
  const cards = new Map();
  phone.addEventListener("change", update);
  phone.addEventListener("measured", () => cards.forEach((card) => card.tick()));
  $("swap").addEventListener("click", () => phone.swap());
  $("join").addEventListener("click", () => phone.join());
  update();
  return { card: (line) => cards.get(line) };

  function update() {
    const place = $("lines");
    for (const [line, card] of cards) {
      if (phone.lines.includes(line)) continue;
      const focused = card.element.contains(document.activeElement);
      card.element.remove();
      cards.delete(line);
      if (focused) (place.querySelector("button:not(:disabled)") ?? $("main")).focus({ preventScroll: true });
    }
    for (const line of phone.lines) {
      if (cards.has(line)) {
        cards.get(line).update();
        continue;
      }
      const card = new LineCard(line, phone, tools);
      cards.set(line, card);
      // Who calls comes on top, where it is seen and reached first.
      const incoming = line.state === "incoming";
      const next = incoming ? place.firstChild : [...place.children].find((other) => Number(other.dataset.line) > line.number);
      place.insertBefore(card.element, next ?? null);
      if (incoming) card.element.scrollIntoView({ block: "nearest" });
    }
    document.body.dataset.calls = phone.lines.length;
    const [held, active] = [phone.lines.find((line) => line.state === "held"), phone.lines.find((line) => line.state === "active")];
    $("pair").hidden = !(held && active);
    if (held && active) say($("join-text"), `Connect ${partyName(held.party)} with ${partyName(active.party)}`);
    $("swap").disabled = $("join").disabled = phone.lines.some((line) => line.changing || line.transfer);
  }
}
