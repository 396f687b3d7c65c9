//! The envelope, byte by byte. docs/envelope.md has it as a table, for other readers.

use super::Undecodable;
use super::signing::{MAC, Mac};

/// What an envelope begins with. 0xC1 begins no pickle, integer or UTF-8, and MessagePack never uses it.
pub const MAGIC: [u8; 3] = [0xC1, b'q', b'c'];
/// The only version there is.
pub(super) const VERSION: u8 = 1;
/// Bytes before the payload.
pub(super) const HEADER: usize = 23;

/// Whether these are the first bytes of an envelope.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// What an envelope says, as it is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    /// The code of the compression, 0 for none.
    pub(super) compression: u8,
    /// The code of the format.
    pub(super) format: u8,
    /// In Unix milliseconds, 0 for none.
    pub(super) deadline: u64,
    /// As it is stored.
    pub(super) payload: &'a [u8],
}

/// An envelope in the bytes that it was read from.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) envelope: Envelope<'a>,
    /// Not verified.
    pub(super) mac: Option<&'a Mac>,
    /// What is behind the envelope: nobody reads it, but a refresh leaves its mark there.
    pub(super) tail: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// The envelope that `bytes` begin with. What it says is neither verified nor understood.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Found<'a>, Undecodable> {
        let mut rest = bytes;
        let _magic = chunk::<3>(&mut rest)?;
        let [version] = *chunk(&mut rest)?;
        if version != VERSION {
            return Err(Undecodable::UnknownVersion(version));
        }
        let [compression, format, signed] = *chunk(&mut rest)?;
        let deadline = u64::from_be_bytes(*chunk(&mut rest)?);
        let length = u64::from_be_bytes(*chunk(&mut rest)?);
        let (payload, after) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(Undecodable::Truncated)?;
        rest = after;
        let mac = match signed {
            0 => None,
            1 => Some(chunk::<MAC>(&mut rest)?),
            _ => return Err(Undecodable::Malformed("it is neither signed nor unsigned")),
        };
        Ok(Found {
            envelope: Self {
                compression,
                format,
                deadline,
                payload,
            },
            mac,
            tail: rest,
        })
    }

    /// The envelope's bytes.
    pub(super) fn write(&self, mac: Option<&Mac>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len() + MAC);
        bytes.extend_from_slice(&MAGIC);
        let signed = u8::from(mac.is_some());
        bytes.extend_from_slice(&[VERSION, self.compression, self.format, signed]);
        bytes.extend_from_slice(&self.deadline.to_be_bytes());
        bytes.extend_from_slice(&(self.payload.len() as u64).to_be_bytes());
        bytes.extend_from_slice(self.payload);
        bytes.extend_from_slice(mac.map_or(&[], |mac| mac));
        bytes
    }
}

/// The next `N` bytes.
fn chunk<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Undecodable> {
    let (chunk, after) = rest.split_first_chunk().ok_or(Undecodable::Truncated)?;
    *rest = after;
    Ok(chunk)
}
