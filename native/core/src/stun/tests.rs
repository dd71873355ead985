use std::net::{IpAddr, Ipv4Addr};

use super::*;

/// RFC 5769 §2.1: sample request, password VOkJxbRl1RmTxUk/WvJxBt
const REQUEST: &str =
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36\
    000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 §2.2 and §2.3: sample IPv4 and IPv6 responses
const IPV4: &str =
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c3\
    8c7489f92af9ba53f06be7d780280004c07d4c96";
const IPV6: &str =
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9\
    00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn written(attributes: &[(u16, &[u8])], password: Option<&[u8]>, fingerprint: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write_stun(Kind::Request, b"tttttttttttt", attributes, password, fingerprint, &mut out);
    out
}

#[test]
fn reads_the_sample_request_of_rfc_5769() {
    let data = octets(REQUEST);
    let message = parse_stun(&data).unwrap();
    assert_eq!((message.kind, message.method, message.ufrag().as_deref()), (Kind::Request, 1, Some("evtj")));
    assert!(message.verify(PASSWORD) && !message.verify(b"wrong"));
    assert!(message.has_fingerprint() && message.has(at::ICE_CONTROLLED));
    assert_eq!(message.attribute(at::PRIORITY), Some(&[0x6E, 0, 1, 0xFF][..]));
    assert!(message.unknown_required().is_empty());
}

#[test]
fn reads_the_sample_responses_of_rfc_5769() {
    for (sample, address) in [(IPV4, "192.0.2.1"), (IPV6, "2001:db8:1234:5678:11:2233:4455:6677")] {
        let data = octets(sample);
        let message = parse_stun(&data).unwrap();
        assert!(message.verify(PASSWORD) && message.kind == Kind::Success);
        let address = Address::new(address.parse::<IpAddr>().unwrap(), 32853);
        assert_eq!(message.attribute(at::XOR_MAPPED_ADDRESS), Some(XorAddress::new(address, &message.transaction).value()));
    }
}

#[test]
fn ipv4_mapped_addresses_go_out_as_ipv4() {
    let mapped = Address::new(IpAddr::V6(Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped()), 5);
    assert_eq!(XorAddress::new(mapped, b"xxxxxxxxxxxx").value().len(), 8);
}

#[test]
fn what_comes_after_integrity_is_ignored() {
    let mut data = written(&[(at::USERNAME, b"a:b")], Some(b"p"), false);
    data.extend_from_slice(&[0, 0x25, 0, 0]);
    data[3] += 4;
    let message = parse_stun(&data).unwrap();
    assert!(!message.use_candidate() && message.verify(b"p"));
}

#[test]
fn the_first_of_a_repeated_attribute_counts() {
    let data = written(&[(at::USERNAME, b"a:b"), (at::USERNAME, b"c:d")], None, true);
    assert_eq!(parse_stun(&data).unwrap().ufrag().as_deref(), Some("a"));
}

#[test]
fn a_broken_name_is_read_as_python_reads_it() {
    let data = written(&[(at::USERNAME, b"u\xff\xe2\x82:x")], None, true);
    assert_eq!(parse_stun(&data).unwrap().ufrag().as_deref(), Some("u\u{FFFD}\u{FFFD}"));
}

#[test]
fn names_what_nobody_understands() {
    let data = written(&[(0x7001, b""), (0x0003, b"abc"), (0x7001, b"x"), (0x8001, b""), (at::REALM, b"")], Some(b"p"), true);
    assert_eq!(parse_stun(&data).unwrap().unknown_required(), [0x7001, 3]);
}

#[test]
fn refuses_what_is_not_stun() {
    let sample = octets(REQUEST);
    let changed = |at: usize, value: u8| {
        let mut data = sample.clone();
        data[at] = value;
        data
    };
    let many = [(0x8000, &b""[..]); 65];
    let cases = [
        Vec::new(),
        sample[..19].to_vec(),
        sample[..sample.len() - 4].to_vec(),
        [&sample[..], &[0; 4]].concat(),
        changed(0, 0xFF),
        changed(4, 0),
        changed(sample.len() - 1, 0),
        changed(22, 0xFF),
        written(&[(at::MESSAGE_INTEGRITY, b"short")], None, false),
        written(&[(at::FINGERPRINT, b"")], None, false),
        written(&many, None, false),
        written(&[(0x8000, &[0; 1280])], None, false),
    ];
    for (number, data) in cases.iter().enumerate() {
        assert!(parse_stun(data).is_err(), "{number}");
    }
    assert!(parse_stun(&written(&many[1..], None, false)).is_ok());
}

#[test]
fn verifies_what_it_writes() {
    for (attributes, fingerprint) in [(&[][..], false), (&[(0x8101, &b"abcde"[..])][..], true)] {
        let data = written(attributes, Some(b"secret"), fingerprint);
        let message = parse_stun(&data).unwrap();
        assert!(message.verify(b"secret") && !message.verify(b""));
        assert_eq!(message.has_fingerprint(), fingerprint);
        assert_eq!(message.attribute(0x8101), attributes.first().map(|&(_, value)| value));
    }
    assert!(!parse_stun(&written(&[], None, true)).unwrap().verify(b""));
}
