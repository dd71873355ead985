//! IP and UDP headers written by ourselves, to send from any port.

use boringsdp_core::address::Address;

/// Write the headers before a datagram: `room` is `HEADROOM` free octets and the payload. Where in it the packet begins.
///
/// `None`: the families differ. The packet is sent with `sendmmsg` on a raw socket to the host of `to`, port 0.
pub fn write_headers(_room: &mut [u8], _from: Address, _to: Address, _tos: u8) -> Option<usize> {
    None
}
