//! The codec under attack: values cut, changed and made up, and those that decompress to more than there is memory.

use std::io::Write;

use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use quickcache::codec::compression::Compression;
use quickcache::codec::{Codec, Format, Options, Undecodable};

use crate::codec::{
    BOTH, HEADER, NOW, ONE, OTHER, PICKLE, codec, envelope, options, plain, read, signing, stored,
    text,
};

const MOST: usize = 4 << 20;
const MEGABYTE: u64 = 1 << 20;

#[test]
fn an_envelope_cut_anywhere_is_not_read() {
    for codec in [
        signing(),
        codec(Some(Compression::Zstd), &[]),
        codec(Some(Compression::Lz4), &[]),
        codec(Some(Compression::Lz4), &[ONE]),
    ] {
        let whole = stored(&codec, &text());
        for length in 0..whole.len() {
            match read(&codec, &whole[..length]) {
                Err(_) => {}
                // Less than the magic is no envelope.
                Ok(bare) => assert!(length < 3 && *bare == whole[..length], "{length}"),
            }
        }
    }
    let compressed = stored(&codec(Some(Compression::Zstd), &[ONE]), &text());
    for length in 0..compressed.len() {
        let read = read(&signing(), &compressed[..length]);
        let expected = if length < 3 {
            Undecodable::Unsigned
        } else {
            Undecodable::Truncated
        };
        assert_eq!(Err(expected), read, "{length}");
    }
}

#[test]
fn a_compressed_payload_that_was_cut_is_not_read_as_another() {
    for compression in BOTH {
        let whole = stored(&codec(Some(compression), &[]), &text());
        let frame = &whole[HEADER..];
        for length in 0..frame.len() {
            let cut = envelope(compression as u8, 2, &frame[..length]);
            match read(&plain(), &cut) {
                Err(reason) => assert_eq!(Undecodable::Corrupt, reason, "{length}"),
                // All is there but (a part of) the mark that LZ4 ends a frame with.
                Ok(whole) => assert!(*whole == text() && length >= frame.len() - 4, "{length}"),
            }
            // What was left half read is no matter to the next value.
            assert_eq!(text(), *read(&plain(), &whole).unwrap(), "{length}");
        }
        let longer = envelope(compression as u8, 2, &[frame, b"x"].concat());
        assert_eq!(Err(Undecodable::Corrupt), read(&plain(), &longer));
    }
}

#[test]
fn with_any_bit_flipped_a_signed_envelope_is_not_read() {
    for compression in [None, Some(Compression::Zstd), Some(Compression::Lz4)] {
        let codec = codec(compression, &[OTHER, ONE]);
        let good = stored(&codec, &text());
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&codec, &flipped).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn an_envelope_that_contradicts_itself_is_not_read() {
    for (at, byte, expected) in [
        (3, 0, Undecodable::UnknownVersion(0)),
        (3, 2, Undecodable::UnknownVersion(2)),
        (
            6,
            2,
            Undecodable::Malformed("it is neither signed nor unsigned"),
        ),
        (14, 1, Undecodable::Malformed("its deadline is not signed")),
        (15, 0xFF, Undecodable::Truncated),
    ] {
        let mut bytes = envelope(0, 2, PICKLE);
        bytes[at] = byte;
        assert_eq!(Err(expected), read(&plain(), &bytes));
    }
}

/// A gigabyte of zeros as zstd has it, in 32 KB: blocks that each say "128 KB of this byte".
///
/// With a window of 1 KB times a power of two, or with a size that the frame says it holds.
fn zstd_bomb(window: Option<u8>, size: Option<u64>) -> Vec<u8> {
    let mut frame = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    match (window, size) {
        (Some(power), None) => frame.extend([0, power << 3]),
        (Some(power), Some(size)) => {
            frame.extend([0b1100_0000, power << 3]);
            frame.extend(size.to_le_bytes());
        }
        (None, size) => {
            frame.push(0b1110_0000);
            frame.extend(size.unwrap_or_default().to_le_bytes());
        }
    }
    for block in 1..=8_192_u32 {
        let is_last = u32::from(block == 8_192);
        let header = (128 * 1024) << 3 | 1 << 1 | is_last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    envelope(Compression::Zstd as u8, 2, &frame)
}

/// 64 MB of zeros as LZ4 has it, in 300 KB: one block, many times.
fn lz4_bomb(block_size: BlockSize, size: Option<u64>) -> Vec<u8> {
    let block = 256 * 1024;
    let frame = |info: FrameInfo| {
        let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&vec![0; block]).unwrap();
        encoder
    };
    let info = FrameInfo::new().block_size(block_size);
    let whole = frame(info.clone()).finish().unwrap();
    let (header, rest) = whole.split_at(7);
    let (block, end) = rest.split_at(rest.len() - 4);
    let mut bomb = if let Some(size) = size {
        sized_header(info, size)
    } else {
        header.to_vec()
    };
    bomb.extend(block.repeat(256));
    bomb.extend(end);
    envelope(Compression::Lz4 as u8, 2, &bomb)
}

/// The header of a frame of LZ4 that says it holds `size` bytes.
fn sized_header(info: FrameInfo, size: u64) -> Vec<u8> {
    let mut encoder = FrameEncoder::with_frame_info(info.content_size(Some(size)), Vec::new());
    encoder.write_all(b"x").unwrap();
    encoder.flush().unwrap();
    let mut header = encoder.get_ref().clone();
    header.truncate(15);
    header
}

/// The most memory that this process has had so far, and the most it has asked for, in bytes.
#[cfg(target_os = "linux")]
fn peaks() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmHWM:", "VmPeak:"].map(|name| {
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)).unwrap();
        let kilobytes = line.trim().strip_suffix(" kB").unwrap();
        kilobytes.parse::<u64>().unwrap() * 1_024
    })
}

