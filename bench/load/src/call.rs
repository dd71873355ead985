//! One call: a WebRTC client and an RTP peer with the gateway between them.

use std::net::{Ipv4Addr, SocketAddrV4};

use boringsdp_core::address::Address;
use boringsdp_core::keys::{Keys, Profile};
use boringsdp_core::srtp::{SrtpReceiver, SrtpSender};
use boringsdp_core::stun::{self, attribute};

use crate::clock;
use crate::flow::{self, Arrival, Sink, Source, Stamp};
use crate::net::Sending;
use crate::plan::{from_hex, CallPlan};

pub struct Call {
    pub client: Ipv4Addr,
    pub peer: Ipv4Addr,
    pub webrtc: SocketAddrV4,
    pub rtp: SocketAddrV4,
    pub rtcp: SocketAddrV4,
    pub outward: Source,
    pub inward: Source,
    at_peer: Sink,
    at_client: Sink,
    crypto: Option<Crypto>,
    credentials: Credentials,
    /// The last packet that the client sent, for those who replay it.
    pub last: Vec<u8>,
}

struct Credentials {
    username: String,
    remote_password: String,
    password: String,
}

struct Crypto {
    sender: SrtpSender,
    receiver: SrtpReceiver,
}

/// What an arrived packet was.
pub enum Verdict {
    /// Its ordinal, how it came, and when it had been sent.
    Packet(u64, Arrival, Option<u64>),
    Bad,
}

impl Call {
    /// Errors are texts for whoever wrote the plan.
    pub fn new(number: u32, plan: &CallPlan) -> Result<Self, String> {
        let crypto = if plan.profile.is_empty() { None } else { Some(Crypto::new(plan)?) };
        Ok(Self {
            client: *plan.client.ip(),
            peer: *plan.peer.ip(),
            webrtc: plan.webrtc,
            rtp: plan.rtp,
            rtcp: plan.rtcp,
            outward: Source::new(number, plan.ssrc, plan.payload_type),
            inward: Source::new(number, plan.peer_ssrc, plan.payload_type),
            at_peer: Sink::new(),
            at_client: Sink::new(),
            crypto,
            credentials: Credentials {
                username: plan.username.clone(),
                remote_password: plan.remote_password.clone(),
                password: plan.password.clone(),
            },
            last: Vec::new(),
        })
    }

    /// The client's next packet.
    pub fn send_outward(&mut self, out: &mut Sending, payload: usize, ticks: u32, keep: bool) {
        let packet = out.buffer();
        self.outward.write(packet, payload, ticks);
        if let Some(crypto) = &mut self.crypto {
            // A packet that cannot be protected is not sent, and so counts as lost: that cannot be overlooked.
            if crypto.sender.protect(packet, 0).is_err() {
                return;
            }
        }
        if keep {
            self.last.clone_from(packet);
        }
        out.add(self.client, self.webrtc);
    }

    /// The peer's next packet.
    pub fn send_inward(&mut self, out: &mut Sending, payload: usize, ticks: u32) {
        self.inward.write(out.buffer(), payload, ticks);
        out.add(self.peer, self.rtp);
    }

    /// A check of the path, as a controlling agent sends it for consent (RFC 7675).
    pub fn send_check(&mut self, out: &mut Sending, transaction: u64) {
        if self.crypto.is_some() {
            self.write_check(out.buffer(), transaction, &self.credentials.remote_password);
            out.add(self.client, self.webrtc);
        }
    }

    /// Write a check signed with any password.
    pub fn write_check(&self, packet: &mut Vec<u8>, transaction: u64, password: &str) {
        const PRIORITY: [u8; 4] = 1_853_824_767u32.to_be_bytes();
        let attributes: [(u16, &[u8]); 4] = [
            (attribute::USERNAME, self.credentials.username.as_bytes()),
            (attribute::ICE_CONTROLLING, &u64::from(self.outward.ssrc).to_be_bytes()),
            (attribute::USE_CANDIDATE, &[]),
            (attribute::PRIORITY, &PRIORITY),
        ];
        let mut identity = [0; 12];
        identity[4..].copy_from_slice(&transaction.to_be_bytes());
        stun::write_stun(stun::Kind::Request, &identity, &attributes, Some(password.as_bytes()), true, packet);
    }

    /// Answer a check of a full agent, which would give the path up without; whether this was a genuine one.
    pub fn answer_check(&self, out: &mut Sending, data: &[u8], from: SocketAddrV4) -> bool {
        let password = self.credentials.password.as_bytes();
        let Ok(request) = stun::parse_stun(data) else { return false };
        if request.kind != stun::Kind::Request || !request.verify(password) {
            return false;
        }
        let mapped = stun::XorAddress::new(Address::v4(from.ip().octets(), from.port()), &request.transaction);
        let attributes: [(u16, &[u8]); 1] = [(attribute::XOR_MAPPED_ADDRESS, mapped.value())];
        stun::write_stun(stun::Kind::Success, &request.transaction, &attributes, Some(password), true, out.buffer());
        out.add(self.client, from);
        true
    }

    pub fn send_client_report(&mut self, out: &mut Sending) {
        let Some(crypto) = &mut self.crypto else { return };
        let packet = out.buffer();
        write_report(packet, &self.outward, &self.at_client);
        if crypto.sender.protect_rtcp(packet, 0).is_ok() {
            out.add(self.client, self.webrtc);
        }
    }

