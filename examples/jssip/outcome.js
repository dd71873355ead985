// How a call ended, and whether the person must be told.

import { failureText } from "./words.js";

const BAD = ["RTP Timeout", "Connection Error", "Request Timeout", "WebRTC Error", "Bad Media Description", "Dialog Error"];

/**
 * Return {outcome, reason, loud} of a line and what its call told at the end.
 *
 * The outcome is answered, missed, declined, cancelled, failed or elsewhere (answered on another device); the reason is text, or empty.
 */
export function outcomeOf(line, { by, code, cause, elsewhere }) {
  if (line.answeredAt) {
    const bad = BAD.includes(cause);
    return { outcome: "answered", reason: bad ? failureText(0, cause) : "", loud: bad };
  }
  if (line.direction === "incoming") {
    if (elsewhere) return { outcome: "elsewhere", reason: "Answered on another device.", loud: false };
    if (line.outcome === "declined") return { outcome: "declined", reason: "", loud: false };
    const ours = by === "local"; // not the caller's doing
    return { outcome: "missed", reason: ours ? failureText(code, cause) : "", loud: ours && !["No Answer", "Rejected"].includes(cause) };
  }
  if (by === "local" && !code && cause === "Canceled") return { outcome: "cancelled", reason: "", loud: false };
  return { outcome: "failed", reason: failureText(code, cause), loud: true };
}
