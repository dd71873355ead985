// The settings: devices, tones and notifications, how digits are sent, and how to connect.

import { $, el } from "./dom.js";
import { serverForm } from "./server_form.js";

const KINDS = [
  ["microphone", "Microphone"],
  ["speaker", "Loudspeaker"],
  ["camera", "Camera"],
];

/** `notifier` asks the browser for leave; `changed(kind)` is called when another device was chosen. */
export function settingsView(phone, settings, notifier, changed) {
  const dialog = $("settings");
  const selects = Object.fromEntries(KINDS.map(([kind]) => [kind, el("select", { dataset: { testid: `device-${kind}` } })]));
  for (const [kind] of KINDS) {
    selects[kind].addEventListener("change", () => {
      settings.set(kind, selects[kind].value);
      changed(kind);
    });
  }
  const digits = el(
    "select",
    { dataset: { testid: "digits" } },
    el("option", { value: "rfc4733" }, "Within the sound (RFC 4733)"),
    el("option", { value: "info" }, "As SIP INFO"),
  );
  digits.addEventListener("change", () => settings.set("digits", digits.value));
  const ring = check("Ring and key tones", "ring");
  const shortcuts = check("Keyboard shortcuts", "shortcuts");
  const notifications = check("Show a notification when somebody calls", "notifications", async (on) => {
    if (on && !(await notifier.ask())) {
      notifications.input.checked = false;
      settings.set("notifications", false);
      note.textContent = "The browser does not allow notifications here. Allow them at the address bar.";
    } else {
      note.textContent = "";
    }
  });
  const note = el("p", { className: "soft", role: "status" });
  const modes = el("fieldset", {}, el("legend", {}, "Connect"));
  const server = el("div");
  const connecting = el(
    "form",
    { method: "dialog" },
    modes,
    server,
    el("button", { className: "primary", dataset: { testid: "reconnect" } }, "Save and connect again"),
  );
  const form = serverForm(settings, { modes, server, prefix: "settings" });
  connecting.addEventListener("submit", () => {
    form.keep();
    if (phone.account) phone.logIn(phone.account);
  });

  dialog.append(
    el(
      "div",
      { className: "head" },
      el("h2", { id: "settings-title" }, "Settings"),
      el("button", { type: "button", className: "plain", dataset: { testid: "close-settings" }, onclick: () => dialog.close() }, "Done"),
    ),
    el(
      "div",
      { className: "fields" },
      el("h3", {}, "Sound and picture"),
      ...KINDS.map(([kind, name]) => el("label", {}, name, " ", selects[kind])),
      el("h3", {}, "Calls"),
      el("label", {}, "Digits", " ", digits),
      ring.row,
      notifications.row,
      note,
      shortcuts.row,
      el("h3", {}, "Server"),
      connecting,
    ),
  );
  $("open-settings").addEventListener("click", open);
  navigator.mediaDevices?.addEventListener?.("devicechange", list);

  function check(text, name, then) {
    const input = el("input", { type: "checkbox", dataset: { testid: `set-${name}` } });
    input.addEventListener("change", () => {
      settings.set(name, input.checked);
      then?.(input.checked);
    });
    return { input, row: el("label", { className: "check" }, input, el("span", {}, text)) };
  }

  async function list() {
    const devices = await phone.media.list();
    for (const [kind] of KINDS) {
      const chosen = settings.get(kind);
      selects[kind].replaceChildren(
        el("option", { value: "" }, "The browser's choice"),
        ...devices[kind].map(({ id, name }) => el("option", { value: id }, name)),
      );
      selects[kind].value = devices[kind].some(({ id }) => id === chosen) ? chosen : "";
      selects[kind].disabled = devices[kind].length === 0;
    }
    if (!("setSinkId" in HTMLMediaElement.prototype)) {
      selects.speaker.replaceChildren(el("option", { value: "" }, "This browser has no choice of its own"));
      selects.speaker.disabled = true;
    }
  }

  function open() {
    digits.value = settings.get("digits");
    for (const [name, { input }] of [
      ["ring", ring],
      ["shortcuts", shortcuts],
      ["notifications", notifications],
    ])
      input.checked = settings.get(name);
    form.show();
    list();
    dialog.showModal();
  }
}

/** The switch between dark and light: system, then the other one, then back. */
export function themeSwitch(settings, dress) {
  const button = $("theme");
  const next = { system: "light", light: "dark", dark: "system" };
  const names = { system: "as the system", light: "light", dark: "dark" };
  const show = () => {
    const theme = settings.get("theme");
    document.documentElement.dataset.theme = theme;
    button.dataset.icon = theme === "system" ? "theme" : theme;
    button.title = `Colours: ${names[theme]}`;
    button.setAttribute("aria-label", `Colours: ${names[theme]}. Change to ${names[next[theme]]}`);
    dress(button.parentElement);
  };
  button.addEventListener("click", () => {
    settings.set("theme", next[settings.get("theme")]);
    show();
  });
  show();
}
