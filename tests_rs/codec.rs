//! The codec: what is stored of a value, and read back.

use std::borrow::Cow;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng};
use quickcache::codec::compression::Compression;
use quickcache::codec::signing::SigningKey;
use quickcache::codec::{Codec, Decoded, Format, Options, Undecodable};
use quickcache::error::Error;

const NAME: &[u8] = b":1:k";
pub(crate) const NOW: u64 = 1_700_000_000_000;
const LATER: u64 = 1_800_000_000_000;
pub(crate) const ONE: &[u8] = b"0123456789abcdef";
pub(crate) const OTHER: &[u8] = b"fedcba9876543210, a longer one";
pub(crate) const HEADER: usize = 23;
pub(crate) const MAC: usize = 32;
/// The pickle of 1.
pub(crate) const PICKLE: &[u8] = b"\x80\x05K\x01.";
pub(crate) const BOTH: [Compression; 2] = [Compression::Zstd, Compression::Lz4];

pub(crate) fn options(compression: Option<Compression>, keys: &[&[u8]]) -> Options {
    Options {
        compression,
        compress_above: 100,
        signing_keys: keys.iter().map(|&key| SigningKey::new(key)).collect(),
        max_decoded: 1 << 20,
    }
}

pub(crate) fn codec(compression: Option<Compression>, keys: &[&[u8]]) -> Codec {
    Codec::new(options(compression, keys)).unwrap()
}

pub(crate) fn plain() -> Codec {
    codec(None, &[])
}

pub(crate) fn signing() -> Codec {
    codec(None, &[ONE])
}

/// What is stored of a pickle.
pub(crate) fn stored(codec: &Codec, payload: &[u8]) -> Vec<u8> {
    let stored = codec.encode(NAME, Format::Pickle, payload, Some(LATER));
    stored.into_owned()
}

pub(crate) fn read<'a>(codec: &Codec, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Undecodable> {
    let decoded = codec.decode(NAME, bytes, Format::Pickle, NOW)?;
    Ok(decoded.payload)
}

