// Mode "straight": SIP over WebSocket to BoringSDP itself, which is the registrar or passes on to the PBX.

export function straight(settings) {
  return { ...settings.server("straight"), prepare: null };
}