/// Not to be had: bombs are refused all the same.
#[cfg(not(target_os = "linux"))]
fn peaks() -> [u64; 2] {
    [0, 0]
}

type Bomb = (&'static str, fn() -> Vec<u8>);

const HONEST: Option<u64> = Some(1 << 30);
const LIE: Option<u64> = Some(MOST as u64);

const BOMBS: [Bomb; 11] = [
    ("zstd, honest", || zstd_bomb(None, HONEST)),
    ("zstd, silent", || zstd_bomb(Some(11), None)),
    ("zstd, a lie", || zstd_bomb(None, LIE)),
    ("zstd, a small lie", || zstd_bomb(Some(11), Some(10))),
    ("zstd, of a window of 128 MB", || zstd_bomb(Some(17), None)),
    ("zstd, of a window of 128 MB, and a lie", || {
        zstd_bomb(Some(17), LIE)
    }),
    ("LZ4, honest", || lz4_bomb(BlockSize::Max256KB, HONEST)),
    ("LZ4, silent", || lz4_bomb(BlockSize::Max256KB, None)),
    ("LZ4, a lie", || lz4_bomb(BlockSize::Max256KB, LIE)),
    ("LZ4, a small lie", || {
        lz4_bomb(BlockSize::Max256KB, Some(10))
    }),
    ("LZ4, of blocks of 4 MB", || {
        lz4_bomb(BlockSize::Max4MB, None)
    }),
];

/// Each in a process of its own, whose memory nobody else takes.
#[test]
fn a_bomb_is_refused_in_little_more_memory_than_a_value_may_take() {
    const BOMB: &str = "QUICKCACHE_TEST_BOMB";
    let this = "codec_hostile::a_bomb_is_refused_in_little_more_memory_than_a_value_may_take";
    let Ok(chosen) = std::env::var(BOMB) else {
        for (name, _) in BOMBS {
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let alone = alone.args(["--exact", this, "--nocapture"]).env(BOMB, name);
            let output = alone.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(
                output.status.success() && said.contains("1 passed"),
                "{name}: {said}"
            );
        }
        return;
    };
    let bomb = BOMBS.iter().find(|(name, _)| *name == chosen).unwrap().1();
    let codec = Codec::new(Options {
        max_decoded: MOST,
        ..options(None, &[])
    })
    .unwrap();
    let before = peaks();
    let read = codec.decode(b"k", &bomb, Format::Pickle, NOW);
    let after = peaks();
    // Not the payload: a gigabyte of it is no message.
    let read = read.map(|found| found.payload.len());
    let taken = std::array::from_fn::<_, 2, _>(|which| after[which] - before[which]);
    println!("{chosen}: {read:?}, {taken:?}");
    // What does not hold what it says need not be read so far.
    let is_true = chosen.ends_with("honest") || chosen.ends_with("silent");
    let is_too_large = matches!(read, Err(Undecodable::TooLarge { .. }));
    assert!(is_too_large || !is_true && read.is_err(), "{read:?}");
    // A value in room that was doubled once more than it took, and the window or the blocks that it is
    // decompressed by.
    let allowed = 2 * MOST as u64 + 4 * MEGABYTE;
    assert!(taken.iter().all(|&bytes| bytes < allowed), "{taken:?}");
}

/// Signed values, each with its key in the cache.
fn signed_values() -> Vec<(Vec<u8>, Vec<u8>)> {
    let zstd = Some(Compression::Zstd);
    // Of LZ4 only one: unoptimised, each reading of it takes 40 us.
    [
        None,
        None,
        None,
        None,
        zstd,
        zstd,
        zstd,
        zstd,
        Some(Compression::Lz4),
    ]
    .into_iter()
    .zip(0_u8..)
    .map(|(compression, number)| {
        let key = vec![b'k', number / 2];
        let payload = [&[number; 80][..], b"a value, a value, a value"].concat();
        let deadline = (number % 3 == 0).then_some(NOW + u64::from(number) + 1);
        let codec = codec(compression, &[ONE]);
        let stored = codec.encode(&key, Format::Pickle, payload, deadline);
        (key, stored.into_owned())
    })
    .collect()
}

/// A value and its key, changed in one of these ways.
fn change(way: usize, values: &[(Vec<u8>, Vec<u8>)], random: &mut TestRng) -> (Vec<u8>, Vec<u8>) {
    let mut below = |end: usize| random.next_u32() as usize % end;
    let (mut key, mut bytes) = values[below(values.len())].clone();
    let (other_key, other) = &values[below(values.len())];
    match way {
        0 => {
            let at = below(bytes.len());
            bytes[at] ^= 1 << below(8);
        }
        1 => bytes.truncate(below(bytes.len())),
        2 => key.clone_from(other_key),
        3 => random.fill_bytes(&mut bytes[3..4]), // the version
        4 => {
            let at = 3 + below(20);
            random.fill_bytes(&mut bytes[at..=at]); // another byte before the payload
        }
        5 => {
            bytes.resize(below(200), 0);
            random.fill_bytes(&mut bytes);
        }
        6 => {
            let at = below(bytes.len().min(other.len()));
            bytes.splice(at.., other[at..].iter().copied());
        }
        _ => random.fill_bytes(&mut bytes[23..]), // the payload and the signature
    }
    (key, bytes)
}

#[test]
fn of_a_hundred_thousand_changed_values_none_is_accepted_as_signed() {
    let signing = codec(None, &[OTHER, ONE]);
    let plain = codec(None, &[]);
    let values = signed_values();
    for (key, good) in &values {
        assert!(signing.decode(key, good, Format::Pickle, NOW).is_ok());
    }
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut accepted_unsigned = 0;
    for round in 0..100_000 {
        let changed = change(round % 8, &values, &mut random);
        let (key, bytes) = &changed;
        // A change may have changed nothing, or led to another of the values.
        let is_good = values.contains(&changed);
        let read = signing.decode(key, bytes, Format::Pickle, NOW);
        assert_eq!(is_good, read.is_ok(), "{changed:?}");
        if round % 7 == 0 {
            let touched = signing.with_deadline(key, bytes, None, NOW);
            assert_eq!(is_good, touched.is_ok(), "{changed:?}");
        }
        // Whoever asks for no signature reads more of it, and does not panic.
        let unsigned = plain.decode(key, bytes, Format::Pickle, NOW);
        accepted_unsigned += usize::from(unsigned.is_ok());
    }
    assert!(
        (20_000..80_000).contains(&accepted_unsigned),
        "{accepted_unsigned}"
    );
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::Pickle),
        Just(Format::Json),
        Just(Format::Msgpack),
        Just(Format::Custom)
    ]
}

