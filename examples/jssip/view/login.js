// Logging in: the ready users in one click, or an account of one's own.

import { $, el, say } from "./dom.js";
import { serverForm } from "./server_form.js";
import { initials } from "../words.js";

export function loginView(phone, settings, wake) {
  const enter = (account) => {
    wake(); // a click: from here on the browser lets us sound
    settings.set("user", account.user);
    phone.logIn(account);
  };
  for (const user of settings.offered.users ?? []) {
    const here = () => {
      settings.set("mode", "straight"); // where these users are, whatever was typed before
      settings.setServer("straight", { url: "", domain: "" });
      enter(user);
    };
    $("ready").append(
      el(
        "button",
        { type: "button", className: "user", dataset: { testid: `log-in-${user.user}` }, onclick: here },
        el("span", { className: "avatar", ariaHidden: "true" }, initials(user)),
        el("span", {}, el("small", {}, "Log in as"), el("strong", {}, user.name || user.user)),
      ),
    );
  }
  const ready = settings.offered.users?.length > 0;
  $("ready").hidden = !ready;
  $("own-account").open = !ready;
  if (!ready) say($("login-note"), "Write who you are. The server and its domain are below; whoever runs it knows them.");
  const form = serverForm(settings, { modes: $("login-mode"), server: $("login-server"), prefix: "login" });
  $("login-user").value = settings.get("user");
  $("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    form.keep();
    enter({ user: $("login-user").value.trim(), password: $("login-password").value, name: $("login-name").value.trim() });
  });
  phone.addEventListener("change", () => {
    const inside = phone.account !== null;
    if ($("login").hidden === inside) return;
    $("login").hidden = inside;
    $("desk").hidden = !inside;
    document.body.dataset.view = inside ? "desk" : "login";
    if (!inside) form.show();
    $("main").focus({ preventScroll: true });
  });
}
