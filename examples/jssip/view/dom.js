// A little help with elements.

import { ICONS } from "./icons.js";

export const $ = (id) => document.getElementById(id);

/** An element: el("button", {type: "button", dataset: {testid: "x"}, onclick}, "text", child…). */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("aria") || name === "role" || name === "for")
      element.setAttribute(name.replace(/^aria(?=[A-Z])/, "aria-").toLowerCase(), value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An icon; never read out. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("glyph");
  svg.innerHTML = ICONS[name] ?? "";
  return svg;
}

/** Put the icons where `data-icon` asks for them. */
export function dress(root) {
  for (const place of root.querySelectorAll("[data-icon]")) place.replaceChildren(icon(place.dataset.icon));
}

/** Set a text only when it differs, so that screen readers and selections are left alone. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** The twelve keys of a telephone, calling `press` with each. */
export function fillPad(place, press, prefix = "key") {
  const letters = ["", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ", "", "+", ""];
  [..."123456789*0#"].forEach((digit, index) => {
    const name = { "*": "star", "#": "pound" }[digit] ?? digit;
    place.append(
      el(
        "button",
        { type: "button", dataset: { testid: `${prefix}-${name}` }, ariaLabel: name, onclick: () => press(digit) },
        el("span", { className: "digit" }, digit),
        el("span", { className: "letters" }, letters[index]),
      ),
    );
  });
}
