//! STUN: raw octets, and messages that are whole but for what they say.
#![no_main]

use arbitrary::Arbitrary;
use boringsdp_core::address::Address;
use boringsdp_core::lite::{write_error, LiteResponder};
use boringsdp_core::stun::{parse_stun, write_stun, Kind, Message};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Written { kind: u8, attributes: Vec<(u16, &'a [u8])>, user: Option<bool>, signed: bool, fingerprint: bool, broken: Option<(u16, u8)> },
}

const PASSWORD: &str = "password-of-22-letters";

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Raw(data) => judge(data),
        Input::Written { kind, mut attributes, user, signed, fingerprint, broken } => {
            if let Some(known) = user {
                attributes.insert(0, (6, if known { b"ufrag:peer" } else { b"later:peer" }));
            }
            attributes.iter_mut().for_each(|(_, value)| *value = &value[..value.len().min(1300)]);
            let kind = [Kind::Request, Kind::Indication, Kind::Success, Kind::Error][usize::from(kind & 3)];
            let mut data = Vec::new();
            write_stun(kind, b"0123456789ab", &attributes, signed.then_some(PASSWORD.as_bytes()), fingerprint, &mut data);
            if let Some((at, octet)) = broken {
                let at = usize::from(at) % data.len();
                data[at] ^= octet;
            }
            judge(&data);
        }
    }
});

fn judge(data: &[u8]) {
    let Ok(message) = parse_stun(data) else { return };
    for kind in [6, 0x20, 0x25, 0x802A] {
        assert_eq!(message.has(kind), message.attribute(kind).is_some());
    }
    let mut responder = LiteResponder::new("ufrag", PASSWORD);
    responder.restart("later", PASSWORD);
    let checked = answer(&mut responder, &message);
    assert!(!checked || message.verify(PASSWORD.as_bytes()));
    assert!(!message.verify(b"another"));
    let mut refusal = Vec::new();
    write_error(&message, 400, None, &[], &mut refusal);
    assert!(parse_stun(&refusal).is_ok_and(|answer| answer.kind == Kind::Error));
}

/// Whether the request was valid. The answer can be read, and is signed when the request was.
fn answer(responder: &mut LiteResponder, message: &Message<'_>) -> bool {
    let mut reply = Vec::new();
    let checked = responder.receive(message, Address::v4([192, 0, 2, 1], 4000), &mut reply);
    let answer = parse_stun(&reply).expect("what we write");
    assert_eq!(answer.transaction, message.transaction);
    assert!(!checked.valid || (answer.kind == Kind::Success && answer.verify(PASSWORD.as_bytes())));
    checked.valid
}
