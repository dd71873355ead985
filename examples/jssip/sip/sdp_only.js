// Mode "sdponly": JsSIP signals with a SIP server of its own, which sees plain RTP only. Each description passes through the gateway's
// NoSIP plugin on its way: the browser's by `generate`, the other side's by `process`.
//
// JsSIP knows nothing of it. Its PeerConnection is given other versions of the three things by which descriptions go in and out.

import { Session } from "./janus.js";

const PLUGIN = "janus.plugin.nosip";

export function sdpOnly(settings, complain) {
  const gateway = new Gateway(() => settings.gateway, settings.offered.secrets, complain);
  return {
    ...settings.server("sdponly"),
    prepare: (connection, call) => translate(connection, call, gateway),
    close: () => gateway.close(),
  };
}

/** The session at the gateway that all calls share, opened when first needed. */
class Gateway {
  #session = null;

  constructor(url, secrets, complain) {
    this.url = url;
    this.secrets = secrets;
    this.complain = complain;
  }

  async attach(onEvent) {
    this.#session ??= Session.open(this.url(), this.secrets);
    try {
      const session = await this.#session;
      session.addEventListener("closed", () => (this.#session = null), { once: true });
      return await session.attach(PLUGIN, onEvent);
    } catch (error) {
      this.#session = null;
      throw error;
    }
  }

  close() {
    this.#session?.then(
      (session) => session.close(),
      () => {},
    );
    this.#session = null;
  }
}

/** Make `connection` speak through the gateway. Returns what to do at the call's end. */
export function translate(connection, call, gateway) {
  const handle = gateway.attach((name, message) => {
    const { error: complaint, result } = message.plugindata?.data ?? {};
    if (complaint) gateway.complain(`The gateway complained: ${complaint}`);
    if (result?.event === "dtmf" && result.leg === "plain") call.hearDigit(result.digit);
    if (name === "hangup" || name === "detached") call.hangUp();
  });
  const own = { local: connection.setLocalDescription.bind(connection), remote: connection.setRemoteDescription.bind(connection) };
  const native = () => Reflect.get(RTCPeerConnection.prototype, "localDescription", connection);
  let translated = null;
  let told = false; // the gateway has our first description and wants candidates

  const through = async (send) => {
    try {
      return await send(await handle);
    } catch (error) {
      gateway.complain(error.message);
      throw error;
    }
  };
  connection.addEventListener("icecandidate", ({ candidate }) => {
    if (told) handle.then((one) => one.trickle(candidate?.toJSON())).catch(() => {});
  });
  connection.setLocalDescription = async (description) => {
    await own.local(description);
    if (description?.type === "rollback") return;
    const { type, sdp } = native();
    const asked = through((one) => one.send({ request: "generate" }, { type, sdp }));
    told = true;
    translated = { type, sdp: (await asked).result.sdp };
  };
  connection.setRemoteDescription = async ({ type, sdp }) => {
    const { jsep } = await through((one) => one.send({ request: "process", type, sdp }));
    await own.remote(jsep);
  };
  Object.defineProperty(connection, "localDescription", { get: () => translated ?? native() });
  // Candidates go to the gateway one by one, none to the SIP server: JsSIP need not wait for them.
  Object.defineProperty(connection, "iceGatheringState", { get: () => "complete" });
  handle.catch(() => {});
  return () => handle.then((one) => one.detach()).catch(() => {});
}
