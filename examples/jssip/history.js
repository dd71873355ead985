// The calls of the past, newest first, one list for each user, kept in the browser.

const KEPT = 200;
const key = (owner) => `boringsdp.phone.history.${owner}`;

/** Events: "change". A record: {id, party: {name, user, uri}, direction, at, seconds, outcome, reason, video, mos}. */
export class History extends EventTarget {
  #store;
  #owner = "";

  constructor(store) {
    super();
    this.#store = store;
    this.records = [];
  }

  /** Show the list of this user (an address). */
  open(owner) {
    this.#owner = owner;
    try {
      const kept = JSON.parse(this.#store?.getItem(key(owner)));
      this.records = Array.isArray(kept) ? kept : [];
    } catch {
      this.records = [];
    }
    this.#changed();
  }

  add(record) {
    this.records = [record, ...this.records].slice(0, KEPT);
    this.#keep();
  }

  clear() {
    this.records = [];
    this.#keep();
  }

  #keep() {
    try {
      this.#store?.setItem(key(this.#owner), JSON.stringify(this.records));
    } catch {
      // a full or forbidden store: the list lives as long as the page
    }
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** What a finished line leaves behind. */
export function recordOf(line, now) {
  return {
    id: line.id,
    party: line.party,
    direction: line.direction,
    at: line.startedAt,
    seconds: line.answeredAt ? Math.round((now - line.answeredAt) / 1000) : 0,
    outcome: line.outcome,
    reason: line.reason,
    video: line.hadVideo,
    mos: line.meter.mos,
  };
}
