// Microphone, camera and loudspeaker.

import { PhoneError, mediaText } from "./words.js";

export class Media {
  constructor(settings, devices = globalThis.navigator?.mediaDevices) {
    this.settings = settings;
    this.devices = devices;
  }

  /** A stream with the chosen microphone. Raises PhoneError. */
  async microphone() {
    return this.#open("microphone", {
      audio: { ...this.#chosen("microphone"), echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  }

  /** The chosen camera's track. Raises PhoneError. */
  async camera() {
    const stream = await this.#open("camera", { video: { ...this.#chosen("camera"), width: { ideal: 640 }, height: { ideal: 480 } } });
    return stream.getVideoTracks()[0];
  }

  /** What there is: {microphone: [{id, name}], speaker, camera}. Names are known once the browser allowed one of them. */
  async list() {
    const found = (await this.devices?.enumerateDevices?.().catch(() => [])) ?? [];
    const of = (kind, word) =>
      found
        .filter(
          (device) => device.kind === kind && device.deviceId && device.deviceId !== "default" && device.deviceId !== "communications",
        )
        .map((device, index) => ({ id: device.deviceId, name: device.label || `${word} ${index + 1}` }));
    return { microphone: of("audioinput", "Microphone"), speaker: of("audiooutput", "Loudspeaker"), camera: of("videoinput", "Camera") };
  }

  /** Let a media element sound from the chosen loudspeaker; returns whether the browser can. */
  async speak(element) {
    const wanted = this.settings.get("speaker");
    if (!element.setSinkId) return false;
    if (element.sinkId === wanted) return true;
    try {
      await element.setSinkId(wanted);
      return true;
    } catch {
      throw new PhoneError("The chosen loudspeaker is gone. Choose another in the settings.");
    }
  }

  close(stream) {
    stream?.getTracks().forEach((track) => track.stop());
  }

  async #open(what, constraints) {
    if (!this.devices?.getUserMedia) throw new PhoneError(mediaText(null, what));
    try {
      return await this.devices.getUserMedia(constraints);
    } catch (error) {
      throw new PhoneError(mediaText(error, what));
    }
  }

  #chosen(what) {
    const id = this.settings.get(what);
    return id ? { deviceId: { exact: id } } : {};
  }
}
