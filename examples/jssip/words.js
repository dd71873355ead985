// What is said to the person: plain words, and what to do about it.

/** An error whose text can be shown as it is. */
export class PhoneError extends Error {
  constructor(text) {
    super(text);
    this.name = "PhoneError";
  }
}

const BY_CODE = {
  400: "The server did not understand the call. Check the number or the name.",
  401: "The server did not accept your password. Log out and log in again.",
  403: "The server does not allow this call. Ask who runs it.",
  404: "Nobody is known there by that number or name. Check it and call again.",
  407: "The server did not accept your password. Log out and log in again.",
  408: "Nobody answered in time. Try again later.",
  410: "That number is no longer in use.",
  415: "The other side does not understand this kind of call.",
  420: "The other side does not understand this kind of call.",
  480: "Cannot be reached now: not logged in, or no answer. Try again later.",
  481: "The call no longer exists on the server. Call again.",
  482: "The call went in a circle between servers. Ask who runs them.",
  483: "The call went through too many servers. Ask who runs them.",
  484: "The number is not complete. Check it and call again.",
  486: "Busy. Try again later.",
  487: "The call was given up before it was answered.",
  488: "No common way to talk: the other side shares no audio format with this phone.",
  491: "Both sides changed the call at once. Try again.",
  500: "The server had a problem. Try again in a moment.",
  502: "The server could not pass the call on. Try again in a moment.",
  503: "The server cannot take the call now. Try again in a minute.",
  504: "Another server did not answer. Try again in a minute.",
  600: "Busy everywhere. Try again later.",
  603: "The call was declined.",
  604: "That number does not exist anywhere.",
};

const BY_CAUSE = {
  "Connection Error": "The connection to the server was lost. The phone reconnects by itself; call again then.",
  "Request Timeout": "The server did not answer in time. Try again in a moment.",
  "User Denied Media Access": "The microphone could not be used. Allow it for this page in the browser, then call again.",
  "WebRTC Error": "The browser could not set up this call. Call again; if that does not help, reload the page.",
  "RTP Timeout": "No sound came through any more. Check the network and call again.",
  "Bad Media Description": "No common way to talk: the other side's description could not be used.",
  "Missing SDP": "The other side answered without saying how to talk.",
  "No Answer": "Nobody answered in time. Try again later.",
  "Dialog Error": "The call no longer exists on the server. Call again.",
  "Not Found": BY_CODE[404],
  "Address Incomplete": BY_CODE[484],
  "Incompatible SDP": BY_CODE[488],
  "Authentication Error": BY_CODE[401],
  Busy: BY_CODE[486],
  Rejected: BY_CODE[603],
  Unavailable: BY_CODE[480],
};

/** Why a call failed, from the SIP status code and JsSIP's cause; both may be missing. */
export function failureText(code, cause = "") {
  return (
    BY_CODE[code] ??
    BY_CAUSE[cause] ??
    (code ? `The call failed (${code}${cause ? `, ${cause}` : ""}). Try again.` : "The call failed. Try again.")
  );
}

const TRANSFER_BY_CODE = {
  403: "The server does not allow it for this call.",
  404: "Nobody is known there by that number or name. Check it and try again.",
  480: "That phone cannot be reached now, or nobody answered.",
  486: "Busy there.",
  603: "The call was declined there.",
};

/** Why a call could not be transferred. */
export function transferText(code) {
  return TRANSFER_BY_CODE[code] ?? failureText(code).replace("The call failed", "It failed");
}

/** Why the phone could not log in. */
export function registrationText(code, cause = "", url = "") {
  if (code === 401 || code === 403 || code === 407) return "Name or password is wrong. Check both and log in again.";
  if (code === 404) return "The server does not know this user. Check name and domain.";
  if (code === 423 || code === 503) return "The server is too busy to log you in. The phone tries again by itself.";
  if (code === 429) return "Too many attempts. Wait a minute, then log in again.";
  if (cause === "Connection Error" || !code) return connectionText(url);
  return `The server refused the login (${code}). Ask who runs it.`;
}

/** Why the server cannot be reached. */
export function connectionText(url) {
  return `No connection to ${url || "the server"}. Check that it runs and that the address in the settings is right; the phone tries again by itself.`;
}

/** Why the browser gives no microphone or camera. */
export function mediaText(error, what = "microphone") {
  switch (error?.name) {
    case "NotAllowedError":
      return `The browser does not let this page use the ${what}. Allow it at the address bar, then try again.`;
    case "NotFoundError":
      return `No ${what} was found. Connect one, or choose another in the settings.`;
    case "NotReadableError":
      return `The ${what} is used by another program. Close that, then try again.`;
    case "OverconstrainedError":
      return `The chosen ${what} is gone. Choose another in the settings.`;
    default:
      return `The ${what} does not work here${error?.message ? ` (${error.message})` : ""}. Browsers give it only to pages on https or on this machine.`;
  }
}

/** Seconds as 0:07, 12:34 or 1:02:03. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** The name to show for a party: display name, else user, else address. */
export function partyName(party) {
  return party?.name || party?.user || party?.uri || "unknown";
}

/** The one or two letters of an avatar. */
export function initials(party) {
  const words = partyName(party)
    .replace(/^sips?:/, "")
    .split(/[\s._-]+/)
    .filter(Boolean);
  return (
    words
      .slice(0, 2)
      .map((word) => word[0])
      .join("")
      .toUpperCase() || "?"
  );
}
