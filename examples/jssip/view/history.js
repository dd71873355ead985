// The calls of the past; a click calls again.

import { $, el, icon } from "./dom.js";
import { duration, partyName } from "../words.js";

const OUTCOMES = { missed: "missed", declined: "declined", cancelled: "given up", failed: "not reached", elsewhere: "answered elsewhere" };

export function historyView(phone, history) {
  history.addEventListener("change", update);
  $("history-clear").addEventListener("click", () => history.clear());
  update();

  function update() {
    $("history-clear").hidden = history.records.length === 0;
    $("history").replaceChildren(
      ...(history.records.length ? history.records.slice(0, 50).map(row) : [el("li", { className: "empty soft" }, "No calls yet.")]),
    );
  }

  function row(record) {
    const kind = record.outcome === "missed" ? "missed" : record.direction;
    const done = record.outcome === "answered" ? duration(record.seconds) : (OUTCOMES[record.outcome] ?? record.outcome);
    const detail = [time(record.at), done, record.mos ? `MOS ${record.mos.toFixed(1)}` : ""].filter(Boolean).join(" · ");
    const target = record.party.uri?.split("@")[1] === phone.domain ? record.party.user : record.party.uri || record.party.user;
    const name = partyName(record.party);
    return el(
      "li",
      { dataset: { testid: "history-row", outcome: record.outcome, direction: record.direction } },
      el(
        "button",
        {
          type: "button",
          className: "past",
          ariaLabel: `Call ${name} again. ${record.direction} call, ${detail}`,
          title: record.reason || `Call ${name} again`,
          onclick: () => phone.call(target),
        },
        el("span", { className: `mark ${kind}` }, icon(kind)),
        el("span", { className: "what" }, el("strong", {}, name), el("small", {}, detail)),
        record.video ? el("span", { className: "mark" }, icon("video")) : null,
      ),
    );
  }
}

function time(at) {
  const [then, now] = [new Date(at), new Date()];
  const clock = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return then.toDateString() === now.toDateString()
    ? clock
    : `${then.toLocaleDateString([], { day: "numeric", month: "short" })}, ${clock}`;
}
