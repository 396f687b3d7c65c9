//! The packed key: a wire key in few bytes, what the memory tier keeps.
//!
//! `pack` is one-to-one: equal packed keys have equal texts. It goes by the text alone, so that a
//! key made by a decorated function and the same text given by hand meet.
//!
//! - A prefix `quickcache.NAME.HASH/` becomes the byte 0xF5 and a number it was given when first
//!   seen (LEB128). After 65,536 prefixes, new ones stay text.
//! - A code of a letter and 32 hexadecimal digits, at the start of a part, becomes one byte for the
//!   letter and 16 for the digits.
//! - All else stays as it is. No byte of UTF-8 is 0xF5 or more, so nothing is mistaken.

use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use smallvec::SmallVec;

use crate::gate;

const INTERNED: u8 = 0xF5;
const HASHED: u8 = 0xF8;
const LETTERS: &[u8; 8] = b"uLDSHEpQ";
const MOST_PREFIXES: usize = 65_536;
const INLINE: usize = 22;

/// A key in its packed form, without allocation up to 22 bytes.
#[derive(Clone)]
pub struct PackedKey(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, bytes: [u8; INLINE] },
    Boxed(Box<[u8]>),
}

impl PackedKey {
    /// Pack a key's text: UTF-8, or its extension to lone surrogates.
    pub fn pack(text: &[u8]) -> Self {
        let (mut packed, rest) = begin(text);
        pack_parts(&mut packed, rest);
        Self::from_bytes(&packed)
    }

    fn from_bytes(packed: &[u8]) -> Self {
        let mut bytes = [0; INLINE];
        match (bytes.get_mut(..packed.len()), u8::try_from(packed.len())) {
            (Some(inline), Ok(len)) => {
                inline.copy_from_slice(packed);
                Self(Repr::Inline { len, bytes })
            }
            _ => Self(Repr::Boxed(packed.into())),
        }
    }

    /// The packed form.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Boxed(bytes) => bytes,
        }
    }

    /// Memory taken beyond the key's own place, in bytes.
    pub fn heap_size(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Boxed(bytes) => bytes.len(),
        }
    }

    /// The text that was packed.
    pub fn unpack(&self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut bytes = self.as_bytes();
        if let [INTERNED, rest @ ..] = bytes {
            let (number, after) = read_leb128(rest);
            text.extend_from_slice(&PREFIXES.text_of(number));
            bytes = after;
        }
        while let [byte, rest @ ..] = bytes {
            if let Some(letter) = byte.checked_sub(HASHED).map(|i| LETTERS[usize::from(i)]) {
                let (digits, after) = rest.split_at(16);
                text.push(letter);
                for digit in digits {
                    text.extend_from_slice(format!("{digit:02x}").as_bytes());
                }
                bytes = after;
            } else {
                text.push(*byte);
                bytes = rest;
            }
        }
        text
    }
}

impl PartialEq for PackedKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PackedKey {}

impl Hash for PackedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for PackedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedKey({})", String::from_utf8_lossy(&self.unpack()))
    }
}

/// What stands before the codes in all keys of one function, packed once.
#[derive(Debug)]
pub struct KeyPrefix {
    text: Box<str>,
    /// None where the text alone does not say how a whole key begins.
    packed: Option<Packed>,
}

impl KeyPrefix {
    /// Of a function's prefix, `NAME.HASH`.
    pub fn new(prefix: &str) -> Self {
        let text = format!("quickcache.{prefix}/");
        let packed = match begin(text.as_bytes()) {
            (packed, []) => Some(packed),
            _ => None,
        };
        Self {
            text: text.into(),
            packed,
        }
    }

    /// The text of the key with these codes.
    pub fn text(&self, codes: &str) -> String {
        [&self.text, codes].concat()
    }

    /// `PackedKey::pack` of the same text.
    pub fn pack(&self, codes: &str) -> PackedKey {
        let Some(packed) = &self.packed else {
            return PackedKey::pack(self.text(codes).as_bytes());
        };
        let mut packed = Packed::from_slice(packed);
        pack_parts(&mut packed, codes.as_bytes());
        PackedKey::from_bytes(&packed)
    }
}

