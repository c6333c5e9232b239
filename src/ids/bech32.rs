//! Bech32 (BIP 173), as far as it takes to read a public key that people copy about: a slip is noticed.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// The bytes in lower-case text that begins with `prefix`; `None` where anything about it is wrong.
pub(super) fn decode(prefix: &str, text: &str) -> Option<Vec<u8>> {
    let data = text.strip_prefix(prefix)?.strip_prefix('1')?;
    let data: Vec<u8> = data.bytes().map(value).collect::<Option<_>>()?;
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    if checksum(high.chain([0]).chain(low).chain(data.iter().copied())) != 1 {
        return None;
    }
    // The last six characters are the checksum.
    bytes(data.get(..data.len().checked_sub(6)?)?)
}

fn value(letter: u8) -> Option<u8> {
    let at = ALPHABET.iter().position(|known| *known == letter)?;
    u8::try_from(at).ok()
}

fn checksum(values: impl Iterator<Item = u8>) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    values.fold(1, |sum, value| {
        let top = sum >> 25;
        let sum = ((sum & 0x01ff_ffff) << 5) ^ u32::from(value);
        let set = GENERATORS.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        set.fold(sum, |sum, (_, generator)| sum ^ generator)
    })
}

/// Five bits each to eight bits each; what is left over at the end must be nothing.
fn bytes(fives: &[u8]) -> Option<Vec<u8>> {
    let (mut all, mut held, mut bits) = (Vec::new(), 0_u32, 0);
    for five in fives {
        held = (held << 5 | u32::from(*five)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            all.push(u8::try_from(held >> bits & 0xff).ok()?);
        }
    }
    (bits < 5 && held & ((1 << bits) - 1) == 0).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_elsewhere_is_read_and_every_slip_noticed() {
        // From BIP 173.
        let long = "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw";
        let expected: Vec<u8> = hex::decode("00443214c74254b635cf84653a56d7c675be77df").unwrap();
        assert_eq!(decode("abcdef", long).unwrap(), expected);
        assert_eq!(decode("a", "a12uel5l").unwrap(), b"");
        for at in "abcdef1".len()..long.len() {
            let mut slip = long.to_owned().into_bytes();
            slip[at] = if slip[at] == b'q' { b'p' } else { b'q' };
            assert_eq!(decode("abcdef", std::str::from_utf8(&slip).unwrap()), None, "{at}");
        }
        for wrong in ["", "abcdef", "abcdef1", "abcdef1qqqqq", &long.to_uppercase(), &long[1..]] {
            assert_eq!(decode("abcdef", wrong), None, "{wrong}");
        }
    }
}