    pub fn send_peer_report(&mut self, out: &mut Sending) {
        if self.crypto.is_some() {
            write_report(out.buffer(), &self.inward, &self.at_peer);
            out.add(self.peer, self.rtcp);
        }
    }

    /// An RTP packet has come to the peer, in the clear.
    pub fn receive_at_peer(&mut self, packet: &[u8], payload: usize, whole: bool) -> Verdict {
        let Some((sequence, ssrc)) = flow::numbers(packet) else { return Verdict::Bad };
        if self.crypto.is_none() {
            return by_number(&mut self.at_peer, &self.outward, packet);
        }
        let stamp = flow::read_stamp(packet, payload, whole);
        take(&mut self.at_peer, stamp, &self.outward, sequence, ssrc)
    }

    /// An SRTP packet has come to the client. `whole`: authenticate and compare it; else only the numbers are looked at once they are known.
    pub fn receive_at_client(&mut self, packet: &mut [u8], payload: usize, whole: bool) -> Verdict {
        let Some((sequence, ssrc)) = flow::numbers(packet) else { return Verdict::Bad };
        let Some(crypto) = &mut self.crypto else { return by_number(&mut self.at_client, &self.inward, packet) };
        if !whole && ssrc == self.at_client.ssrc {
            if let Some(ordinal) = self.at_client.ordinal_of(sequence) {
                if let Some(sent_at) = self.inward.sent_at(ordinal) {
                    self.at_client.sequence = sequence;
                    return Verdict::Packet(ordinal, self.at_client.arrive(ordinal), Some(sent_at));
                }
            }
        }
        let stamp = crypto.receiver.unprotect(packet).ok().and_then(|length| flow::read_stamp(packet.get(..length)?, payload, whole));
        take(&mut self.at_client, stamp, &self.inward, sequence, ssrc)
    }

    /// Whether an SRTCP packet that has come to the client is genuine.
    pub fn receive_report(&mut self, packet: &mut [u8]) -> bool {
        self.crypto.as_mut().is_none_or(|crypto| crypto.receiver.unprotect_rtcp(packet).is_ok())
    }
}

impl Crypto {
    fn new(plan: &CallPlan) -> Result<Self, String> {
        let profile = Profile::by_name(&plan.profile).ok_or_else(|| format!("no profile {}", plan.profile))?;
        let keys = |key: &str, salt: &str| -> Result<Keys, String> {
            let octets = |text| from_hex(text).ok_or("a key is not hexadecimal");
            Ok(Keys { profile, key: octets(key)?, salt: octets(salt)?, mki: Vec::new() })
        };
        Ok(Self {
            sender: SrtpSender::new(keys(&plan.send_key, &plan.send_salt)?).map_err(|error| format!("{error:?}"))?,
            receiver: SrtpReceiver::new(keys(&plan.receive_key, &plan.receive_salt)?, &[]).map_err(|error| format!("{error:?}"))?,
        })
    }
}

fn take(sink: &mut Sink, stamp: Option<Stamp>, source: &Source, sequence: u16, ssrc: u32) -> Verdict {
    match stamp {
        Some(stamp) if stamp.call == source.call && stamp.ordinal < source.ordinal => {
            sink.offset = Some(sequence.wrapping_sub(stamp.ordinal as u16));
            (sink.sequence, sink.ssrc) = (sequence, ssrc);
            Verdict::Packet(stamp.ordinal, sink.arrive(stamp.ordinal), Some(stamp.sent_at))
        }
        _ => Verdict::Bad,
    }
}

/// Without a gateway, and so without keys: the payload tells.
fn by_number(sink: &mut Sink, source: &Source, packet: &[u8]) -> Verdict {
    let Some((sequence, ssrc)) = flow::numbers(packet) else { return Verdict::Bad };
    take(sink, flow::read_stamp(packet, packet.len() - 12, false), source, sequence, ssrc)
}

/// A sender report with a report block, and SDES with a CNAME (RFC 3550 §6).
fn write_report(packet: &mut Vec<u8>, source: &Source, sink: &Sink) {
    let blocks = u8::from(sink.ssrc != 0);
    packet.extend_from_slice(&[0x80 | blocks, 200, 0, 6 + 6 * blocks]);
    packet.extend_from_slice(&source.ssrc.to_be_bytes());
    packet.extend_from_slice(&clock::ntp_time().to_be_bytes());
    packet.extend_from_slice(&(source.ordinal as u32).wrapping_mul(160).to_be_bytes());
    packet.extend_from_slice(&(source.ordinal as u32).to_be_bytes());
    packet.extend_from_slice(&(source.ordinal as u32).wrapping_mul(160).to_be_bytes());
    if blocks > 0 {
        packet.extend_from_slice(&sink.ssrc.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(&u32::from(sink.sequence).to_be_bytes());
        packet.extend_from_slice(&[0; 12]);
    }
    packet.extend_from_slice(&[0x81, 202, 0, 3]);
    packet.extend_from_slice(&source.ssrc.to_be_bytes());
    packet.extend_from_slice(b"\x01\x04load\x00\x00");
}