/// Packed bytes as they are being written.
type Packed = SmallVec<[u8; 64]>;

/// Begin to pack a text; returns what is left of it.
fn begin(text: &[u8]) -> (Packed, &[u8]) {
    let mut packed = Packed::new();
    if let Some(len) = prefix_len(text)
        && let Some(number) = PREFIXES.number_of(&text[..len])
    {
        packed.push(INTERNED);
        push_leb128(&mut packed, number);
        return (packed, &text[len..]);
    }
    (packed, text)
}

/// The length of a decorated function's prefix, the `/` included.
fn prefix_len(text: &[u8]) -> Option<usize> {
    // 42 characters of a name are at most 168 bytes
    let rest = text.strip_prefix(b"quickcache.")?;
    let slash = rest.iter().take(168 + 10).position(|&byte| byte == b'/')?;
    let (_, hash) = rest[..slash].split_at_checked(slash.checked_sub(9)?)?;
    let is_prefix = hash[0] == b'.' && hash[1..].iter().all(|&byte| nibble(byte).is_some());
    is_prefix.then_some("quickcache.".len() + slash + 1)
}

fn pack_parts(packed: &mut Packed, mut text: &[u8]) {
    loop {
        if let Some((tag, digits, after)) = hashed_code(text) {
            packed.push(tag);
            packed.extend_from_slice(&digits);
            text = after;
        }
        let Some(end) = text.iter().position(|byte| matches!(byte, b',' | b'/')) else {
            packed.extend_from_slice(text);
            return;
        };
        let (part, rest) = text.split_at(end + 1);
        packed.extend_from_slice(part);
        text = rest;
    }
}

fn hashed_code(text: &[u8]) -> Option<(u8, [u8; 16], &[u8])> {
    let (letter, rest) = text.split_first()?;
    let tag = LETTERS
        .iter()
        .zip(HASHED..=u8::MAX)
        .find(|(known, _)| *known == letter)?
        .1;
    let (hex, after) = rest.split_at_checked(32)?;
    let mut digits = [0; 16];
    for (digit, pair) in digits.iter_mut().zip(hex.chunks_exact(2)) {
        *digit = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some((tag, digits, after))
}

fn nibble(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn push_leb128(bytes: &mut Packed, mut number: u32) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn read_leb128(bytes: &[u8]) -> (u32, &[u8]) {
    let mut number = 0;
    for (i, byte) in bytes.iter().enumerate() {
        number |= u32::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return (number, &bytes[i + 1..]);
        }
    }
    (number, &[])
}

static PREFIXES: LazyLock<Interner> = LazyLock::new(Interner::default);

/// Numbers given to prefixes, for the life of the process.
#[derive(Default)]
struct Interner(RwLock<Interned>);

#[derive(Default)]
struct Interned {
    numbers: HashMap<Arc<[u8]>, u32, ahash::RandomState>,
    texts: Vec<Arc<[u8]>>,
}

impl Interner {
    /// The prefix's number; a new one for a new prefix while there are any.
    fn number_of(&self, prefix: &[u8]) -> Option<u32> {
        let _pass = gate::enter();
        if let Some(&number) = self.0.read().numbers.get(prefix) {
            return Some(number);
        }
        let mut interned = self.0.write();
        if let Some(&number) = interned.numbers.get(prefix) {
            return Some(number);
        }
        if interned.texts.len() == MOST_PREFIXES {
            return None;
        }
        let number = u32::try_from(interned.texts.len()).ok()?;
        let text: Arc<[u8]> = prefix.into();
        interned.texts.push(Arc::clone(&text));
        interned.numbers.insert(text, number);
        Some(number)
    }

    fn text_of(&self, number: u32) -> Arc<[u8]> {
        Arc::clone(&self.0.read().texts[number as usize])
    }
}
