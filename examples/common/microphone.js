// Why there is no microphone, in words.

const WORDS = {
  NotAllowedError: "The microphone is not allowed. Allow it for this page, beside its address, and call again.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program. Close that program.",
};

/** Return what to tell the person about an error of a call. */
export function explain(error) {
  if (!navigator.mediaDevices) return "Browsers give pages a microphone only over HTTPS or on localhost. Open this page as http://localhost instead.";
  return WORDS[error?.name] ?? String(error?.message ?? error);
}
