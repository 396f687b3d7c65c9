//! Values are read back from their envelopes, and of what was changed or made up nothing is taken for signed.
#![no_main]

use std::borrow::Cow;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use quickcache::codec::compression::Compression;
use quickcache::codec::signing::SigningKey;
use quickcache::codec::{Codec, Format, Options, Undecodable};

const MOST: usize = 64 * 1024;
const FORMATS: [Format; 4] = [
    Format::Pickle,
    Format::Json,
    Format::Msgpack,
    Format::Custom,
];

/// Without signing keys and with them; for each no compression, zstd and LZ4.
static CODECS: LazyLock<[[Codec; 3]; 2]> = LazyLock::new(|| {
    [false, true].map(|is_signing| {
        [None, Some(Compression::Zstd), Some(Compression::Lz4)].map(|compression| {
            let keys = [&b"0123456789abcdef"[..], b"fedcba9876543210"];
            let keys = keys.into_iter().filter(|_| is_signing);
            Codec::new(Options {
                compression,
                compress_above: 30,
                signing_keys: keys.map(SigningKey::new).collect(),
                max_decoded: MOST,
            })
            .unwrap()
        })
    })
});

#[derive(Debug, arbitrary::Arbitrary)]
struct Input {
    payload: Vec<u8>,
    /// The payload is as many of it: something to compress.
    times: u8,
    format: u8,
    compression: u8,
    name: Vec<u8>,
    deadline: Option<u64>,
    now: u64,
    /// At which byte the envelope is changed, and by what.
    change: (u16, u8),
    /// Bytes that somebody has left in the cache.
    found: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let [plain, signing] = [0, 1].map(|which| &CODECS[which][usize::from(input.compression % 3)]);
    let format = FORMATS[usize::from(input.format % 4)];
    let payload = input.payload.repeat(usize::from(input.times));
    let (name, now) = (&input.name[..], input.now);

    for codec in [plain, signing] {
        let mut stored = codec
            .encode(name, format, &payload, input.deadline)
            .into_owned();
        if stored.starts_with(b"\xC1qc") {
            stored.extend_from_slice(&input.found);
        }
        // A deadline of 0 is kept as 1, since 0 is none.
        let is_over =
            std::ptr::eq(codec, signing) && input.deadline.is_some_and(|end| end.max(1) <= now);
        match codec.decode(name, &stored, format, now) {
            Ok(decoded) => {
                assert!(!is_over);
                assert_eq!((format, &payload[..]), (decoded.format, &*decoded.payload));
            }
            Err(reason) => assert!(is_over && reason == Undecodable::Expired, "{reason}"),
        }
    }

    let mut changed = signing
        .encode(name, format, &payload, input.deadline)
        .into_owned();
    let at = usize::from(input.change.0) % changed.len();
    changed[at] ^= input.change.1.max(1);
    assert!(signing.decode(name, &changed, format, now).is_err());
    assert!(
        signing
            .with_deadline(name, &changed, input.deadline, now)
            .is_err()
    );
    look(plain, name, &changed, format, now);

    assert!(signing.decode(name, &input.found, format, now).is_err());
    look(plain, name, &input.found, format, now);
    // The same as what is in an envelope: nearly all that is made up is none.
    let length = (input.found.len() as u64).to_be_bytes();
    let codes = [input.compression % 4, 2, 0];
    let wrapped = [&b"\xC1qc\x01"[..], &codes, &[0; 8], &length, &input.found].concat();
    look(plain, name, &wrapped, Format::Pickle, now);
});

/// What is read without signatures is no copy of more than is allowed.
fn look(codec: &Codec, name: &[u8], bytes: &[u8], format: Format, now: u64) {
    if let Ok(decoded) = codec.decode(name, bytes, format, now) {
        match decoded.payload {
            Cow::Borrowed(payload) => assert!(payload.len() <= bytes.len()),
            Cow::Owned(payload) => assert!(payload.len() <= MOST),
        }
    }
}
