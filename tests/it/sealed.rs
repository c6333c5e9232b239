//! Files that are sealed to somebody's key: opened with it, as a help desk would. The opening is ours, and
//! is checked against a file that somebody else's program sealed; `tests/peers` has that program open ours.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use aws_smithy_types::base64;
use portcullis::ids::AgeRecipient;
use portcullis::outbox::{NotSealed, Sealed};
use portcullis::secret::Secret;

/// A pair of keys that is made for these tests and opens nothing else.
pub(crate) struct Pair {
    private: [u8; 32],
    pub(crate) recipient: AgeRecipient,
}

/// The two help desks of the tests, each with a key of its own.
pub(crate) fn pairs() -> [Pair; 2] {
    [1, 2].map(|n| {
        let private = [n; 32];
        let key = PrivateKey::from_private_key(&X25519, &private).unwrap();
        let public = key.compute_public_key().unwrap();
        Pair { private, recipient: recipient(public.as_ref()) }
    })
}

/// A public key as people pass it on.
fn recipient(key: &[u8]) -> AgeRecipient {
    let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let bits: Vec<u8> =
        key.iter().flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1)).collect();
    let five = |bits: &[u8]| (0..5).fold(0, |sum, n| sum << 1 | bits.get(n).copied().unwrap_or(0));
    let text: String =
        bits.chunks(5).map(|bits| char::from(alphabet[usize::from(five(bits))])).collect();
    AgeRecipient::parse(format!("age1{text}{}", check(&text))).unwrap()
}

fn check(text: &str) -> String {
    let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let value = |c: char| alphabet.iter().position(|a| char::from(*a) == c).unwrap();
    let prefix = "age".bytes();
    let mut values: Vec<usize> = prefix.clone().map(|b| usize::from(b >> 5)).collect();
    values.push(0);
    values.extend(prefix.map(|b| usize::from(b & 31)));
    values.extend(text.chars().map(value));
    values.extend([0; 6]);
    let generators = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let mut sum = 1_usize;
    for value in values {
        let top = sum >> 25;
        sum = (sum & 0x01ff_ffff) << 5 ^ value;
        for (bit, generator) in generators.iter().enumerate() {
            if top >> bit & 1 == 1 {
                sum ^= generator;
            }
        }
    }
    sum ^= 1;
    (0..6).rev().map(|n| char::from(alphabet[sum >> (5 * n) & 31])).collect()
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let prk = Salt::new(HKDF_SHA256, salt).extract(secret);
    prk.expand(&[info], HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    key
}

fn decrypted(key: &[u8; 32], nonce: [u8; NONCE_LEN], bytes: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).unwrap());
    let mut bytes = bytes.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    let plain = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
    Some(plain.to_vec())
}

fn unarmoured(text: &str) -> Vec<u8> {
    let body = text.strip_prefix("-----BEGIN AGE ENCRYPTED FILE-----\n").unwrap();
    let body = body.strip_suffix("-----END AGE ENCRYPTED FILE-----\n").unwrap();
    assert!(body.lines().all(|line| line.len() <= 64));
    base64::decode(body.replace('\n', "")).unwrap()
}

fn from_base64(text: &str) -> Vec<u8> {
    assert!(!text.ends_with('='));
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    base64::decode(format!("{text}{padding}")).unwrap()
}

/// Opens a sealed file of one piece; `None` where it is sealed to others.
fn open_with(private: &[u8; 32], text: &str) -> Option<String> {
    let file = unarmoured(text);
    let end = file.windows(4).position(|four| four == b"\n---").unwrap() + 1;
    let header = std::str::from_utf8(&file[..end]).unwrap();
    let rest = &file[end..];
    let line = rest.iter().position(|byte| *byte == b'\n').unwrap();
    let tag = from_base64(std::str::from_utf8(&rest[4..line]).unwrap());
    let payload = &rest[line + 1..];
    let own = PrivateKey::from_private_key(&X25519, private).unwrap();
    let public = own.compute_public_key().unwrap();
    let lines: Vec<&str> = header.lines().collect();
    assert_eq!(lines[0], "age-encryption.org/v1");
    let file_key = lines.windows(2).find_map(|two| {
        let share = from_base64(two[0].strip_prefix("-> X25519 ")?);
        let salt = [share.as_slice(), public.as_ref()].concat();
        let info = b"age-encryption.org/v1/X25519";
        let peer = UnparsedPublicKey::new(&X25519, &share);
        let key = agree(&own, peer, (), |shared| Ok(derived(&salt, shared, info))).unwrap();
        decrypted(&key, [0; NONCE_LEN], &from_base64(two[1]))
    })?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derived(&[], &file_key, b"header"));
    hmac::verify(&key, &file[..end + 3], &tag).expect("the header is as it was sealed");
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 1] = 1;
    let plain = decrypted(&derived(&payload[..16], &file_key, b"payload"), nonce, &payload[16..]);
    Some(String::from_utf8(plain.expect("the payload is as it was sealed")).unwrap())
}

impl Pair {
    /// Opens what was sealed to it.
    pub(crate) fn open(&self, text: &str) -> Option<String> {
        open_with(&self.private, text)
    }
}

#[test]
fn each_recipient_opens_it_and_nobody_else() {
    let [one, two] = pairs();
    let value = || Secret::new("hunter2".to_owned());
    let both = [one.recipient.clone(), two.recipient.clone()];
    let sealed = Sealed::to(&both, &value()).unwrap();
    assert_eq!(one.open(sealed.text()).as_deref(), Some("hunter2"));
    assert_eq!(two.open(sealed.text()).as_deref(), Some("hunter2"));
    assert!(!sealed.text().contains("hunter2") && !format!("{sealed:?}").contains("hunter2"));
    let to_one = Sealed::to(&both[..1], &value()).unwrap();
    assert_eq!(one.open(to_one.text()).as_deref(), Some("hunter2"));
    assert_eq!(two.open(to_one.text()), None);
    // Never twice the same: whoever compares files learns nothing.
    assert_ne!(Sealed::to(&both[..1], &value()).unwrap(), to_one);
    assert_eq!(Sealed::to(&[], &value()), Err(NotSealed::NoRecipient));
    // The point of which every multiple is nothing: whatever is sealed to it is sealed to everybody.
    assert_eq!(Sealed::to(&[recipient(&[0; 32])], &value()), Err(NotSealed::UselessKey));
}

#[test]
fn what_somebody_else_sealed_is_opened() {
    // By pyrage 1.4.0, to the key beside it: `pyrage.encrypt(b"hunter2", [recipient], armored=True)`.
    let text = include_str!("../data/sealed/by_pyrage.age");
    let key = include_str!("../data/sealed/by_pyrage.key");
    let key: [u8; 32] = hex::decode(key.trim()).unwrap().try_into().unwrap();
    assert_eq!(open_with(&key, text).as_deref(), Some("hunter2"));
}
