// One call: the PeerConnection, the NoSIP requests to the gateway, and the signalling to the echo peer, which is a few HTTP requests here.
// In an application of yours this is where SIP, or whatever you signal with, would be.

const PLUGIN = "janus.plugin.nosip";

async function peer(path, body, method = "POST") {
  const response = await fetch(`echo${path}`, {
    method,
    keepalive: method === "DELETE", // sent even when the page is being left
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const reply = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(`The echo peer refused: ${reply.error ?? response.statusText}`);
  return reply;
}

/**
 * Events: "change" (ICE, DTLS or call state), "exchange" {title, offer: [before, after], answer: [before, after]},
 * "digit" {digit, duration_ms, leg}, "ended" {reason}, "track" {stream}.
 */
export class Call extends EventTarget {
  constructor(session, options) {
    super();
    this.session = session;
    this.options = options; // {stream, codec, srtp, delay}
    this.held = false;
    this.ended = false;
    this.peerId = "";
  }

  async place() {
    await this.#open();
    await this.#offer("call");
  }

  /** The echo peer offers, the browser answers. */
  async beCalled() {
    await this.#open();
    const offered = await peer("/offer", { codecs: this.#codecs(), srtp: Boolean(this.options.srtp), delay_ms: this.options.delay });
    this.peerId = offered.call;
    const { jsep: offer } = await this.handle.send({ request: "process", type: "offer", sdp: offered.sdp });
    await this.connection.setRemoteDescription(offer);
    const answer = await this.connection.createAnswer();
    await this.connection.setLocalDescription(answer);
    const { result } = await this.handle.send({ request: "generate" }, { type: "answer", sdp: answer.sdp });
    this.localSent = true;
    await peer(`/${this.peerId}/answer`, { sdp: result.sdp });
    this.#exchanged("incoming call", [offered.sdp, offer.sdp], [answer.sdp, result.sdp], true);
  }

  async hold(held) {
    for (const transceiver of this.connection.getTransceivers()) transceiver.direction = held ? "sendonly" : "sendrecv";
    await this.#offer(held ? "hold" : "resume");
    this.held = held;
    this.#changed();
  }

  async useCodec(codec) {
    this.options.codec = codec;
    await this.#offer(`change to ${codec}`);
  }

  async useStream(stream) {
    this.options.stream = stream;
    await this.sender.replaceTrack(stream.getAudioTracks()[0]);
  }

  get canSendDigits() {
    return !this.ended && this.sender?.dtmf?.canInsertDTMF !== false && Boolean(this.sender?.dtmf);
  }

  digit(digit) {
    const dtmf = this.sender.dtmf;
    dtmf.insertDTMF(dtmf.toneBuffer + digit, 100, 70);
  }

  /** Figures of both legs from the gateway, of the echo peer, and of the browser itself. */
  async figures() {
    const [gateway, far, report] = await Promise.all([
      this.handle.send({ request: "stats" }).then(({ result }) => result),
      peer(`/${this.peerId}`, undefined, "GET"),
      this.connection.getStats(),
    ]);
    return { gateway, far, browser: [...report.values()] };
  }

  async hangUp(reason = "You hung up.") {
    if (this.ended) return;
    this.ended = true;
    this.connection?.close();
    this.dispatchEvent(new CustomEvent("ended", { detail: { reason } }));
    if (this.peerId) peer(`/${this.peerId}`, undefined, "DELETE").catch(() => {});
    await this.handle?.detach().catch(() => {});
  }

  async #open() {
    this.handle = await this.session.attach(PLUGIN, (name, message) => this.#heard(name, message));
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connection.onicecandidate = ({ candidate }) => {
      if (this.localSent) this.handle.trickle(candidate?.toJSON()).catch(() => {});
    };
    this.connection.ontrack = ({ track }) => this.dispatchEvent(new CustomEvent("track", { detail: { stream: new MediaStream([track]) } }));
    this.connection.oniceconnectionstatechange = () => this.#changed();
    this.connection.onconnectionstatechange = () => this.#changed();
    const [track] = this.options.stream.getAudioTracks();
    this.sender = this.connection.addTrack(track, this.options.stream);
    this.sender.transport?.addEventListener("statechange", () => this.#changed());
  }

  async #offer(title) {
    const [transceiver] = this.connection.getTransceivers();
    this.#prefer(transceiver);
    await this.connection.setLocalDescription(await this.connection.createOffer());
    const offer = this.connection.localDescription.sdp;
    this.localSent = true;
    const { result } = await this.handle.send(
      { request: "generate", ...(this.options.srtp && { srtp: this.options.srtp }) },
      { type: "offer", sdp: offer },
    );
    const answered = await peer("", { sdp: result.sdp, call: this.peerId, codec: this.options.codec, delay_ms: this.options.delay });
    this.peerId = answered.call;
    const { jsep } = await this.handle.send({ request: "process", type: "answer", sdp: answered.sdp });
    await this.connection.setRemoteDescription(jsep);
    this.sender.transport?.addEventListener("statechange", () => this.#changed());
    this.#exchanged(title, [offer, result.sdp], [answered.sdp, jsep.sdp], false);
  }

  #codecs() {
    return [this.options.codec, ...["opus", "G722", "PCMU", "PCMA"].filter((name) => name !== this.options.codec)];
  }

  #prefer(transceiver) {
    const known = RTCRtpReceiver.getCapabilities?.("audio")?.codecs;
    if (!known || !transceiver.setCodecPreferences) return; // the echo peer is asked for the codec as well
    const wanted = (codec) => codec.mimeType.toLowerCase() === `audio/${this.options.codec}`.toLowerCase();
    try {
      transceiver.setCodecPreferences([...known.filter(wanted), ...known.filter((codec) => !wanted(codec))]);
    } catch (error) {
      console.warn("setCodecPreferences", error);
    }
  }

  #heard(name, message) {
    if (name === "event") {
      const { result, error } = message.plugindata.data;
      if (result?.event === "dtmf") this.dispatchEvent(new CustomEvent("digit", { detail: result }));
      if (result?.event === "media_timeout") this.hangUp(`No media from the ${result.leg} side for ${result.seconds} seconds.`);
      if (error) this.hangUp(`The gateway complained: ${error}`);
    } else if (name === "hangup") {
      const byBrowser = message.reason === "DTLS alert"; // what the API calls a close from this side
      this.hangUp(byBrowser ? "The call was closed by the browser." : `The gateway ended the call: ${message.reason}.`);
    } else if (name === "ice-failed") {
      this.dispatchEvent(new CustomEvent("trouble", { detail: { reason: "The gateway no longer hears this browser." } }));
    }
    this.#changed();
  }

  #exchanged(title, offer, answer, incoming) {
    this.dispatchEvent(new CustomEvent("exchange", { detail: { title, offer, answer, incoming } }));
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
