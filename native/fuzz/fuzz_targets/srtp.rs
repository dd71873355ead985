//! SRTP and SRTCP: raw packets under any profile, and packets of a sender that lose an octet or two on the way.
#![no_main]

use arbitrary::Arbitrary;
use boringsdp_core::keys::{Keys, Profile};
use boringsdp_core::srtp::{SrtpReceiver, SrtpSender};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    profile: u8,
    mki: [u8; 3],
    mki_length: u8,
    steps: Vec<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    /// Comes as it is.
    Raw {
        data: &'a [u8],
        rtcp: bool,
    },
    /// Is protected, and comes with these octets changed, `copies` times.
    Sent {
        data: &'a [u8],
        rtcp: bool,
        broken: Option<(u16, u8)>,
        copies: u8,
    },
    Rekey {
        key: u8,
        sender: bool,
        receiver: bool,
        kept: Option<(u32, u32)>,
    },
    Tick(u8),
}

struct Pair {
    profile: Profile,
    mki: Vec<u8>,
    sender: SrtpSender,
    receiver: SrtpReceiver,
    now: f64,
    /// The keys that the receiver has had. When some come again what was taken under them before is not remembered here: the plane does.
    had: Vec<u8>,
}

fuzz_target!(|input: Input<'_>| {
    let profile = Profile::ALL[usize::from(input.profile & 3)];
    let mki = input.mki[..usize::from(input.mki_length & 3)].to_vec();
    let sender = SrtpSender::new(keys(profile, &mki, 0)).expect("keys that fit");
    let receiver = SrtpReceiver::new(keys(profile, &mki, 0), &[]).expect("keys that fit");
    let mut pair = Pair { profile, mki, sender, receiver, now: 0.0, had: vec![0] };
    for step in &input.steps {
        pair.perform(step);
    }
});

fn keys(profile: Profile, mki: &[u8], key: u8) -> Keys {
    Keys { profile, key: vec![key; profile.key_length()], salt: vec![7; profile.salt_length()], mki: mki.to_vec() }
}

impl Pair {
    fn perform(&mut self, step: &Step<'_>) {
        match *step {
            Step::Raw { data, rtcp } => {
                self.receive(data, rtcp);
            }
            Step::Sent { data, rtcp, broken, copies } => {
                let mut packet = vec![1, 2, 3];
                packet.extend_from_slice(data);
                let sent = if rtcp { self.sender.protect_rtcp(&mut packet, 3) } else { self.sender.protect(&mut packet, 3) };
                if sent.is_err() {
                    assert_eq!(packet[3..], *data);
                    return;
                }
                let mut packet = packet.split_off(3);
                assert!(packet.len() > data.len());
                if let Some((at, octet)) = broken {
                    let at = usize::from(at) % packet.len();
                    packet[at] ^= octet;
                }
                let first = self.receive(&packet, rtcp);
                assert!(first.is_none_or(|plain| broken.is_some() || plain == data));
                for _ in 0..copies & 3 {
                    assert_eq!(self.receive(&packet, rtcp), None, "taken twice");
                }
            }
            Step::Rekey { key, sender, receiver, kept } => self.rekey(key, sender, receiver, kept),
            Step::Tick(seconds) => {
                self.now += f64::from(seconds);
                self.receiver.tick(self.now);
            }
        }
    }

    /// The plain packet. One that is refused is as it was.
    fn receive(&mut self, data: &[u8], rtcp: bool) -> Option<Vec<u8>> {
        let mut packet = data.to_vec();
        let taken = if rtcp { self.receiver.unprotect_rtcp(&mut packet) } else { self.receiver.unprotect(&mut packet) };
        match taken {
            Ok(length) => {
                assert!(length < data.len());
                packet.truncate(length);
                Some(packet)
            }
            Err(_) => {
                assert_eq!(packet, data);
                None
            }
        }
    }

    fn rekey(&mut self, key: u8, sender: bool, receiver: bool, kept: Option<(u32, u32)>) {
        let keys = keys(self.profile, &self.mki, key);
        let indices: Vec<(u32, i64)> = kept.iter().map(|&(ssrc, index)| (ssrc, i64::from(index))).collect();
        if sender {
            let _ = self.sender.rekey(keys.clone(), &indices);
        }
        if receiver && !self.had.contains(&key) {
            self.had.push(key);
            self.receiver.rekey(keys, &indices, self.now).expect("keys that fit");
        }
    }
}
