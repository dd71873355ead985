// Mode "kamailio": SIP over WebSocket to Kamailio; it has BoringSDP change the descriptions, so the browser does nothing special.

export function kamailio(settings) {
  return { ...settings.server("kamailio"), prepare: null };
}
