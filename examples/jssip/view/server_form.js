// Which way to connect, and the addresses for it: the same fields at the login and in the settings.

import { el } from "./dom.js";
import { MODES } from "../settings.js";

/** Fill `modes` (a fieldset) and `server`; returns {keep, show}: store what was typed, show what is stored. */
export function serverForm(settings, { modes, server, prefix }) {
  let mode = settings.get("mode");
  const note = el("p", { className: "soft" });
  const field = (label, name, placeholder) => {
    const input = el("input", {
      dataset: { testid: `${prefix}-${name}` },
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: false,
      placeholder,
    });
    return { input, row: el("label", {}, label, " ", input) };
  };
  const url = field("SIP server (WebSocket)", "url", "wss://sip.example.com/sip");
  const domain = field("Domain", "domain", "example.com");
  const gateway = field("BoringSDP (Janus API, WebSocket)", "gateway", "wss://gateway.example.com:8188/");
  const radios = Object.entries(MODES).map(([name, { name: label }]) => {
    const radio = el("input", { type: "radio", name: `${prefix}-mode`, value: name, dataset: { testid: `${prefix}-mode-${name}` } });
    radio.addEventListener("change", () => {
      hold();
      mode = name;
      fill();
    });
    return { radio, row: el("label", {}, radio, el("span", {}, label)) };
  });
  modes.append(el("div", { className: "segments" }, ...radios.map(({ row }) => row)), note);
  server.append(url.row, domain.row, gateway.row);
  let typed = {};

  function hold() {
    typed[mode] = { url: url.input.value.trim(), domain: domain.input.value.trim() };
  }

  function fill() {
    const { url: address, domain: name } = typed[mode]?.url !== undefined ? typed[mode] : settings.server(mode);
    url.input.value = address;
    domain.input.value = name;
    gateway.row.hidden = mode !== "sdponly";
    note.textContent = MODES[mode].note;
    for (const { radio } of radios) radio.checked = radio.value === mode;
  }

  function show() {
    mode = settings.get("mode");
    typed = {};
    gateway.input.value = settings.gateway;
    fill();
  }

  /** Store it; returns whether anything that a login depends on changed. */
  function keep() {
    const before = JSON.stringify([settings.get("mode"), settings.server(), settings.gateway]);
    hold();
    settings.set("mode", mode);
    for (const [name, one] of Object.entries(typed)) settings.setServer(name, one);
    const address = gateway.input.value.trim();
    if (mode === "sdponly") settings.set("gateway", address === settings.offered.gateway ? "" : address);
    return before !== JSON.stringify([settings.get("mode"), settings.server(), settings.gateway]);
  }

  show();
  return { keep, show };
}
