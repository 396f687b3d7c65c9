//! What a shared tier stores of a value, and what is made of what it finds there.
//!
//! A value is stored as it is where that can be read back: digits, or what the serializer made. Only
//! what is compressed or signed, or would be taken for something else, is put into an envelope.

use std::borrow::Cow;
use std::fmt;

use crate::error::Error;

use compression::Compression;
use envelope::{Envelope, Found};
use signing::{Signatures, SigningKey};

pub mod compression;
mod envelope;
pub mod signing;

pub use envelope::MAGIC as ENVELOPE;

/// What a payload is, once it is out of its envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// An integer of 64 bits, as decimal digits.
    Integer = 1,
    /// Python's pickle.
    Pickle = 2,
    /// JSON.
    Json = 3,
    /// MessagePack.
    Msgpack = 4,
    /// Whatever the user's own serializer makes.
    Custom = 5,
}

impl Format {
    const ALL: [Self; 5] = [
        Self::Integer,
        Self::Pickle,
        Self::Json,
        Self::Msgpack,
        Self::Custom,
    ];

    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Pickle => "pickle",
            Self::Json => "json",
            Self::Msgpack => "msgpack",
            Self::Custom => "custom",
        }
    }

    fn code(self) -> u8 {
        self as u8
    }

    fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.code() == code)
    }

    /// What bytes without an envelope are, where the tier's serializer makes `expected`.
    fn of_bare(bytes: &[u8], expected: Self) -> Self {
        if is_integer(bytes) {
            Self::Integer
        } else {
            expected
        }
    }
}

/// How values are stored.
#[derive(Debug, Clone)]
pub struct Options {
    /// How payloads are compressed when written. All compressions are read.
    pub compression: Option<Compression>,
    /// Payloads of at most so many bytes are not compressed.
    pub compress_above: usize,
    /// The first one signs, each is good for reading. With none, nothing is signed or verified.
    pub signing_keys: Vec<SigningKey>,
    /// The most bytes that a payload may decompress to.
    pub max_decoded: usize,
}

/// Writes and reads what a shared tier stores.
#[derive(Debug)]
pub struct Codec {
    compression: Option<Compression>,
    compress_above: usize,
    signatures: Signatures,
    max_decoded: usize,
}

/// A value as it was before it was encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// What the payload is: an integer, or what was expected.
    pub format: Format,
    /// Digits, or what the serializer made.
    pub payload: Cow<'a, [u8]>,
    /// The deadline that was signed with it, in Unix milliseconds.
    pub expires_at_ms: Option<u64>,
}

impl Codec {
    /// A codec with these options; an error if a signing key is too short.
    pub fn new(options: Options) -> Result<Self, Error> {
        Ok(Self {
            compression: options.compression,
            compress_above: options.compress_above,
            signatures: Signatures::new(options.signing_keys)?,
            max_decoded: options.max_decoded,
        })
    }

    /// Whether values are signed, and only signed ones are read.
    pub fn signs(&self) -> bool {
        self.signatures.are_made()
    }

    /// What to store of a payload under `key`, the key's bytes in the tier.
    ///
    /// The deadline, in Unix milliseconds, is only kept where it can be signed: otherwise the tier's
    /// own expiry is all there is.
    pub fn encode<'a>(
        &self,
        key: &[u8],
        format: Format,
        payload: impl Into<Cow<'a, [u8]>>,
        expires_at_ms: Option<u64>,
    ) -> Cow<'a, [u8]> {
        let payload = payload.into();
        let compressed = self.compressed(&payload);
        let is_signed = self.signatures.are_made();
        if compressed.is_none() && !is_signed && reads_back(format, &payload) {
            return payload;
        }
        let compression = compressed.as_ref().and(self.compression);
        let envelope = Envelope {
            compression: compression.map_or(0, Compression::code),
            format: format.code(),
            deadline: if is_signed { stored(expires_at_ms) } else { 0 },
            payload: compressed.as_deref().unwrap_or(&payload),
        };
        Cow::Owned(envelope.write(self.signatures.sign(key, &envelope).as_ref()))
    }

    /// The value in what was found under `key`, where the tier's serializer reads `expected`.
    ///
    /// A signature is verified before anything else is made of the bytes that it covers.
    pub fn decode<'a>(
        &self,
        key: &[u8],
        bytes: &'a [u8],
        expected: Format,
        now_ms: u64,
    ) -> Result<Decoded<'a>, Undecodable> {
        if !envelope::begins(bytes) {
            if self.signatures.are_made() {
                return Err(Undecodable::Unsigned);
            }
            return Ok(Decoded {
                format: Format::of_bare(bytes, expected),
                payload: Cow::Borrowed(bytes),
                expires_at_ms: None,
            });
        }
        let Found { envelope, .. } = self.opened(key, bytes, now_ms)?;
        let format = Format::of_code(envelope.format)
            .filter(|&format| format == Format::Integer || format == expected)
            .ok_or(Undecodable::OtherFormat {
                found: envelope.format,
                expected,
            })?;
        let payload = match envelope.compression {
            0 => Cow::Borrowed(envelope.payload),
            code => {
                let compression =
                    Compression::of_code(code).ok_or(Undecodable::UnknownCompression(code))?;
                Cow::Owned(compression.decompress(envelope.payload, self.max_decoded)?)
            }
        };
        if format == Format::Integer && !is_integer(&payload) {
            return Err(Undecodable::Malformed("its integer is none of 64 bits"));
        }
        Ok(Decoded {
            format,
            payload,
            expires_at_ms: (envelope.deadline != 0).then_some(envelope.deadline),
        })
    }

    /// The same value with another deadline, signed anew by the first key, for a touch.
    ///
    /// What cannot be read for its signature or its deadline stays so. Bytes after the envelope are
    /// kept, so that a refresh on its way finds its mark. Without signing keys there is no deadline
    /// to change, and the bytes are returned as they are.
    pub fn with_deadline(
        &self,
        key: &[u8],
        bytes: &[u8],
        expires_at_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<Vec<u8>, Undecodable> {
        if !envelope::begins(bytes) {
            return if self.signatures.are_made() {
                Err(Undecodable::Unsigned)
            } else {
                Ok(bytes.to_vec())
            };
        }
        let found = self.opened(key, bytes, now_ms)?;
        if found.mac.is_none() {
            return Ok(bytes.to_vec());
        }
        if !self.signatures.are_made() {
            return Err(Undecodable::NoSigningKey);
        }
        let envelope = Envelope {
            deadline: stored(expires_at_ms),
            ..found.envelope
        };
        let mut written = envelope.write(self.signatures.sign(key, &envelope).as_ref());
        written.extend_from_slice(found.tail);
        Ok(written)
    }

    /// The envelope, if its signature is good (or nobody asks) and its deadline is yet to come.
    fn opened<'a>(
        &self,
        key: &[u8],
        bytes: &'a [u8],
        now_ms: u64,
    ) -> Result<Found<'a>, Undecodable> {
        let found = Envelope::read(bytes)?;
        if self.signatures.are_made() {
            let mac = found.mac.ok_or(Undecodable::Unsigned)?;
            self.signatures.verify(key, &found.envelope, mac)?;
        }
        match found.envelope.deadline {
            0 => {}
            _ if found.mac.is_none() => {
                return Err(Undecodable::Malformed("its deadline is not signed"));
            }
            deadline if deadline <= now_ms => return Err(Undecodable::Expired),
            _ => {}
        }
        Ok(found)
    }

    /// The payload compressed, if that is wanted and makes what is stored smaller.
    fn compressed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        // What is larger than `max_decoded` could not be read back.
        if payload.len() <= self.compress_above || payload.len() > self.max_decoded {
            return None;
        }
        let compressed = self.compression?.compress(payload)?;
        let envelope = if self.signatures.are_made() {
            0 // there in any case
        } else {
            envelope::HEADER
        };
        (compressed.len() + envelope < payload.len()).then_some(compressed)
    }
}

