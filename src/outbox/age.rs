//! The age format, version 1, as far as it takes to write one short file: <https://c2sp.org/age>.
//!
//! A help desk opens it with tools it has (`age`, `rage`). Only the format is ours: keys, agreement, derivation and
//! ciphers are those of aws-lc, like all the rest of the cryptography. The crate `age` would bring a second
//! implementation of each, and seventy crates. Opening is not here: nobody but the recipients ever does.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::{hmac, rand};
use aws_smithy_types::base64;
use secrecy::zeroize::Zeroizing;

use super::NotSealed;
use crate::ids::AgeRecipient;

/// A file is sealed in pieces of this size; what is handed out is one piece.
const PIECE: usize = 64 * 1024;

/// The whole file, armoured.
pub(super) fn seal(recipients: &[AgeRecipient], plain: &[u8]) -> Result<String, NotSealed> {
    assert!(plain.len() <= PIECE, "what is handed out is short");
    if recipients.is_empty() {
        return Err(NotSealed::NoRecipient);
    }
    let file_key: Zeroizing<[u8; 16]> = Zeroizing::new(random()?);
    let mut header = "age-encryption.org/v1\n".to_owned();
    for recipient in recipients {
        header.push_str(&stanza(recipient, &file_key)?);
    }
    header.push_str("---");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &*derived(&[], &*file_key, b"header"));
    let tag = hmac::sign(&key, header.as_bytes());
    header.push_str(&format!(" {}\n", unpadded(tag.as_ref())));

    let mut file = header.into_bytes();
    let salt: [u8; 16] = random()?;
    file.extend(salt);
    // The counter of the first piece, and the mark of the last: there is one.
    let mut nonce = [0; NONCE_LEN];
    nonce[NONCE_LEN - 1] = 1;
    file.extend(encrypted(&derived(&salt, &*file_key, b"payload"), nonce, plain));
    Ok(armoured(&file))
}

/// The file's key, sealed to one recipient.
fn stanza(recipient: &AgeRecipient, file_key: &[u8; 16]) -> Result<String, NotSealed> {
    let useless = |_| NotSealed::UselessKey;
    let theirs = recipient.key();
    let random = rand::SystemRandom::new();
    let ours =
        EphemeralPrivateKey::generate(&X25519, &random).map_err(|_| NotSealed::NoRandomness)?;
    let share = ours.compute_public_key().map_err(useless)?;
    let mut salt = share.as_ref().to_vec();
    salt.extend(&theirs);
    let peer = UnparsedPublicKey::new(&X25519, &theirs);
    let key = agree_ephemeral(ours, peer, NotSealed::UselessKey, |shared| {
        Ok(derived(&salt, shared, b"age-encryption.org/v1/X25519"))
    })?;
    // The key is used once, so that the nonce may be nothing.
    let body = encrypted(&key, [0; NONCE_LEN], file_key);
    Ok(format!("-> X25519 {}\n{}\n", unpadded(share.as_ref()), unpadded(&body)))
}

fn random<const N: usize>() -> Result<[u8; N], NotSealed> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| NotSealed::NoRandomness)?;
    Ok(bytes)
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[info], HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut *key))
        .expect("32 bytes are not too long");
    key
}

fn encrypted(key: &[u8; 32], nonce: [u8; NONCE_LEN], plain: &[u8]) -> Vec<u8> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("the key has its length");
    // Long enough for the tag at once: never moved, the plain text leaves no copy.
    let mut bytes = Vec::with_capacity(plain.len() + CHACHA20_POLY1305.tag_len());
    bytes.extend(plain);
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes)
        .expect("it is far shorter than the cipher allows");
    bytes
}

fn unpadded(bytes: &[u8]) -> String {
    base64::encode(bytes).trim_end_matches('=').to_owned()
}

fn armoured(file: &[u8]) -> String {
    let text = base64::encode(file);
    let mut armoured = "-----BEGIN AGE ENCRYPTED FILE-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        armoured.extend(line.iter().copied().map(char::from));
        armoured.push('\n');
    }
    armoured.push_str("-----END AGE ENCRYPTED FILE-----\n");
    armoured
}
