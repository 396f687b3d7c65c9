//! Payloads made smaller, and back again in bounded memory.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use lz4_flex::frame::{BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use zstd::zstd_safe::{self, DCtx, DParameter};

use super::Undecodable;
use crate::error::Error;

/// The level of zstd: its own default.
const LEVEL: i32 = 3;
/// The largest window of zstd, as a power of two: 2 MiB, what `LEVEL` uses at most. A frame may ask
/// for 128 MiB, whatever its size.
const WINDOW: u32 = 21;
const LZ4_MAGIC: [u8; 4] = 0x184D_2204_u32.to_le_bytes();
const LZ4_HAS_SIZE: u8 = 0b1000;
/// Of blocks of 256 KB, the largest that are written and read. A frame may ask for 4 MB.
const LZ4_BLOCK: u8 = 5;

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Compression {
    /// A frame of Zstandard: smaller.
    Zstd = 1,
    /// A frame of LZ4: quicker.
    Lz4 = 2,
}

impl Compression {
    /// The compression of a name.
    pub fn named(name: &str) -> Result<Self, Error> {
        match name {
            "zstd" => Ok(Self::Zstd),
            "lz4" => Ok(Self::Lz4),
            _ => Err(Error::UnknownChoice {
                option: "compression",
                given: name.to_owned(),
                accepted: &["zstd", "lz4"],
            }),
        }
    }

    /// The compression's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    pub(super) fn code(self) -> u8 {
        self as u8
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        [Self::Zstd, Self::Lz4]
            .into_iter()
            .find(|compression| compression.code() == code)
    }

    /// The payload as one frame that says how much it holds; None if the library cannot.
    pub(super) fn compress(self, payload: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(payload, LEVEL).ok(),
            Self::Lz4 => {
                let block = if payload.len() > 64 * 1024 {
                    BlockSize::Max256KB
                } else {
                    BlockSize::Max64KB
                };
                let info = FrameInfo::new()
                    .block_size(block)
                    .content_size(Some(payload.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(payload).ok()?;
                encoder.finish().ok()
            }
        }
    }

    /// What is in a frame, if it is no more than `most` bytes: a megabyte may hold thirty gigabytes.
    ///
    /// Takes memory for what the frame says it holds, and for a block or a window of it.
    pub(super) fn decompress(self, frame: &[u8], most: usize) -> Result<Vec<u8>, Undecodable> {
        let size = match self {
            Self::Zstd => zstd_size(frame),
            Self::Lz4 => lz4_size(frame),
        }?;
        let size = match size.map(usize::try_from) {
            None => None,
            Some(Ok(size)) if size <= most => Some(size),
            Some(_) => return Err(Undecodable::TooLarge { most }),
        };
        let mut rest = frame;
        let payload = match self {
            Self::Zstd => read_zstd(&mut rest, size, most),
            Self::Lz4 => read(FrameDecoder::new(&mut rest), size, most),
        };
        let payload = payload.map_err(|_| Undecodable::Corrupt)?;
        let most = size.unwrap_or(most);
        if payload.len() > most {
            Err(Undecodable::TooLarge { most })
        } else if !rest.is_empty() || size.is_some_and(|size| size != payload.len()) {
            Err(Undecodable::Corrupt)
        } else {
            Ok(payload)
        }
    }
}

/// What the reader gives, up to one byte more than may be.
fn read(mut reader: impl Read, size: Option<usize>, most: usize) -> io::Result<Vec<u8>> {
    // In one piece, if the size is known: zstd then needs no window of its own.
    let mut bytes = vec![0; size.unwrap_or(0)];
    let mut filled = 0;
    while let Some(free @ [_, ..]) = bytes.get_mut(filled..) {
        match reader.read(free)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    let more = size.unwrap_or(most).saturating_sub(filled) as u64;
    reader
        .take(more.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

thread_local! {
    /// With one made for each value, reading 1 KB takes 14 us or more, and not 2.
    static CONTEXT: RefCell<Option<DCtx<'static>>> = const { RefCell::new(None) };
}

/// `read` from a frame of zstd, by this thread's context.
fn read_zstd(rest: &mut &[u8], size: Option<usize>, most: usize) -> io::Result<Vec<u8>> {
    let failed = |_| io::Error::other("zstd failed");
    let read_by = |kept: &RefCell<Option<DCtx<'static>>>| {
        let mut kept = kept.borrow_mut();
        let context = match &mut *kept {
            Some(context) => context,
            none => {
                let mut context =
                    DCtx::try_create().ok_or_else(|| io::Error::other("no memory"))?;
                context
                    .set_parameter(DParameter::WindowLogMax(WINDOW))
                    .map_err(failed)?;
                none.insert(context)
            }
        };
        // This resets what a value that was cut short has left.
        let decoder = zstd::Decoder::with_context(rest, context);
        read(decoder.single_frame(), size, most)
    };
    // There is none any more while the thread ends.
    CONTEXT.try_with(read_by).map_err(io::Error::other)?
}

/// What a frame of zstd says that it holds, if it does.
fn zstd_size(frame: &[u8]) -> Result<Option<u64>, Undecodable> {
    zstd_safe::get_frame_content_size(frame).map_err(|_| Undecodable::Corrupt)
}

/// What a frame of LZ4 says that it holds, if it does. Its blocks must not be large.
fn lz4_size(frame: &[u8]) -> Result<Option<u64>, Undecodable> {
    let header = frame.strip_prefix(&LZ4_MAGIC);
    let Some((&[flags, block], rest)) = header.and_then(<[u8]>::split_first_chunk) else {
        return Err(Undecodable::Corrupt);
    };
    if (block >> 4) & 7 > LZ4_BLOCK {
        return Err(Undecodable::Malformed(
            "its LZ4 blocks are larger than 256 KB",
        ));
    }
    if flags & LZ4_HAS_SIZE == 0 {
        return Ok(None);
    }
    let size = rest.first_chunk().ok_or(Undecodable::Corrupt)?;
    Ok(Some(u64::from_le_bytes(*size)))
}
