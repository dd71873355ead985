// One call as the person sees it.

import { Meter } from "./quality.js";

/**
 * States of a line: calling → ringing → active ⇄ held → ended, or incoming → answering → active …
 *
 * `held` is what we did; `remoteHeld` what the other side did.
 */
export class Line {
  constructor(number, direction, party, now) {
    this.id = `${now}-${number}-${Math.random().toString(36).slice(2, 8)}`;
    this.number = number;
    this.direction = direction;
    this.party = party;
    this.state = direction === "incoming" ? "incoming" : "calling";
    this.startedAt = now;
    this.answeredAt = null;
    this.early = false; // heard before the answer
    this.muted = false;
    this.remoteHeld = false;
    this.changing = false; // a hold or a change of media is under way
    this.offersVideo = false;
    this.hadVideo = false;
    this.film = null; // our own camera's track
    this.stream = null; // what we send
    this.call = null; // SipCall
    this.digits = ""; // sent in this call
    this.heardDigits = ""; // what came, by SIP INFO or as the gateway tells
    this.transfer = null; // {state: asked | ringing | done | failed, to}
    this.outcome = ""; // answered, missed, declined, cancelled, failed, elsewhere
    this.reason = "";
    this.meter = new Meter();
  }

  get isTalking() {
    return this.state === "active" || this.state === "held";
  }

  get isOver() {
    return this.state === "ended";
  }

  /** Seconds since the answer. */
  seconds(now) {
    return this.answeredAt ? (now - this.answeredAt) / 1000 : 0;
  }

  /** The other side's tracks as one stream, or null. */
  get remote() {
    const tracks = (this.call?.connection?.getReceivers?.() ?? [])
      .map((receiver) => receiver.track)
      .filter((track) => track?.readyState === "live");
    const same =
      this.remoteStream?.getTracks().length === tracks.length && tracks.every((track) => this.remoteStream.getTrackById(track.id));
    if (!same) this.remoteStream = tracks.length ? new MediaStream(tracks) : null;
    return this.remoteStream ?? null;
  }

  /** True while pictures come. */
  get showsVideo() {
    return (this.call?.connection?.getTransceivers?.() ?? []).some(
      (one) => one.receiver.track?.kind === "video" && ["sendrecv", "recvonly"].includes(one.currentDirection) && !one.receiver.track.muted,
    );
  }
}
