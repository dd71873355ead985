//! What the harness asks for, one JSON object a line.

use std::net::SocketAddrV4;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Command {
    /// These calls stand: shaken hands, addresses known.
    Add { calls: Vec<CallPlan> },
    /// Forget all calls.
    Clear,
    /// Send and receive; answered by one line with the result.
    Run(RunPlan),
}

#[derive(Deserialize)]
pub struct CallPlan {
    /// Where the client and the peer are: loopback addresses that differ from call to call, ports that do not.
    pub client: SocketAddrV4,
    pub peer: SocketAddrV4,
    /// Where the gateway hears the client, and the peer's RTP and RTCP.
    pub webrtc: SocketAddrV4,
    pub rtp: SocketAddrV4,
    pub rtcp: SocketAddrV4,
    pub ssrc: u32,
    pub peer_ssrc: u32,
    pub payload_type: u8,
    /// SDES suite name; empty when there is no gateway and nothing is encrypted.
    pub profile: String,
    pub send_key: String,
    pub send_salt: String,
    pub receive_key: String,
    pub receive_salt: String,
    /// With these the client checks the path every few seconds.
    pub username: String,
    pub remote_password: String,
    /// With this it answers the checks of a full agent on the other side.
    pub password: String,
}

#[derive(Deserialize)]
#[serde(default)]
pub struct RunPlan {
    pub seconds: f64,
    pub warm_s: f64,
    /// Packets a second of each flow, two flows a call.
    pub pps: f64,
    /// Octets.
    pub payload: usize,
    /// Every how-manieth call is checked wholly.
    pub check: usize,
    pub tick_us: f64,
    /// Of the gateway whose CPU time is taken.
    pub pid: i32,
    /// Sleep between ticks instead of waiting busily.
    pub sleep: bool,
    /// Hostile datagrams a second beside the calls.
    pub flood: f64,
    /// Of these kinds, in turn.
    pub flood_kinds: Vec<Hostile>,
    /// A ClientHello, hexadecimal.
    pub hello: String,
}

/// Datagrams that a gateway must survive.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hostile {
    /// Any octets from strangers, to the WebRTC port and to RTP ports.
    Random,
    /// A check of a call signed with a wrong password, from strangers.
    Stun,
    /// A ClientHello from strangers.
    Hello,
    /// A call's own packet once more, from the call's own address.
    Replay,
    /// A call's own packet with other octets in it, from the call's own address.
    Forged,
    /// SRTCP made up, from the call's own address.
    ForgedRtcp,
}

impl Default for RunPlan {
    fn default() -> Self {
        Self {
            seconds: 4.0,
            warm_s: 1.0,
            pps: 50.0,
            payload: 160,
            check: 61,
            tick_us: 50.0,
            pid: 0,
            sleep: false,
            flood: 0.0,
            flood_kinds: Vec::new(),
            hello: String::new(),
        }
    }
}

/// The octets of a hexadecimal text; `None` when it is none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    text.len().is_multiple_of(2).then_some(())?;
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