fn compressions() -> impl Strategy<Value = Option<Compression>> {
    prop_oneof![
        Just(None),
        Just(Some(Compression::Zstd)),
        Just(Some(Compression::Lz4))
    ]
}

/// Payloads of all kinds: random bytes, what compresses, digits, and what looks like an envelope.
fn payloads() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..60);
    prop_oneof![
        bytes(),
        (bytes(), 0_usize..3_000).prop_map(|(bytes, times)| bytes.repeat(times)),
        any::<i128>().prop_map(|number| (number >> 60).to_string().into_bytes()),
        any::<i16>().prop_map(|number| number.to_string().into_bytes()),
        bytes().prop_map(|bytes| [&b"\xC1qc\x01"[..], &bytes].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_read_back_by_whoever_has_the_keys(
        payload in payloads(),
        format in formats(),
        written in compressions(),
        configured in compressions(),
        is_signed in any::<bool>(),
        deadline in prop::option::of(NOW + 1..),
        tail in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let keys = if is_signed { &[ONE][..] } else { &[] };
        let (writer, reader) = (codec(written, keys), codec(configured, keys));
        let stored = writer.encode(b"k", format, &payload, deadline);
        let is_enveloped = stored.starts_with(b"\xC1qc");
        let mut found = stored.into_owned();
        if is_enveloped {
            found.extend(tail);
        }
        let decoded = reader.decode(b"k", &found, format, NOW).unwrap();
        prop_assert_eq!(format, decoded.format);
        prop_assert_eq!(deadline.filter(|_| is_signed), decoded.expires_at_ms);
        prop_assert_eq!(payload, decoded.payload.into_owned());
    }

    #[test]
    fn any_integer_is_read_back(number in any::<i64>(), is_signed in any::<bool>()) {
        let codec = codec(None, if is_signed { &[ONE] } else { &[] });
        let digits = number.to_string();
        let stored = codec.encode(b"k", Format::Integer, digits.as_bytes(), None);
        let decoded = codec.decode(b"k", &stored, Format::Json, NOW).unwrap();
        prop_assert_eq!((Format::Integer, digits.as_bytes()), (decoded.format, &*decoded.payload));
    }
}
