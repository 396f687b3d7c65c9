//! The local key: the values that a call varies on, in a few words, what a hit is looked up by.
//!
//! Each value is a tag of one byte and, where the tag says so, a length and a payload. So a
//! sequence of values reads in one way only, and two keys of as many values are equal if and only if
//! the values are. It is exact, never a hash. Equal local keys have equal wire keys; values that only
//! meet in the wire key (a text and its bytes) have different local ones.
//!
//! Bytes are gathered into words of 64 bits, on the stack up to 64 bytes: what is written in words
//! can be read in words at once, while bytes that were just written would first have to reach memory.

/// Words that a key may have without an allocation.
const ON_STACK: usize = 8;
/// Keys up to this many words are hashed by folding: 1 to 3 ns less than ahash.
const FOLDED: usize = 6;
/// The longest ASCII text whose length fits into its tag.
const SHORT: usize = 95;

/// A value without a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Constant {
    /// None.
    None = 1,
    /// True.
    True = 2,
    /// False.
    False = 3,
}

/// A text, by how its bytes are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Text {
    /// ASCII alone, more than fits the tag.
    Ascii = 4,
    /// UTF-8.
    Utf8 = 5,
    /// Bytes that are ASCII.
    Bytes = 6,
}

/// A container; its elements follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Container {
    /// A list or tuple.
    List = 7,
    /// A dict: keys and values by turns, in the dict's order.
    Dict = 8,
    /// A set or frozenset, in the set's order.
    Set = 9,
}

/// A payload of a fixed number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fixed {
    /// An integer of 32 bits.
    Small = 10,
    /// An integer of 64 bits that has no place in 32.
    Large = 11,
    /// A float, by its bits.
    Float = 12,
    /// A UUID.
    Uuid = 13,
    /// A datetime without time zone.
    Naive = 14,
    /// A datetime in UTC.
    Utc = 15,
}

/// A local key while it is being written.
#[derive(Debug)]
pub struct LocalKey {
    words: [u64; ON_STACK],
    used: usize,
    /// Bytes that do not yet fill a word, and how many bits they are.
    partial: u64,
    bits: u32,
    /// All words, once they are more than the stack takes.
    spilled: Vec<u64>,
}

impl Default for LocalKey {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(clippy::inline_always)] // so that what is being written stays in registers
impl LocalKey {
    /// No value yet.
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            words: [0; ON_STACK],
            used: 0,
            partial: 0,
            bits: 0,
            spilled: Vec::new(),
        }
    }

    /// A value that is its tag alone.
    #[inline(always)]
    pub fn constant(&mut self, constant: Constant) {
        self.put(constant as u64, 1);
    }

    /// An integer.
    #[inline(always)]
    pub fn integer(&mut self, value: i64) {
        if let Ok(small) = i32::try_from(value) {
            self.put(
                Fixed::Small as u64 | u64::from(small.cast_unsigned()) << 8,
                5,
            );
        } else {
            self.put(Fixed::Large as u64, 1);
            self.put(value.cast_unsigned(), 8);
        }
    }

    /// A payload of at most 16 bytes, as many as its tag always has.
    #[inline(always)]
    pub fn fixed(&mut self, tag: Fixed, payload: u128, bytes: u32) {
        #[allow(clippy::cast_possible_truncation)] // both halves are used
        let [low, high] = [payload as u64, (payload >> 64) as u64];
        self.put(tag as u64, 1);
        self.put(low, bytes.min(8));
        if bytes > 8 {
            self.put(high, bytes - 8);
        }
    }

    /// ASCII text.
    #[inline(always)]
    pub fn ascii(&mut self, text: &[u8]) {
        match u64::try_from(text.len()) {
            Ok(length) if length <= SHORT as u64 => {
                self.put(0x20 + length, 1);
                self.bytes(text);
            }
            _ => self.text(Text::Ascii, text),
        }
    }

    /// Text that ASCII does not tell, or that is too long for its tag.
    pub fn text(&mut self, tag: Text, text: &[u8]) {
        self.put(tag as u64, 1);
        self.put(text.len() as u64, 8);
        self.bytes(text);
    }

    /// The beginning of a container.
    #[inline(always)]
    pub fn container(&mut self, container: Container, elements: usize) {
        self.put(container as u64, 1);
        self.put(elements as u64, 8);
    }

    /// The low `bytes` bytes of a value whose others are 0: 1 to 8.
    #[inline(always)]
    fn put(&mut self, value: u64, bytes: u32) {
        let bits = self.bits + 8 * bytes;
        let word = self.partial | value << self.bits;
        if bits < 64 {
            self.partial = word;
            self.bits = bits;
        } else {
            self.push(word);
            // shifted by up to 64, which one shift cannot do
            self.partial = value >> 1 >> (63 - self.bits);
            self.bits = bits - 64;
        }
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.put(u64::from_le_bytes(*word), 8);
        }
        if let Some(bytes) = u32::try_from(rest.len()).ok().filter(|&bytes| bytes > 0) {
            self.put(short_word(rest), bytes);
        }
    }

    #[inline(always)]
    fn push(&mut self, word: u64) {
        if let Some(place) = self.words.get_mut(self.used) {
            *place = word;
        } else {
            self.spill(word);
        }
        self.used += 1;
    }

    #[cold]
    fn spill(&mut self, word: u64) {
        if self.spilled.is_empty() {
            self.spilled.reserve(4 * ON_STACK);
            self.spilled.extend_from_slice(&self.words);
        }
        self.spilled.push(word);
    }

    /// All values written: the words of the key.
    #[inline(always)]
    pub fn finish(&mut self) -> &[u64] {
        if self.bits > 0 {
            let partial = self.partial;
            self.push(partial);
            self.partial = 0;
            self.bits = 0;
        }
        if self.used > ON_STACK {
            &self.spilled
        } else {
            &self.words[..self.used]
        }
    }
}

