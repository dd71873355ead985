// The phone: who is logged in, its two lines, and what can be done with them. It knows neither the page nor SIP.
//
// Events: "change" (anything that is shown), "notice" {kind, text}, "incoming" {line}, "ended" {line}.

import { readTarget } from "./address.js";
import { recordOf } from "./history.js";
import { Line } from "./line.js";
import { outcomeOf } from "./outcome.js";
import { PhoneError, connectionText, failureText, partyName, registrationText, transferText } from "./words.js";

const LINES = 2;
const DECLINED = 603;
const BUSY = 486;
const PATIENCE_MS = 32_000; // as long as a SIP request waits for its answer

export class Phone extends EventTarget {
  #agent = null;
  #connect;
  #lostAt = null;

  /** `connect(account, hear)` gives an agent (sip/agent.js); `media`, `settings`, `history` as in the files of these names. */
  constructor({ connect, media, settings, history, clock = Date.now }) {
    super();
    this.#connect = connect;
    this.media = media;
    this.settings = settings;
    this.history = history;
    this.clock = clock;
    this.account = null;
    this.connection = { state: "offline", text: "" };
    this.lines = [];
  }

  // --- who ---

  get isLoggedIn() {
    return this.account !== null && this.connection.state !== "refused";
  }

  /** `account` {user, password, name}. */
  async logIn(account) {
    await this.logOut();
    await this.#try(
      async () => {
        this.account = account;
        this.#connected({ state: "connecting" });
        const agent = await this.#connect(account, (name, detail) => agent === this.#agent && this.#heard(name, detail));
        this.#agent = agent;
        this.history.open(`${account.user}@${this.#agent.domain}`);
        this.#agent.start();
      },
      () => (this.account = null),
    );
  }

  async logOut() {
    for (const line of this.lines) this.hangUp(line);
    this.#agent?.stop();
    this.#agent = null;
    this.account = null;
    this.#connected({ state: "offline" });
  }

  get domain() {
    return this.#agent?.domain ?? "";
  }

  // --- lines ---

  /** The line that is talked on, or being called from. */
  get current() {
    return (
      this.lines.find((line) => line.state === "active") ??
      this.lines.find((line) => ["calling", "ringing", "answering"].includes(line.state)) ??
      null
    );
  }

  get ringing() {
    return this.lines.find((line) => line.state === "incoming") ?? null;
  }

  get canCall() {
    return (
      this.connection.state === "registered" &&
      this.lines.length < LINES &&
      !this.lines.some((line) => line.direction === "outgoing" && !line.isTalking)
    );
  }

  /** Call a number, a user or an address; with `video`, with the camera. Returns the line, or null if it could not be. */
  async call(target, { video = false } = {}) {
    return this.#try(async () => {
      const called = readTarget(target, this.domain);
      if (this.connection.state !== "registered") {
        throw new PhoneError("Not connected to the server. Wait until the phone is ready, then call.");
      }
      if (this.lines.length >= LINES) throw new PhoneError("Both lines are in use. End one call first.");
      const line = this.#add("outgoing", { name: this.#nameOf(called), user: called.user, uri: called.uri });
      try {
        await this.#holdOthers(line);
        await this.#open(line, video);
        if (line.isOver) return null; // given up meanwhile
        line.call = this.#agent.call(called.target, line.stream, (name, detail) => this.#news(line, name, detail));
      } catch (error) {
        this.#over(line, "failed", error instanceof PhoneError ? error.message : failureText(0));
        throw error;
      }
      this.#changed();
      return line;
    });
  }

  /** Answer; other calls are put on hold. */
  async answer(line = this.ringing, { video = false } = {}) {
    if (line?.state !== "incoming") return;
    await this.#try(async () => {
      if (this.connection.state !== "registered")
        throw new PhoneError("No connection to the server just now. Answer when the phone is ready again.");
      line.state = "answering";
      this.#changed();
      try {
        await this.#holdOthers(line);
        await this.#open(line, video);
      } catch (error) {
        if (!line.isOver) line.state = "incoming"; // still rings: the person can try again
        throw error;
      }
      if (!line.isOver) line.call.answer(line.stream);
    });
  }

  decline(line = this.ringing, code = DECLINED) {
    if (line?.state !== "incoming") return;
    line.outcome = "declined";
    line.call.decline(code);
  }

  hangUp(line = this.current) {
    if (!line || line.isOver) return;
    if (line.state === "incoming") this.decline(line);
    else if (line.call) line.call.hangUp();
    else this.#over(line, "cancelled", "");
  }

  async hold(line = this.current) {
    if (line?.state !== "active") return;
    await this.#try(() =>
      this.#changing(line, async () => {
        await line.call.hold();
        if (!line.isOver) line.state = "held";
      }),
    );
  }

  /** Take a held call back; another active one is put on hold. */
  async resume(line = this.lines.find((one) => one.state === "held")) {
    if (line?.state !== "held") return;
    await this.#try(async () => {
      await this.#holdOthers(line);
      await this.#changing(line, async () => {
        await line.call.resume();
        if (!line.isOver) line.state = "active";
      });
    });
  }

  /** Hold the one, resume the other. */
  async swap() {
    await this.resume();
  }

  mute(line = this.current, on = !line?.muted) {
    if (!line?.call || line.isOver) return;
    line.muted = on;
    line.call.mute(on);
    this.#changed();
  }

  sendDigit(digit, line = this.current) {
    if (line?.state !== "active") return;
    this.#try(async () => {
      line.call.digit(digit, this.settings.get("digits"));
      line.digits += digit;
    });
    this.#changed();
  }

  // --- transfer ---

  /** Blind transfer: the other side calls `target`, and leaves us. */
  async transfer(target, line = this.current) {
    await this.#try(async () => {
      if (!line?.isTalking) throw new PhoneError("There is no call to transfer.");
      const to = readTarget(target, this.domain);
      this.#refer(line, `sip:${to.uri}`, null, to.target);
    });
  }

  /** Attended transfer: join the two other sides, and leave. */
  async join() {
    await this.#try(async () => {
      const [held, active] = [this.lines.find((line) => line.state === "held"), this.lines.find((line) => line.state === "active")];
      if (!held || !active) throw new PhoneError("Two calls are needed to connect them: hold one and call the other.");
      this.#refer(held, active.call.remoteUri, active, partyName(active.party));
    });
  }

  #refer(line, uri, other, to) {
    line.transfer = { state: "asked", to };
    line.call.refer(uri, other?.call, (state, code) => {
      line.transfer = { state, to };
      if (state === "done") {
        this.#say("info", `${partyName(line.party)} was transferred to ${to}.`);
        line.outcome = "answered";
        line.call.hangUp();
        if (other && !other.isOver) other.call.hangUp();
      } else if (state === "failed") {
        line.transfer = null;
        this.#say("error", `The transfer to ${to} failed. ${transferText(code)} You are still connected to ${partyName(line.party)}.`);
      }
      this.#changed();
    });
    this.#changed();
  }

  // --- devices ---

  /** Show our camera in this call, or stop. */
  async showCamera(on, line = this.current) {
    if (line?.state !== "active") return;
    await this.#try(() =>
      this.#changing(line, async () => {
        const connection = line.call.connection;
        const free = connection.getTransceivers().find((one) => one.receiver.track?.kind === "video" && !one.stopped);
        if (on) {
          line.film = await this.media.camera();
          line.hadVideo = true;
          line.stream.addTrack(line.film);
          if (free) {
            await free.sender.replaceTrack(line.film);
            free.direction = "sendrecv";
          } else {
            connection.addTrack(line.film, line.stream);
          }
        } else {
          this.#endFilm(line);
          if (free) {
            await free.sender.replaceTrack(null);
            free.direction = "recvonly";
          }
        }
        await line.call.renegotiate();
      }),
    );
  }

  /** After another microphone or camera was chosen: use it in the calls there are. */
  async useDevices(kind) {
    await this.#try(async () => {
      for (const line of this.lines) {
        if (!line.stream || !line.call?.connection) continue;
        if (kind === "camera" && !line.film) continue;
        const fresh = kind === "camera" ? await this.media.camera() : (await this.media.microphone()).getAudioTracks()[0];
        const old = kind === "camera" ? line.film : line.stream.getAudioTracks()[0];
        const sender = line.call.connection.getSenders().find((one) => one.track === old);
        fresh.enabled = old?.enabled ?? true;
        await sender?.replaceTrack(fresh);
        if (kind === "camera") line.film = fresh;
        if (old) line.stream.removeTrack(old);
        old?.stop();
        line.stream.addTrack(fresh);
      }
    });
    this.#changed();
  }

  /** Measure the quality of the calls; to be called once a second. */
  async measure() {
    this.#giveUp();
    await Promise.all(
      this.lines.map(async (line) => {
        const connection = line.call?.connection;
        if (!line.isTalking || !connection || connection.connectionState === "closed") return;
        const report = await connection.getStats().catch(() => null);
        if (report && !line.isOver) line.meter.add([...report.values()], this.clock());
      }),
    );
    this.dispatchEvent(new Event("measured"));
  }

  // --- what happens ---

  #heard(name, detail) {
    if (name === "connection") this.#connected(detail);
    else if (name === "incoming") this.#incoming(detail);
    else if (name === "outgoing") this.#referred(detail);
    else if (name === "complaint") this.#say("error", detail.text);
  }

  #connected({ state, code, cause }) {
    const before = this.connection.state;
    const url = this.settings.server?.().url;
    const text =
      { refused: () => registrationText(code, cause, url), lost: () => (code ? registrationText(code, cause, url) : connectionText(url)) }[
        state
      ]?.() ?? "";
    this.connection = { state, text };
    if (state === "lost" && this.#lostAt === null) this.#lostAt = this.clock();
    else if (!["lost", "connecting"].includes(state)) this.#lostAt = null;
    if (state === "refused") {
      this.#agent?.stop();
      this.#agent = null;
      this.account = null;
      this.#say("error", text);
    } else if (state === "lost" && before !== "lost") {
      this.#say("error", text);
    } else if (state === "registered" && before === "lost") {
      this.#say("info", "Connected again.");
    }
    this.#changed();
  }

  #incoming({ call, replaces }) {
    const replaced = this.lines.find((line) => line.call === replaces && replaces);
    const busy = this.lines.length >= LINES || this.ringing;
    if (busy && !replaced) {
      call.decline(BUSY);
      const line = new Line(0, "incoming", call.party, this.clock());
      this.history.add({ ...recordOf(line, this.clock()), outcome: "missed", reason: "Both lines were in use." });
      return;
    }
    const line = this.#add("incoming", call.party, replaced?.number);
    line.call = call;
    line.offersVideo = call.offersVideo;
    call.hear = (name, detail) => this.#news(line, name, detail);
    if (replaced) {
      replaced.outcome = "answered";
      this.answer(line, { video: Boolean(replaced.film) });
    } else {
      this.dispatchEvent(new CustomEvent("incoming", { detail: { line } }));
    }
    this.#changed();
  }

  // The other side of a call transfers us: we call whom it names, and it hangs up when that call stands.
  async #referred({ from, start }) {
    const old = this.lines.find((line) => line.call === from);
    const line = this.#add("outgoing", { name: "", user: "transfer", uri: "" });
    await this.#try(
      async () => {
        await this.#open(line, Boolean(old?.film));
        line.call = start(line.stream, (name, detail) => this.#news(line, name, detail));
        if (!line.call) throw new PhoneError("The transfer could not be followed.");
        line.party = line.call.party;
        this.#say("info", `${partyName(old?.party)} transfers you to ${partyName(line.party)}.`);
      },
      () => this.#over(line, "failed", ""),
    );
  }

  #news(line, name, detail) {
    if (line.isOver) return;
    if (name === "ringing") {
      if (line.state === "calling") line.state = "ringing";
      line.early ||= detail.early;
    } else if (name === "answered") {
      line.state = "active";
      line.answeredAt = this.clock();
      line.outcome = "answered";
    } else if (name === "hold") {
      line.remoteHeld = detail.on;
    } else if (name === "digit") {
      line.heardDigits += detail.digit;
    } else if (name === "party") {
      line.party = detail.party;
    } else if (name === "media") {
      line.hadVideo ||= line.showsVideo;
    } else if (name === "ended") {
      const { outcome, reason, loud } = outcomeOf(line, detail);
      this.#over(line, outcome, reason, loud);
    }
    this.#changed();
  }

  // What rings goes on for a while without a connection, and not for ever.
  #giveUp() {
    if (this.#lostAt === null || this.clock() - this.#lostAt < PATIENCE_MS) return;
    for (const line of this.lines) if (!line.isTalking) this.hangUp(line);
  }

  // --- within ---

  #nameOf({ target, user }) {
    const { users, echo } = this.settings.offered;
    if (target !== user) return ""; // of another domain
    return users.find((one) => one.user === user)?.name ?? (user === echo ? "Echo" : "");
  }

  #add(direction, party, number = [1, 2].find((one) => !this.lines.some((line) => line.number === one)) ?? 2) {
    const line = new Line(number, direction, party, this.clock());
    this.lines = [...this.lines, line];
    this.#changed();
    return line;
  }

  async #open(line, video) {
    line.stream = await this.media.microphone();
    if (video) {
      try {
        line.film = await this.media.camera();
        line.stream.addTrack(line.film);
        line.hadVideo = true;
      } catch (error) {
        this.#say("error", `${error.message} The call goes on without video.`);
      }
    }
    if (line.isOver) this.#close(line);
  }

  async #holdOthers(than) {
    for (const line of this.lines) {
      if (line === than || line.state !== "active") continue;
      await this.#changing(line, async () => {
        await line.call.hold();
        if (!line.isOver) line.state = "held";
      });
    }
  }

  async #changing(line, change) {
    line.changing = true;
    this.#changed();
    try {
      await change();
    } finally {
      line.changing = false;
      this.#changed();
    }
  }

  #over(line, outcome, reason, loud = false) {
    if (line.isOver) return;
    line.state = "ended";
    line.outcome = outcome;
    line.reason = reason;
    this.#close(line);
    this.lines = this.lines.filter((one) => one !== line);
    this.history.add(recordOf(line, this.clock()));
    if (loud && reason) this.#say("error", `${partyName(line.party)}: ${reason}`);
    this.dispatchEvent(new CustomEvent("ended", { detail: { line } }));
    this.#changed();
  }

  #close(line) {
    this.media.close(line.stream);
    this.#endFilm(line);
  }

  #endFilm(line) {
    if (!line.film) return;
    line.stream?.removeTrack(line.film);
    line.film.stop();
    line.film = null;
  }

  async #try(action, otherwise) {
    try {
      return await action();
    } catch (error) {
      otherwise?.();
      if (!(error instanceof PhoneError)) console.error(error);
      this.#say(
        "error",
        error instanceof PhoneError ? error.message : "Something went wrong. Try again; if it happens again, reload the page.",
      );
      this.#changed();
      return null;
    }
  }

  #say(kind, text) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { kind, text } }));
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
