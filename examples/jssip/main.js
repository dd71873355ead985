// Puts the phone together: settings, state, the way to the server, and what is seen.

import { History } from "./history.js";
import { Media } from "./media.js";
import { Phone } from "./phone.js";
import { Ringer, toneFor } from "./ring.js";
import { MODES, Settings, readOffer } from "./settings.js";
import { Agent, loadLibrary } from "./sip/agent.js";
import { kamailio } from "./sip/kamailio.js";
import { sdpOnly } from "./sip/sdp_only.js";
import { straight } from "./sip/straight.js";
import { dialerView } from "./view/dialer.js";
import { $, dress } from "./view/dom.js";
import { helpView } from "./view/help.js";
import { historyView } from "./view/history.js";
import { linesView } from "./view/lines.js";
import { loginView } from "./view/login.js";
import { Notifier, notice, noticesView } from "./view/notices.js";
import { settingsView, themeSwitch } from "./view/settings.js";
import { PhoneError } from "./words.js";

const OFFER = "/demo/phone"; // JSON from the server of this page; README.md lists its keys
const LINKS = { straight, kamailio, sdponly: sdpOnly };

const store = (() => {
  try {
    return globalThis.localStorage;
  } catch {
    return null; // forbidden
  }
})();

const settings = new Settings(store, await offer());
const media = new Media(settings);
const history = new History(store);
const ringer = new Ringer(settings);
const notifier = new Notifier(settings);
const phone = new Phone({ connect, media, settings, history });

dress(document);
themeSwitch(settings, dress);
noticesView(phone, settings, notifier);
const cards = linesView(phone, { ringer, attach: (audio) => speak(audio) });
loginView(phone, settings, () => ringer.wake());
dialerView(phone, settings, ringer, cards);
historyView(phone, history);
helpView(phone, settings, cards);
settingsView(phone, settings, notifier, (kind) =>
  kind === "speaker" ? document.querySelectorAll(".line audio").forEach(speak) : phone.useDevices(kind),
);
$("log-out").addEventListener("click", () => phone.logOut());
phone.addEventListener("change", () => ringer.play(toneFor(phone.lines)));
setInterval(() => phone.measure(), 1000);
addEventListener("pagehide", () => phone.logOut());
loadLibrary().catch((error) => notice("error", error.message));

/** For whoever looks from the console, and for the tests. */
window.phone = phone;

async function connect(account, hear) {
  const JsSIP = await loadLibrary();
  const mode = settings.get("mode");
  const link = LINKS[mode](settings, (text) => hear("complaint", { text }));
  if (!link.url || !link.domain)
    throw new PhoneError(`“${MODES[mode].name}” needs the address and the domain of a SIP server. Write them in the settings.`);
  return new Agent(JsSIP, link, account, hear);
}

async function offer() {
  const told = await fetch(OFFER)
    .then((response) => (response.ok ? response.json() : null))
    .catch(() => null);
  return readOffer(told, location);
}

function speak(audio) {
  media.speak(audio).catch((error) => notice("error", error.message));
}