/// An unsigned envelope of our making.
pub(crate) fn envelope(compression: u8, format: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xC1qc\x01".to_vec();
    bytes.extend([compression, format, 0]);
    bytes.extend(0_u64.to_be_bytes());
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn text() -> Vec<u8> {
    b"what is said twice, ".repeat(50)
}

#[test]
fn what_is_neither_compressed_nor_signed_is_stored_as_it_is() {
    for codec in [plain(), codec(Some(Compression::Zstd), &[])] {
        let stored = codec.encode(NAME, Format::Pickle, PICKLE, Some(LATER));
        assert!(matches!(stored, Cow::Borrowed(PICKLE)));
        assert_eq!(
            b"-7",
            &*codec.encode(NAME, Format::Integer, &b"-7"[..], None)
        );
    }
}

#[test]
fn digits_are_an_integer_whatever_the_serializer() {
    let is_integer = |bytes: &[u8]| {
        let decoded = plain().decode(NAME, bytes, Format::Json, NOW).unwrap();
        assert_eq!(bytes, &*decoded.payload);
        decoded.format == Format::Integer
    };
    for digits in ["0", "-7", "9223372036854775807", "-9223372036854775808"] {
        assert!(is_integer(digits.as_bytes()), "{digits}");
    }
    for text in [
        "",
        "-",
        "+7",
        "--7",
        "7.0",
        " 7",
        "7\n",
        "1_0",
        "9223372036854775808",
        "\u{664}",
    ] {
        assert!(!is_integer(text.as_bytes()), "{text}");
    }
}

#[test]
fn what_would_be_taken_for_something_else_is_in_an_envelope() {
    for (format, code, payload) in [
        (Format::Msgpack, 4, &b"1"[..]),
        (Format::Custom, 5, b"-42"),
        (Format::Custom, 5, b"\xC1qc, our own"),
    ] {
        let stored = plain().encode(NAME, format, payload, None);
        assert_eq!(envelope(0, code, payload), *stored);
        let decoded = plain().decode(NAME, &stored, format, NOW).unwrap();
        assert_eq!((format, payload), (decoded.format, &*decoded.payload));
    }
}

#[test]
fn an_envelope_is_what_the_documentation_says() {
    // The signature was computed by Python's hmac, by the table in docs/envelope.md.
    let spelled_out = [
        &b"\xC1qc"[..],
        b"\x01",
        b"\x00",
        b"\x02",
        b"\x01",
        b"\x00\x00\x01\xA3\x18\x5C\x50\x00",
        b"\x00\x00\x00\x00\x00\x00\x00\x05",
        PICKLE,
        b"\xA9\xB2\xE7\x7C\x1C\x98\xE1\x59\x56\x22\xDE\x7A\x0E\xA5\x1A\xEF",
        b"\x2C\x3E\x75\x75\x96\x78\x2B\xC8\x3A\x26\x0D\x7A\x2C\x62\x64\x6D",
    ]
    .concat();
    assert_eq!(spelled_out, stored(&signing(), PICKLE));
    assert_eq!(
        Ok(Decoded {
            format: Format::Pickle,
            payload: Cow::Borrowed(PICKLE),
            expires_at_ms: Some(LATER),
        }),
        signing().decode(NAME, &spelled_out, Format::Pickle, NOW)
    );
}

#[test]
fn a_payload_is_compressed_above_the_threshold_and_only_if_that_makes_it_smaller() {
    let mut noise = vec![0; 2_000];
    TestRng::deterministic_rng(RngAlgorithm::ChaCha).fill_bytes(&mut noise);
    for compression in BOTH {
        let codec = codec(Some(compression), &[]);
        let compressed = stored(&codec, &text());
        assert!(compressed.len() < text().len() / 4);
        assert_eq!([0xC1, compression as u8], [compressed[0], compressed[4]]);
        assert_eq!(text(), *read(&plain(), &compressed).unwrap());
        for payload in [&[b'a'; 100][..], &noise] {
            assert_eq!(payload, stored(&codec, payload));
        }
        assert!(stored(&codec, &[b'a'; 101]).len() < 101);
    }
}

#[test]
fn what_could_not_be_read_back_is_not_compressed() {
    let small = Options {
        max_decoded: 999,
        ..options(Some(Compression::Zstd), &[])
    };
    let codec = Codec::new(small).unwrap();
    assert_eq!(text(), stored(&codec, &text()));
}

#[test]
fn any_key_is_good_for_reading_and_the_first_one_signs() {
    let [old, new] = [&[ONE][..], &[OTHER]].map(|keys| codec(None, keys));
    let both = codec(None, &[OTHER, ONE]);
    let by_old = stored(&old, PICKLE);
    assert_eq!(PICKLE, &*read(&both, &by_old).unwrap());
    assert_eq!(Err(Undecodable::BadSignature), read(&new, &by_old));
    let by_both = stored(&both, PICKLE);
    assert_eq!(stored(&new, PICKLE), by_both);
    assert_eq!(Err(Undecodable::BadSignature), read(&old, &by_both));
}

#[test]
fn a_key_of_few_bytes_is_an_error_that_says_so() {
    let error = Codec::new(options(None, &[ONE, b"fifteen bytes.."])).unwrap_err();
    let expected = Error::ShortSigningKey {
        place: 1,
        given: 15,
        least: 16,
    };
    assert_eq!(expected, error);
    assert_eq!(
        "signing_keys[1] has 15 bytes, and must have at least 16: secrets.token_bytes(32) makes a good one",
        error.to_string()
    );
}

#[test]
fn no_key_is_shown() {
    let shown = format!("{:?} {:?}", options(None, &[ONE]), signing());
    assert!(
        shown.contains("SigningKey(..)") && shown.contains("1 keys"),
        "{shown}"
    );
    for key in ["0123", "48, 49", "\\x30", "3031"] {
        assert!(!shown.contains(key), "{shown}");
    }
}

#[test]
fn with_keys_nothing_is_read_that_is_not_signed() {
    let made_up = envelope(0, 2, PICKLE);
    assert_eq!(PICKLE, &*read(&plain(), &made_up).unwrap());
    for bytes in [PICKLE, b"7", b"", &made_up] {
        assert_eq!(Err(Undecodable::Unsigned), read(&signing(), bytes));
    }
    let integer = signing().encode(NAME, Format::Integer, &b"7"[..], None);
    let decoded = signing()
        .decode(NAME, &integer, Format::Pickle, NOW)
        .unwrap();
    assert_eq!(
        (Format::Integer, &b"7"[..], None),
        (decoded.format, &*decoded.payload, decoded.expires_at_ms)
    );
}

#[test]
fn a_value_is_not_read_under_another_key_of_the_cache() {
    let stored = stored(&signing(), PICKLE);
    for name in [&b":1:j"[..], b":1:", b":1:k\0", b""] {
        let read = signing().decode(name, &stored, Format::Pickle, NOW);
        assert_eq!(Err(Undecodable::BadSignature), read);
    }
}

#[test]
fn parts_that_join_to_the_same_bytes_are_signed_differently() {
    // Eight bytes go from the end of the name to the front of the deadline's part, and so on.
    let mac = |name: &[u8], payload: &[u8]| {
        let stored = signing().encode(name, Format::Pickle, payload.to_vec(), None);
        stored[stored.len() - MAC..].to_vec()
    };
    assert_ne!(mac(b"ab", b"c"), mac(b"a", b"bc"));
    assert_ne!(mac(&[0; 16], b""), mac(&[0; 8], &[0; 8]));
}

#[test]
fn a_signed_deadline_ends_a_value_even_for_a_reader_without_keys() {
    let stored = stored(&signing(), PICKLE);
    for codec in [signing(), plain()] {
        let read = |now| {
            codec
                .decode(NAME, &stored, Format::Pickle, now)
                .map(|found| found.payload)
        };
        assert_eq!(Ok(Cow::Borrowed(PICKLE)), read(LATER - 1));
        assert_eq!(Err(Undecodable::Expired), read(LATER));
    }
    let ended_in_1970 = signing().encode(NAME, Format::Pickle, PICKLE, Some(0));
    assert_eq!(Err(Undecodable::Expired), read(&signing(), &ended_in_1970));
}

#[test]
fn a_format_that_is_not_expected_is_not_read() {
    for codec in [plain(), signing(), codec(Some(Compression::Lz4), &[])] {
        let pickle = codec.encode(NAME, Format::Pickle, [PICKLE, &text()].concat(), None);
        let read = codec.decode(NAME, &pickle, Format::Json, NOW);
        let other = Undecodable::OtherFormat {
            found: 2,
            expected: Format::Json,
        };
        // A bare one is what the serializer makes of it.
        let is_bare = pickle[0] != 0xC1;
        assert_eq!(if is_bare { None } else { Some(other) }, read.err());
    }
    for (bytes, expected) in [
        (
            envelope(0, 9, b"x"),
            Undecodable::OtherFormat {
                found: 9,
                expected: Format::Pickle,
            },
        ),
        (
            envelope(0, 0, b"x"),
            Undecodable::OtherFormat {
                found: 0,
                expected: Format::Pickle,
            },
        ),
        (envelope(3, 2, b"x"), Undecodable::UnknownCompression(3)),
        (
            envelope(0, 1, b"x"),
            Undecodable::Malformed("its integer is none of 64 bits"),
        ),
    ] {
        assert_eq!(Err(expected), read(&plain(), &bytes));
    }
}

#[test]
fn bytes_after_an_envelope_are_ignored() {
    let marked = |codec: &Codec| [stored(codec, &text()), vec![b'x'; 20]].concat();
    for codec in [
        signing(),
        codec(Some(Compression::Zstd), &[]),
        codec(Some(Compression::Lz4), &[ONE]),
    ] {
        assert_eq!(text(), *read(&codec, &marked(&codec)).unwrap());
    }
}

#[test]
fn a_touch_changes_the_deadline_and_nothing_else() {
    let both = codec(Some(Compression::Zstd), &[OTHER, ONE]);
    let old = [
        stored(&codec(Some(Compression::Zstd), &[ONE]), &text()),
        b"a mark".to_vec(),
    ]
    .concat();
    for (deadline, expected) in [(Some(LATER + 5), LATER + 5), (None, 0), (Some(0), 1)] {
        let touched = both.with_deadline(NAME, &old, deadline, NOW).unwrap();
        let (macs, payloads) = (old.len() - 6 - MAC, 15..old.len() - 6 - MAC);
        assert_eq!(expected.to_be_bytes(), touched[7..15]);
        assert_eq!(
            (&old[..7], &old[payloads.clone()]),
            (&touched[..7], &touched[payloads])
        );
        assert_ne!(old[macs..macs + MAC], touched[macs..macs + MAC]);
        assert_eq!(&old[macs + MAC..], &touched[macs + MAC..]);
        let by_first = codec(None, &[OTHER])
            .decode(NAME, &touched, Format::Pickle, 0)
            .unwrap();
        assert_eq!(text(), *by_first.payload);
        assert_eq!(expected, by_first.expires_at_ms.unwrap_or(0));
    }
}

#[test]
fn a_touch_makes_nothing_readable_that_was_not() {
    let good = stored(&signing(), PICKLE);
    let mut forged = good.clone();
    forged[HEADER] ^= 1;
    let touch = |codec: &Codec, bytes: &[u8], now| codec.with_deadline(NAME, bytes, None, now);
    assert_eq!(Err(Undecodable::Expired), touch(&signing(), &good, LATER));
    assert_eq!(
        Err(Undecodable::BadSignature),
        touch(&signing(), &forged, NOW)
    );
    assert_eq!(Err(Undecodable::Unsigned), touch(&signing(), PICKLE, NOW));
    assert_eq!(
        Err(Undecodable::Unsigned),
        touch(&signing(), &envelope(0, 2, PICKLE), NOW)
    );
    assert_eq!(
        Err(Undecodable::Truncated),
        touch(&signing(), &good[..good.len() - 1], NOW)
    );
    assert_eq!(Err(Undecodable::NoSigningKey), touch(&plain(), &good, NOW));
    for bytes in [PICKLE.to_vec(), envelope(0, 2, PICKLE)] {
        assert_eq!(Ok(bytes.clone()), touch(&plain(), &bytes, NOW));
    }
}

#[test]
fn reasons_say_nothing_of_keys_or_payloads() {
    let other = |found| Undecodable::OtherFormat {
        found,
        expected: Format::Json,
    };
    for (reason, text) in [
        (
            Undecodable::UnknownVersion(2),
            "its envelope has version 2, and this release reads version 1",
        ),
        (other(2), "it is pickle, not json"),
        (
            other(9),
            "its format has the unknown number 9, and json is read here",
        ),
        (
            Undecodable::TooLarge { most: 9 },
            "it decompresses to more than 9 bytes",
        ),
        (Undecodable::Expired, "its signed deadline has passed"),
    ] {
        assert_eq!(text, reason.to_string());
    }
}
