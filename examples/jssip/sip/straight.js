// Mode "straight": SIP over WebSocket to BoringSDP itself, which is the registrar or passes on to the PBX.
// It waits for browsers whose connection is lost (`lasting`).

export function straight(settings) {
  return { ...settings.server("straight"), prepare: null, lasting: true };
}
