//! Audio level of a packet in dBov, 0 (loudest) to -127 (silence): from the RFC 6464 extension, or measured on G.711 (RFC 6465 §5).

const PCMU: u8 = 0;
const PCMA: u8 = 8;
const SILENCE: i32 = -127;

static ULAW_SQUARES: [u32; 256] = squares(PCMU);
static ALAW_SQUARES: [u32; 256] = squares(PCMA);

const fn ulaw(code: u8) -> i32 {
    let code = !code as i32;
    let magnitude = ((((code & 0x0F) << 3) + 0x84) << (code >> 4 & 7)) - 0x84;
    if code & 0x80 != 0 {
        -magnitude
    } else {
        magnitude
    }
}

const fn alaw(code: u8) -> i32 {
    let code = code as i32 ^ 0x55;
    let (exponent, mantissa) = (code >> 4 & 7, code & 0x0F);
    let magnitude = if exponent == 0 { mantissa * 16 + 8 } else { (mantissa * 16 + 0x108) << (exponent - 1) };
    if code & 0x80 != 0 {
        magnitude
    } else {
        -magnitude
    }
}

const fn squares(payload_type: u8) -> [u32; 256] {
    let mut squares = [0; 256];
    let mut code = 0;
    while code < 256 {
        let sample = if payload_type == PCMU { ulaw(code as u8) } else { alaw(code as u8) };
        squares[code] = (sample * sample) as u32;
        code += 1;
    }
    squares
}

/// The level in an audio level extension element (RFC 6464 §3); None when it is empty.
pub fn level_from_extension(value: &[u8]) -> Option<i32> {
    value.first().map(|octet| -i32::from(octet & 0x7F))
}

/// The level of one G.711 packet by its static payload type; None for other codecs or no payload.
pub fn level_of_g711(payload_type: u8, payload: &[u8]) -> Option<i32> {
    let squares = match payload_type {
        PCMU => &ULAW_SQUARES,
        PCMA => &ALAW_SQUARES,
        _ => return None,
    };
    if payload.is_empty() {
        return None;
    }
    let sum: u64 = payload.iter().map(|&code| u64::from(squares[usize::from(code)])).sum();
    let mean = sum as f64 / payload.len() as f64;
    if mean < 1.0 {
        return Some(SILENCE);
    }
    let level = (10.0 * (mean / 1_073_741_824.0).log10()).round_ties_even();
    Some((level as i32).clamp(SILENCE, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(decode: fn(u8) -> i32, amplitude: f64) -> Vec<u8> {
        let wanted = (0..160).map(|index| amplitude * 32767.0 * (f64::from(index) * std::f64::consts::TAU / 8.0).sin());
        let distance = |code: u8, value: f64| (f64::from(decode(code)) - value).abs();
        wanted.map(|value| (0..=255).min_by(|&a, &b| distance(a, value).total_cmp(&distance(b, value))).unwrap()).collect()
    }

    #[test]
    fn measures_a_tone_within_a_decibel() {
        for (payload_type, decode) in [(PCMU, ulaw as fn(u8) -> i32), (PCMA, alaw)] {
            for (amplitude, level) in [(1.0, -3), (0.1, -23), (0.01, -43)] {
                let measured = level_of_g711(payload_type, &tone(decode, amplitude)).unwrap();
                assert!((measured - level).abs() <= 1, "{payload_type} {measured}");
            }
        }
    }

    #[test]
    fn silence_and_others() {
        assert_eq!(level_of_g711(PCMU, &[0xFF; 160]), Some(SILENCE));
        assert!(level_of_g711(PCMA, &[0xD5; 160]).unwrap() < -70);
        assert_eq!(level_of_g711(9, &[0; 160]), None);
        assert_eq!(level_of_g711(PCMU, &[]), None);
    }

    #[test]
    fn the_extension() {
        assert_eq!(level_from_extension(&[0x80]), Some(0));
        assert_eq!(level_from_extension(&[0x7F]), Some(-127));
        assert_eq!(level_from_extension(&[]), None);
    }
}
