// The dial pad, and the quick dials below it.

import { $, el, fillPad, say } from "./dom.js";
import { partyName } from "../words.js";

export function dialerView(phone, settings, ringer, cards) {
  const target = $("target");
  let shown = ""; // of the quick dials
  fillPad($("pad"), (digit) => {
    ringer.key(digit);
    const [start, end] = [target.selectionStart ?? target.value.length, target.selectionEnd ?? target.value.length];
    target.setRangeText(digit, start, end, "end");
    update();
  });
  const call = async (video) => {
    const line = await phone.call(target.value, { video });
    if (line) target.value = "";
    // Dialed by Enter: from now on keys are for the call, not for the next number.
    if (line && document.activeElement === target) cards.card(line)?.element.focus({ preventScroll: true });
    update();
  };
  $("dial-form").addEventListener("submit", (event) => {
    event.preventDefault();
    call(false);
  });
  $("call-video").addEventListener("click", () => call(true));
  $("backspace").addEventListener("click", () => {
    target.value = target.value.slice(0, -1);
    update();
    target.focus();
  });
  target.addEventListener("input", update);
  const echo = settings.offered.echo;
  $("call-echo").hidden = !echo;
  $("call-echo").addEventListener("click", () => phone.call(echo));
  phone.addEventListener("change", update);
  update();

  function update() {
    $("backspace").disabled = !target.value;
    $("call").disabled = $("call-video").disabled = !phone.canCall;
    $("call-echo").disabled = !phone.canCall;
    $("idle").hidden = phone.lines.length > 0;
    const ready = phone.connection.state === "registered";
    say($("idle-lead"), ready ? "Ready for calls" : phone.connection.state === "connecting" ? "Connecting…" : "Not connected");
    say(
      $("idle-note"),
      ready
        ? `${echo ? "Call the echo to hear yourself, or dial." : "Dial a number or a name."} Two tabs can call each other.`
        : phone.connection.text || "One moment.",
    );
    quick();
  }

  function quick() {
    const others = (settings.offered.users ?? []).filter((user) => user.user !== phone.account?.user);
    const names = [...others.map((user) => [user.user, partyName(user)]), ...(echo ? [[echo, "Echo"]] : [])];
    const state = JSON.stringify([names, phone.canCall]);
    if (state === shown) return;
    shown = state;
    $("quick").replaceChildren(
      ...names.map(([user, name]) =>
        el(
          "button",
          {
            type: "button",
            className: "small",
            dataset: { testid: `quick-${user}` },
            disabled: !phone.canCall,
            onclick: () => phone.call(user),
          },
          name,
        ),
      ),
    );
  }
}
