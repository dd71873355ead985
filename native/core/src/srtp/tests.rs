use super::kdf::{derive, Label};
use super::transform::{Transform, ENCRYPTED};
use super::{ctr, SrtpReceiver, SrtpSender, MAX_PROTECT};
use crate::drops::Reason;
use crate::error::CommandError;
use crate::keys::{Keys, Profile};
use aes::cipher::KeyInit;
use aes::Aes128Enc;

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter(|digit| !digit.is_ascii_whitespace()).map(|digit| (digit as char).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn keys(profile: Profile, seed: u8) -> Keys {
    let some = |length: usize, from: u8| (0..length as u8).map(|at| from.wrapping_mul(31).wrapping_add(at)).collect();
    Keys { profile, key: some(profile.key_length(), seed), salt: some(profile.salt_length(), seed + 100), mki: Vec::new() }
}

fn rtp(sequence: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 0, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 0, 0, 0, 0, 5];
    packet.extend((0..payload).map(|at| at as u8));
    packet
}

/// A pair keyed alike.
fn pair(profile: Profile) -> (SrtpSender, SrtpReceiver) {
    (SrtpSender::new(keys(profile, 1)).unwrap(), SrtpReceiver::new(keys(profile, 1), &[]).unwrap())
}

fn protected(sender: &mut SrtpSender, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(sequence, 160);
    sender.protect(&mut packet, 0).unwrap();
    packet
}

