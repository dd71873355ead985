//! RTP headers, payload bounds and header extensions: whatever comes, what is found lies inside, and what is written is read again.
#![no_main]

use boringsdp_core::level::level_of_g711;
use boringsdp_core::reception::Reception;
use boringsdp_core::rtp::{extension, extensions, measure, write_extensions, Header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((begin, end)) = measure(data) {
        level_of_g711(data[1] & 0x7F, &data[begin..end]);
    }
    let found: Vec<(u8, &[u8])> = extensions(data).collect();
    assert!(found.len() <= 32);
    for &(id, value) in &found {
        assert_eq!(extension(data, id), Some(value));
    }
    // ids that the one-byte form reads but never writes
    let writable: Vec<(u8, &[u8])> = found.iter().copied().filter(|&(id, _)| id != 0).collect();
    let mut packet = vec![0x90; 12];
    write_extensions(writable.iter().copied(), &mut packet);
    packet[0] = if writable.is_empty() { 0x80 } else { 0x90 };
    assert_eq!(extensions(&packet).collect::<Vec<_>>(), writable);
    let Some(header) = Header::parse(data) else { return };
    assert_eq!(header.octets(), data[..12]);
    receive(&header, data);
});

/// The rest of the data as sequence numbers and times of further packets.
fn receive(header: &Header, data: &[u8]) {
    let mut reception = Reception::new(header.sequence, header.timestamp, 1.0, 8000, header.first & 1 != 0);
    let mut before = reception.highest;
    for (index, chunk) in data[12..].chunks_exact(6).enumerate() {
        let sequence = u16::from_be_bytes([chunk[0], chunk[1]]);
        let timestamp = u32::from_be_bytes([chunk[2], chunk[3], chunk[4], chunk[5]]);
        reception.receive(sequence, timestamp, 1.0 + index as f64 * 0.02);
        assert!(reception.lost() >= 0 && reception.highest >= before && reception.jitter >= 0.0);
        before = reception.highest;
    }
}