/// The local key of one short value, made at once.
#[derive(Debug)]
pub struct ShortKey {
    words: [u64; SHORTEST],
    used: usize,
}

/// The most words of a short key.
const SHORTEST: usize = 5;

#[allow(clippy::inline_always)] // so that it stays in registers
impl ShortKey {
    /// The one word of the key of an integer; None if it takes more.
    #[inline(always)]
    pub fn integer(value: i64) -> Option<u64> {
        let small = i32::try_from(value).ok()?;
        Some(Fixed::Small as u64 | u64::from(small.cast_unsigned()) << 8)
    }

    /// The key of ASCII text; None if it takes more.
    #[inline(always)]
    pub fn ascii(text: &[u8]) -> Option<Self> {
        let length = text.len();
        if length >= 8 * SHORTEST {
            return None;
        }
        let mut words = [0; SHORTEST];
        let tag = 0x20 + length as u64;
        let Some((first, _)) = text.split_first_chunk::<8>() else {
            words[0] = tag | short_word(text) << 8;
            return Some(Self { words, used: 1 });
        };
        words[0] = tag | u64::from_le_bytes(*first) << 8;
        let (chunks, rest) = text[7..].as_chunks::<8>();
        for (word, chunk) in words[1..].iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        let mut used = 1 + chunks.len();
        if let Some(word) = words.get_mut(used).filter(|_| !rest.is_empty()) {
            *word = short_word(rest);
            used += 1;
        }
        Some(Self { words, used })
    }

    /// The words of the key.
    #[inline(always)]
    pub fn words(&self) -> &[u64] {
        &self.words[..self.used.min(SHORTEST)]
    }
}

/// Up to 7 bytes as the low ones of a word.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    let at = |place: usize| u64::from(bytes[place]);
    if let Some((low, _)) = bytes.split_first_chunk::<4>()
        && let Some((_, high)) = bytes.split_last_chunk::<4>()
    {
        let shift = 8 * (bytes.len() - 4);
        return u64::from(u32::from_le_bytes(*low)) | u64::from(u32::from_le_bytes(*high)) << shift;
    }
    match bytes.len() {
        3 => at(0) | at(1) << 8 | at(2) << 16,
        2 => at(0) | at(1) << 8,
        1 => at(0),
        _ => 0,
    }
}

/// Hashes local keys, in a way of its own for each process.
#[derive(Debug, Clone)]
pub struct LocalHasher {
    seed: u64,
    factor: u64,
    long: ahash::RandomState,
}

impl Default for LocalHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl LocalHasher {
    /// A hasher with secrets of its own.
    pub fn new() -> Self {
        let long = ahash::RandomState::new();
        Self {
            seed: long.hash_one(0_u8),
            factor: long.hash_one(1_u8) | 1,
            long,
        }
    }

    /// The hash of a key's words: short ones by folded multiplication, as in wyhash.
    #[inline]
    pub fn hash(&self, words: &[u64]) -> u64 {
        if words.len() > FOLDED {
            return self.long.hash_one(words);
        }
        words
            .iter()
            .fold(self.seed, |hash, word| fold(hash ^ word, self.factor))
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // both halves are used
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