/// The deadline as an envelope has it, where 0 is none: what ended in 1970 has ended all the same.
fn stored(expires_at_ms: Option<u64>) -> u64 {
    expires_at_ms.map_or(0, |deadline| deadline.max(1))
}

/// Whether the payload is taken for what it is without an envelope. MessagePack of 49 is the byte `1`.
fn reads_back(format: Format, payload: &[u8]) -> bool {
    !envelope::begins(payload) && Format::of_bare(payload, format) == format
}

/// Whether these are the digits of an integer of 64 bits.
fn is_integer(bytes: &[u8]) -> bool {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    // Of a pickle, no more than the first byte is looked at.
    digits.iter().all(u8::is_ascii_digit)
        && std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<i64>().is_ok())
}

/// Why bytes that were found cannot be read. Each is a miss; the texts are for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Undecodable {
    /// It ends before it says it does.
    Truncated,
    /// Its version is not known here: another release of quickcache has written it.
    UnknownVersion(u8),
    /// Its compression is not known here.
    UnknownCompression(u8),
    /// It contradicts itself.
    Malformed(&'static str),
    /// It is not what the tier's serializer reads.
    OtherFormat {
        /// The code of its format.
        found: u8,
        /// What the serializer reads.
        expected: Format,
    },
    /// There are signing keys, and it is not signed.
    Unsigned,
    /// None of the signing keys has signed this, for this key.
    BadSignature,
    /// It is signed, and there is no key to sign it anew.
    NoSigningKey,
    /// The deadline that was signed with it has come.
    Expired,
    /// It decompresses to more bytes than are allowed, or than it says.
    TooLarge {
        /// The most there may be.
        most: usize,
    },
    /// It does not decompress.
    Corrupt,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => write!(f, "it ends too early"),
            Self::UnknownVersion(version) => write!(
                f,
                "its envelope has version {version}, and this release reads version {}",
                envelope::VERSION
            ),
            Self::UnknownCompression(code) => {
                write!(f, "its compression has the unknown number {code}")
            }
            Self::Malformed(what) => write!(f, "its envelope is malformed: {what}"),
            Self::OtherFormat { found, expected } => match Format::of_code(*found) {
                Some(format) => write!(f, "it is {}, not {}", format.name(), expected.name()),
                None => write!(
                    f,
                    "its format has the unknown number {found}, and {} is read here",
                    expected.name()
                ),
            },
            Self::Unsigned => write!(f, "it is not signed, and signing_keys are configured"),
            Self::BadSignature => write!(
                f,
                "its signature is by none of the signing_keys, or it was changed, or is another key's"
            ),
            Self::NoSigningKey => {
                write!(
                    f,
                    "it is signed, and signing_keys are needed to sign it anew"
                )
            }
            Self::Expired => write!(f, "its signed deadline has passed"),
            Self::TooLarge { most } => write!(f, "it decompresses to more than {most} bytes"),
            Self::Corrupt => write!(f, "it does not decompress"),
        }
    }
}

impl std::error::Error for Undecodable {}