/// RFC 3711 appendix B.2.
#[test]
fn aes_counter_mode_key_stream() {
    let aes = Aes128Enc::new_from_slice(&octets("2b7e151628aed2a6abf7158809cf4f3c")).unwrap();
    let start = u128::from_be_bytes(octets("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap());
    let mut stream = vec![0; 16 * 0xff02];
    ctr::apply(&aes, start, &mut stream);
    let begin = "e03ead0935c95e80e166b16dd92b4eb4 d23513162b02d0f72a43a2fe4a5f97ab 41e95b3bb0a2e8dd477901e4fca894c0";
    assert_eq!(stream[..48], octets(begin));
    let end = "ec8cdf7398607cb0f2d21675ea9ea1e4 362b7c3c6773516318a077d7fc5073ae 6a2cc3787889374fbeb4c81b17ba6c44";
    assert_eq!(stream[16 * 0xfeff..][..48], octets(end));
}

/// RFC 3711 appendix B.3.
#[test]
fn key_derivation() {
    let master = Keys {
        profile: Profile::Aes128CmSha1_80,
        key: octets("e1f97a0d3e018be0d64fa32c06de4139"),
        salt: octets("0ec675ad498afeebb6960b3aabe6"),
        mki: Vec::new(),
    };
    assert_eq!(derive::<16>(&master, Label::Encryption, false).to_vec(), octets("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(derive::<14>(&master, Label::Salt, false).to_vec(), octets("30cbbc08863d8c85d49db34a9ae1"));
    let authentication = "cebe321f6ff7716b6fd4ab49af256a156d38baa4";
    assert_eq!(derive::<20>(&master, Label::Authentication, false).to_vec(), octets(authentication));
}

const QUID_PRO_QUO: &str = "517569642070726f2071756f";
const GALLIA: &str = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const REPORT: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const INDEX: u32 = 0x5d4;

fn session_keys(profile: Profile) -> Transform {
    let key: Vec<u8> = (0..profile.key_length() as u8).collect();
    Transform::aead(profile, &key, &octets(QUID_PRO_QUO))
}

/// RFC 7714 §16.1.1 and §16.2.1.
#[test]
fn gcm_of_rtp() {
    let vectors = [
        (
            Profile::AeadAes128Gcm,
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833",
            "899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            Profile::AeadAes256Gcm,
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b",
            "7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ];
    for (profile, encrypted, tag) in vectors {
        let (transform, mut packet) = (session_keys(profile), octets(GALLIA));
        assert_eq!(transform.seal(0x5501a0b2, 0xf17b, &mut packet, 12).to_vec(), octets(tag));
        assert_eq!(packet[12..], octets(encrypted));
        assert!(transform.open(0x5501a0b2, 0xf17b, &mut packet, 12, &octets(tag)));
        assert_eq!(packet, octets(GALLIA));
    }
}

/// RFC 7714 §17.1 to §17.3.
#[test]
fn gcm_of_rtcp() {
    let vectors = [
        (
            Profile::AeadAes128Gcm,
            "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b",
            "c84aa45896cf4d2fc5abf87245d9eade",
        ),
        (
            Profile::AeadAes256Gcm,
            "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad",
            "1d1eb30c4446839f57ff6f6cb26ac3be",
        ),
    ];
    for (profile, encrypted, tag) in vectors {
        let (transform, mut packet) = (session_keys(profile), octets(REPORT));
        transform.crypt(0x4d617273, INDEX.into(), &mut packet[8..]);
        assert_eq!(packet[8..], octets(encrypted));
        assert_eq!(transform.rtcp_tag(0x4d617273, ENCRYPTED | INDEX, &packet).to_vec(), octets(tag));
    }
    let clear = session_keys(Profile::AeadAes128Gcm).rtcp_tag(0x4d617273, INDEX, &octets(REPORT));
    assert_eq!(clear.to_vec(), octets("841dd9683dd78ec92ae58790125f62b3"));
}

#[test]
fn protects_behind_what_the_buffer_holds() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        for length in [0, 1, 15, 16, 17, 20, 51, 52, 160, 176, 200, MAX_PROTECT - 12] {
            let mut buffer = vec![7; 48];
            buffer.extend(rtp(length as u16, length));
            sender.protect(&mut buffer, 48).unwrap();
            assert_eq!(buffer[..48], [7; 48]);
            let end = receiver.unprotect(&mut buffer[48..]).unwrap();
            assert_eq!(buffer[48..48 + end], rtp(length as u16, length));
        }
        let mut buffer = rtp(9000, MAX_PROTECT - 11);
        assert_eq!(sender.protect(&mut buffer, 0), Err(Reason::TooLong));
        assert_eq!(sender.protect(&mut buffer, 5000), Err(Reason::Malformed));
    }
}

#[test]
fn a_refused_packet_is_as_it_was() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        let good = protected(&mut sender, 1);
        for at in 0..good.len() {
            let mut packet = good.clone();
            packet[at] ^= 1;
            let changed = packet.clone();
            assert!(receiver.unprotect(&mut packet).is_err());
            assert_eq!(packet, changed);
        }
        assert_eq!(receiver.unprotect(&mut good.clone()), Ok(172));
        assert_eq!(receiver.unprotect(&mut good.clone()), Err(Reason::Replayed));
        let mut again = rtp(1, 160);
        assert_eq!(sender.protect(&mut again, 0), Err(Reason::Replayed));
        assert_eq!(again, rtp(1, 160));
    }
}

#[test]
fn many_ssrcs_each_stand_somewhere_else() {
    let (mut sender, mut receiver) = pair(Profile::AeadAes128Gcm);
    for sequence in [65535, 0, 1] {
        for ssrc in 0..9 {
            let mut packet = rtp(sequence, 20);
            packet[11] = ssrc;
            sender.protect(&mut packet, 0).unwrap();
            receiver.touch();
            sender.touch();
            assert_eq!(receiver.unprotect(&mut packet.clone()), Ok(32));
            assert_eq!(receiver.unprotect(&mut packet), Err(Reason::Replayed));
        }
    }
}

#[test]
fn new_keys_with_the_rollover_counter_kept_or_begun_again() {
    for kept in [true, false] {
        let (mut sender, mut receiver) = pair(Profile::Aes128CmSha1_80);
        let old = protected(&mut sender, 7);
        let place = [(5, 0x1_0007)];
        receiver.rekey(keys(Profile::AeadAes128Gcm, 2), &place, 0.0).unwrap();
        sender.rekey(keys(Profile::AeadAes128Gcm, 2), if kept { &place } else { &[] }).unwrap();
        assert_eq!(receiver.unprotect(&mut protected(&mut sender, 8)), Ok(172));
        assert_eq!(receiver.unprotect(&mut protected(&mut sender, 9)), Ok(172));
        receiver.tick(9.9);
        assert_eq!(receiver.unprotect(&mut old.clone()), Ok(172));
        receiver.tick(10.0);
        // with the counter kept, packet 7 counts as received
        let reason = if kept { Reason::Replayed } else { Reason::Unverified };
        assert_eq!(receiver.unprotect(&mut old.clone()), Err(reason));
        assert_eq!(receiver.keys(), &keys(Profile::AeadAes128Gcm, 2));
    }
}

#[test]
fn nothing_is_taken_twice_while_the_rollover_counter_is_in_doubt() {
    for profile in Profile::ALL {
        let (mut sender, mut receiver) = pair(profile);
        sender.rekey(keys(profile, 2), &[(5, 0x3_0007)]).unwrap();
        receiver.rekey(keys(profile, 2), &[(5, 0x3_0007)], 100.0).unwrap();
        let mut report = octets("80c90001 00000005");
        sender.protect_rtcp(&mut report, 0).unwrap();
        assert_eq!(receiver.unprotect_rtcp(&mut report.clone()), Ok(8));
        assert_eq!(receiver.unprotect_rtcp(&mut report.clone()), Err(Reason::Replayed));
        let mut other = rtp(1, 160);
        other[11] = 6;
        sender.protect(&mut other, 0).unwrap();
        assert!(receiver.unprotect(&mut other.clone()).is_ok());
        assert_eq!(receiver.unprotect(&mut other), Err(Reason::Replayed));
        assert!(receiver.unprotect(&mut protected(&mut sender, 8)).is_ok());
        assert_eq!(receiver.unprotect_rtcp(&mut report.clone()), Err(Reason::Replayed));
    }
}

#[test]
fn nor_when_keys_change_again_before_the_doubt_is_over() {
    let profile = Profile::Aes128CmSha1_80;
    let (mut sender, mut receiver) = pair(profile);
    let place = [(5, 0x3_0007)];
    sender.rekey(keys(profile, 2), &place).unwrap();
    receiver.rekey(keys(profile, 2), &place, 0.0).unwrap();
    let mut reports = [octets("80c90001 00000005"), octets("80c90001 00000005")];
    reports.iter_mut().for_each(|report| sender.protect_rtcp(report, 0).unwrap());
    assert_eq!(receiver.unprotect_rtcp(&mut reports[0].clone()), Ok(8));
    receiver.rekey(keys(profile, 3), &place, 1.0).unwrap();
    assert_eq!(receiver.unprotect_rtcp(&mut reports[0].clone()), Err(Reason::Unverified));
    assert_eq!(receiver.unprotect_rtcp(&mut reports[1].clone()), Ok(8));
    assert_eq!(receiver.unprotect_rtcp(&mut reports[1].clone()), Err(Reason::Unverified));
    // of the two sessions that took these keys the one in doubt is forgotten, the other in time
    assert!(receiver.unprotect(&mut protected(&mut sender, 8)).is_err());
    receiver.tick(11.0);
    assert_eq!(receiver.unprotect_rtcp(&mut reports[1]), Err(Reason::Unverified));
    assert_eq!(receiver.keys(), &keys(profile, 3));
}

#[test]
fn a_session_in_doubt_ends_with_the_next_keys() {
    for profile in Profile::ALL {
        let (_, mut receiver) = pair(profile);
        receiver.rekey(keys(profile, 2), &[(9, 0x3_0007)], 100.0).unwrap();
        let old = protected(&mut SrtpSender::new(keys(profile, 2)).unwrap(), 1);
        assert!(receiver.unprotect(&mut old.clone()).is_ok());
        receiver.rekey(keys(profile, 3), &[(9, 0x3_0007)], 200.0).unwrap();
        assert!(receiver.unprotect(&mut old.clone()).is_err());
        assert_eq!(receiver.keys(), &keys(profile, 3));
        assert!(receiver.unprotect(&mut protected(&mut SrtpSender::new(keys(profile, 3)).unwrap(), 2)).is_ok());
    }
}

#[test]
fn keys_that_were_forgotten_are_not_used_again() {
    let (mut sender, _) = pair(Profile::Aes128CmSha1_80);
    for seed in [2, 3, 1, 4, 5] {
        sender.rekey(keys(Profile::Aes128CmSha1_80, seed), &[]).unwrap();
    }
    sender.rekey(keys(Profile::Aes128CmSha1_80, 6), &[]).unwrap();
    let refused = sender.rekey(keys(Profile::Aes128CmSha1_80, 2), &[]);
    assert_eq!(refused, Err(CommandError::Value("keys were used before".to_owned())));
    assert_eq!(sender.keys(), &keys(Profile::Aes128CmSha1_80, 6));
    sender.rekey(keys(Profile::Aes128CmSha1_80, 3), &[]).unwrap();
}

#[test]
fn keys_must_fit_and_are_not_shown() {
    let mut short = keys(Profile::AeadAes256Gcm, 1);
    short.key.pop();
    let wanted = CommandError::Value("AEAD_AES_256_GCM takes 32 + 12 bytes".to_owned());
    assert_eq!(SrtpSender::new(short.clone()).err(), Some(wanted.clone()));
    assert_eq!(SrtpReceiver::new(short, &[]).err(), Some(wanted));
    let (sender, receiver) = pair(Profile::AeadAes256Gcm);
    assert_eq!(format!("{sender:?} {receiver:?}"), "SrtpSender(Keys(AEAD_AES_256_GCM)) SrtpReceiver(Keys(AEAD_AES_256_GCM))");
}

/// Octets without structure, and packets cut or changed at random: refused or not, nothing panics.
#[test]
fn survives_any_packet() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for profile in Profile::ALL {
        let mut with_mki = keys(profile, 1);
        with_mki.mki = vec![1, 2];
        let (mut sender, mut receiver) = (SrtpSender::new(with_mki.clone()).unwrap(), SrtpReceiver::new(with_mki, &[]).unwrap());
        receiver.rekey(keys(profile, 2), &[(5, 0x2_0000)], 0.0).unwrap();
        for _ in 0..25_000 {
            let mut packet: Vec<u8> = (0..random(80)).map(|_| random(256) as u8).collect();
            if random(2) == 0 {
                packet.splice(..packet.len().min(12), rtp(random(65536) as u16, 0));
            }
            let _ = if random(2) == 0 { sender.protect(&mut packet, 0) } else { sender.protect_rtcp(&mut packet, 0) };
            for _ in 0..random(3) {
                let at = random(packet.len() + 1);
                match packet.get_mut(at) {
                    Some(octet) => *octet = random(256) as u8,
                    None => packet.truncate(random(at + 1)),
                }
            }
            let _ = receiver.unprotect(&mut packet.clone());
            let _ = receiver.unprotect_rtcp(&mut packet);
        }
    }
}
