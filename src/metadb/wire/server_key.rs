//! The key that a server sends so that the password can be encrypted for it. Pure.
//!
//! The driver believes what it gets: it panics at a text that is no PEM, at bytes that are no key, and at a key that
//! has no room for the password. So only one form passes, the one that MySQL writes: one PEM text of an RSA key.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// `SEQUENCE { OBJECT rsaEncryption, NULL }`, RFC 3279, section 2.3.1.
const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// Shorter keys are broken, longer ones keep a processor busy.
const BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// What OAEP with SHA-1 takes of a key besides the password, RFC 8017, section 7.1.1; and the zero behind the password.
const PADDING: usize = 42 + 1;

/// Whether the driver can encrypt a password of so many bytes with this key.
///
/// # Errors
/// What is wrong with the key.
pub(super) fn judge_key(pem: &[u8], password_length: usize) -> Result<(), &'static str> {
    let der = decode(pem).ok_or("a key that is none")?;
    let (modulus, exponent) = read_key(&der).ok_or("a key that is none")?;
    let bits = count_bits(modulus);
    if !BITS.contains(&bits) || is_even(modulus) {
        return Err("a key of a length that nobody uses");
    }
    if exponent.len() > 4 || is_even(exponent) || exponent == [1] {
        return Err("a key that is none");
    }
    // The driver takes so many octets for the length of the modulus.
    if (bits + 6) / 8 < password_length + PADDING {
        return Err("a key that is too short for the password");
    }
    Ok(())
}

fn decode(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?.trim_ascii();
    let body = text.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// Modulus and exponent, without zeros before them.
fn read_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (info, []) = take(der, SEQUENCE)? else {
        return None;
    };
    let (algorithm, rest) = take(info, SEQUENCE)?;
    let (bits, []) = take(rest, BIT_STRING)? else {
        return None;
    };
    let (0, key) = bits.split_first().map(|(unused, key)| (*unused, key))? else {
        return None;
    };
    let (numbers, []) = take(key, SEQUENCE)? else {
        return None;
    };
    let (modulus, rest) = take(numbers, INTEGER)?;
    let (exponent, []) = take(rest, INTEGER)? else {
        return None;
    };
    (algorithm == RSA).then_some((read_number(modulus)?, read_number(exponent)?))
}

/// The bytes of an element with this tag, and what follows it. The length is written in the shortest form.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match der {
        [first, length @ 0..=0x7f, rest @ ..] if *first == tag => (usize::from(*length), rest),
        [first, 0x81, length @ 0x80..=0xff, rest @ ..] if *first == tag => {
            (usize::from(*length), rest)
        }
        [first, 0x82, high @ 1..=0xff, low, rest @ ..] if *first == tag => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// A number above zero.
fn read_number(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [0, 0x80..=0xff, ..] => bytes.get(1..),
        [1..=0x7f, ..] => Some(bytes),
        _ => None,
    }
}

fn count_bits(number: &[u8]) -> usize {
    let first = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(first).unwrap_or_default())
}

fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|last| last % 2 == 0)
}

#[cfg(test)]
#[path = "server_key_tests.rs"]
pub(super) mod tests;
