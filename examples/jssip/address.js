// What a person writes to call somebody.

import { PhoneError } from "./words.js";

/**
 * Return {target, user, uri} of a number, a name or an address; who has no domain is at `domain`. What people write between the digits of a
 * number is left out. Raises PhoneError.
 */
export function readTarget(text, domain) {
  const target = text
    .trim()
    .replace(/^sips?:/, "")
    .replace(/^[+\d][\d ()/-]+$/, (number) => number.replace(/[ ()/-]/g, ""));
  if (!target) throw new PhoneError("Write a number or a name first.");
  if (!/^[^\s@<>"]+(@[^\s@<>"]+)?$/.test(target)) {
    throw new PhoneError(`“${target}” cannot be called. Write a number, a name, or name@domain.`);
  }
  const whole = target.includes("@");
  return { target, user: target.split("@")[0], uri: whole ? target : `${target}@${domain}` };
}
