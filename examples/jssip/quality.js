// The quality of a call from getStats: one sample a second, and an estimate of how it sounds.

export const KEPT = 120; // samples

const IMPAIRMENT = { pcmu: [0, 4.3], pcma: [0, 4.3], g722: [0, 8], opus: [0, 20], g729: [11, 19] }; // Ie and Bpl (ITU-T G.113)

/**
 * Return the mean opinion score from 1 to 4.5 (the E-model of ITU-T G.107, reduced to what a browser knows).
 *
 * `rttMs` and `jitterMs` in milliseconds (null: unknown), `loss` the share of lost packets from 0 to 1.
 */
export function estimateMos({ rttMs, jitterMs, loss, codec = "opus" }) {
  const delay = (rttMs ?? 0) / 2 + 2 * (jitterMs ?? 0) + 20; // one way, with the jitter buffer and one packet
  const delayed = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const [built, robust] = IMPAIRMENT[codec.toLowerCase()] ?? [0, 10];
  const percent = 100 * Math.min(1, Math.max(0, loss ?? 0));
  const lost = built + (95 - built) * (percent / (percent + robust));
  const r = Math.min(100, Math.max(0, 93.2 - delayed - lost));
  return Math.min(4.5, Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6));
}

/** The word for a score. */
export function rating(mos) {
  if (mos === null || mos === undefined) return "unknown";
  return mos >= 4 ? "excellent" : mos >= 3.6 ? "good" : mos >= 3.1 ? "fair" : mos >= 2.6 ? "poor" : "bad";
}

/** Measures one call: `add` a getStats report a second. */
export class Meter {
  #before = null;

  constructor() {
    this.samples = [];
  }

  get latest() {
    return this.samples.at(-1) ?? null;
  }

  /** The mean of what was estimated, or null. */
  get mos() {
    const known = this.samples.filter((sample) => sample.mos !== null);
    return known.length ? known.reduce((sum, sample) => sum + sample.mos, 0) / known.length : null;
  }

  /** Take the entries of a getStats report at `now` (milliseconds); returns the new sample. */
  add(entries, now) {
    const figures = collect(entries);
    const before = this.#before;
    this.#before = { ...figures, now };
    const seconds = before ? (now - before.now) / 1000 : 0;
    const rate = (key) => (before && seconds > 0 ? Math.max(0, figures[key] - before[key]) / seconds : null);
    const received = before ? figures.received - before.received : 0;
    const lost = before ? Math.max(0, figures.lost - before.lost) : 0;
    const loss = received + lost > 0 ? lost / (received + lost) : received === 0 ? null : 0;
    const bits = (key) => (rate(key) === null ? null : (8 * rate(key)) / 1000);
    const sample = {
      now,
      loss,
      jitterMs: figures.jitterMs,
      rttMs: figures.rttMs,
      inKbps: bits("bytesIn"),
      outKbps: bits("bytesOut"),
      videoInKbps: bits("videoBytesIn"),
      videoOutKbps: bits("videoBytesOut"),
      farLoss: figures.farLoss,
      farJitterMs: figures.farJitterMs,
      codec: figures.codec,
      frame: figures.frame,
      mos: received > 0 ? estimateMos({ ...figures, loss }) : null,
    };
    this.samples = [...this.samples.slice(1 - KEPT), sample];
    return sample;
  }
}

function collect(entries) {
  const of = (type, kind) => entries.filter((entry) => entry.type === type && (entry.kind ?? entry.mediaType) === kind);
  const sum = (list, key) => list.reduce((total, entry) => total + (entry[key] ?? 0), 0);
  const ms = (value) => (value === undefined || value === null ? null : 1000 * value);
  const [inbound, outbound, remote] = [of("inbound-rtp", "audio"), of("outbound-rtp", "audio"), of("remote-inbound-rtp", "audio")];
  const [filmIn, filmOut] = [of("inbound-rtp", "video"), of("outbound-rtp", "video")];
  const newest = (list, key = "packetsReceived") =>
    list.reduce((best, entry) => ((entry[key] ?? 0) > (best?.[key] ?? -1) ? entry : best), null);
  const heard = newest(inbound);
  const pair = entries.find((entry) => entry.type === "candidate-pair" && entry.nominated && entry.state === "succeeded");
  const codec = entries.find((entry) => entry.type === "codec" && entry.id === (heard ?? outbound[0])?.codecId);
  const shown = newest(filmIn);
  return {
    received: sum(inbound, "packetsReceived"),
    lost: sum(inbound, "packetsLost"),
    bytesIn: sum(inbound, "bytesReceived"),
    bytesOut: sum(outbound, "bytesSent"),
    videoBytesIn: sum(filmIn, "bytesReceived"),
    videoBytesOut: sum(filmOut, "bytesSent"),
    jitterMs: ms(heard?.jitter),
    rttMs: ms(pair?.currentRoundTripTime ?? remote.at(-1)?.roundTripTime),
    farLoss: remote.at(-1)?.fractionLost ?? null,
    farJitterMs: ms(remote.at(-1)?.jitter),
    codec: codec?.mimeType?.split("/")[1] ?? "",
    frame: shown?.frameWidth ? `${shown.frameWidth}×${shown.frameHeight}` : "",
  };
}
