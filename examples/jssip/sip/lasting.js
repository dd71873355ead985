// A lost WebSocket ends no call that still rings.
//
// JsSIP gives up at once what waits for an answer. The gateway waits for a browser to come back, and goes on by its new connection: so the
// INVITEs are hidden from JsSIP's clearing up. The names with an underscore are JsSIP's own; without them it clears up as it always did.

export function keepInvites(ua) {
  const transport = ua._transport;
  const lost = transport?.ondisconnect;
  if (!lost || !ua._transactions) return;
  transport.ondisconnect = (data) => {
    const { ict, ist } = ua._transactions; // INVITEs that we sent, and those that came
    const closing = transport.close_requested;
    if (!closing) Object.assign(ua._transactions, { ict: {}, ist: {} });
    try {
      lost(data);
    } finally {
      if (!closing) Object.assign(ua._transactions, { ict, ist });
    }
  };
}
