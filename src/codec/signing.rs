//! Who has written a value, and for which key: HMAC-SHA256 by keys that can be replaced one by one.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;

use super::Undecodable;
use super::envelope::{Envelope, VERSION};
use crate::error::Error;

/// Bytes of a signature.
pub(super) const MAC: usize = 32;
/// A signature.
pub(super) type Mac = [u8; MAC];

/// The first thing signed, so that no signature made for another purpose is good here.
const DOMAIN: &[u8] = b"quickcache value envelope";
/// The fewest bytes of a key that nobody guesses: 128 bits.
const SHORTEST: usize = 16;

/// A secret that values are signed with.
#[derive(Clone)]
pub struct SigningKey(Box<[u8]>);

impl SigningKey {
    /// A key of these bytes. Its length is checked by `Codec::new`, which knows its place.
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Makes and verifies signatures; none, if there are no keys.
pub(super) struct Signatures {
    /// HMACs that have taken in their key and the domain: the first signs.
    begun: Vec<Hmac<Sha256>>,
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signatures({} keys)", self.begun.len())
    }
}

impl Signatures {
    pub(super) fn new(keys: Vec<SigningKey>) -> Result<Self, Error> {
        let begin = |(place, SigningKey(key)): (usize, SigningKey)| {
            let short = Error::ShortSigningKey {
                place,
                given: key.len(),
                least: SHORTEST,
            };
            if key.len() < SHORTEST {
                return Err(short);
            }
            // HMAC takes keys of any length: this does not fail.
            let mut hmac = Hmac::new_from_slice(&key).map_err(|_| short)?;
            hmac.update(DOMAIN);
            Ok(hmac)
        };
        Ok(Self {
            begun: keys
                .into_iter()
                .enumerate()
                .map(begin)
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether there are keys: then everything is signed, and nothing else is read.
    pub(super) fn are_made(&self) -> bool {
        !self.begun.is_empty()
    }

    /// The signature by the first key.
    pub(super) fn sign(&self, key: &[u8], envelope: &Envelope) -> Option<Mac> {
        let hmac = signed(self.begun.first()?, key, envelope);
        Some(hmac.finalize().into_bytes().into())
    }

    /// An error if the signature is by none of the keys. It is compared in constant time.
    pub(super) fn verify(
        &self,
        key: &[u8],
        envelope: &Envelope,
        mac: &Mac,
    ) -> Result<(), Undecodable> {
        let is_by = |begun| signed(begun, key, envelope).verify_slice(mac).is_ok();
        if self.begun.iter().any(is_by) {
            Ok(())
        } else {
            Err(Undecodable::BadSignature)
        }
    }
}

/// All that is signed, each part after its length, so that no two envelopes are signed as the same bytes.
fn signed(begun: &Hmac<Sha256>, key: &[u8], envelope: &Envelope) -> Hmac<Sha256> {
    let mut hmac = begun.clone();
    let parts: [&[u8]; 5] = [
        &[VERSION],
        &[envelope.compression, envelope.format],
        key,
        &envelope.deadline.to_be_bytes(),
        envelope.payload,
    ];
    for part in parts {
        hmac.update(&(part.len() as u64).to_be_bytes());
        hmac.update(part);
    }
    hmac
}
