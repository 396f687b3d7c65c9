//! The wire key: byte for byte the text that quickcache 0.5 makes of a call's arguments.
//!
//! `quickcache.` + prefix + `/` (see `packed::KeyPrefix`) + one code per value, joined by `,`; more
//! than 150 characters of codes become `H` and their MD5. What a value's code is decides the caller who knows the value;
//! this module knows how codes are written and joined.

use md5::{Digest, Md5};

/// The most characters that codes may have before they are hashed.
pub const LONGEST_CODES: usize = 150;

/// The hexadecimal MD5 of some bytes.
pub fn md5_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(32);
    push_hex(&mut text, &Md5::digest(bytes));
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
        }
    }
}

/// A container whose elements' codes are hashed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// A list or a tuple: in order.
    List,
    /// A dict: its items as tuples, sorted by code.
    Dict,
    /// A set: sorted by code.
    Set,
}

impl Container {
    /// The letter of its code.
    pub fn letter(self) -> char {
        match self {
            Self::List => 'L',
            Self::Dict => 'D',
            Self::Set => 'S',
        }
    }

    /// Whether the elements' order is that of their codes.
    pub fn is_sorted(self) -> bool {
        self != Self::List
    }
}

/// Codes as they are being written, containers from the inside out in one buffer.
#[derive(Debug, Default)]
pub struct Codes {
    text: String,
    values: usize,
}

impl Codes {
    /// Room for the codes of a few values.
    pub fn new() -> Self {
        Self {
            text: String::with_capacity(LONGEST_CODES + 50),
            values: 0,
        }
    }

    /// A code of a letter (or several) and the MD5 of some bytes.
    pub fn hashed(&mut self, letter: char, bytes: &[u8]) {
        self.text.push(letter);
        push_hex(&mut self.text, &Md5::digest(bytes));
    }

    /// A code of some letters and a text.
    pub fn plain(&mut self, letters: &str, text: &str) {
        self.text.push_str(letters);
        self.text.push_str(text);
    }

    /// The code of an integer.
    pub fn number(&mut self, number: i64) {
        self.text.push('n');
        self.text.push_str(itoa::Buffer::new().format(number));
    }

    /// Begin a container.
    pub fn open(&self, container: Container) -> Open {
        Open {
            container,
            start: self.text.len(),
            count: 0,
            elements: Vec::new(),
        }
    }

    /// Begin an element of `open`; its code is written next.
    pub fn element(&mut self, open: &mut Open) {
        if open.container.is_sorted() {
            open.elements.push(self.text.len());
        } else if open.count > 0 {
            self.text.push(',');
        }
        open.count += 1;
    }

    /// Begin a value of the whole key; its code is written next.
    pub fn value(&mut self) {
        if self.values > 0 {
            self.text.push(',');
        }
        self.values += 1;
    }

    /// End a container: what was written since `open` becomes its one code.
    pub fn close(&mut self, open: &Open) {
        let mut hash = Md5::new();
        if open.container.is_sorted() {
            let ends = open
                .elements
                .iter()
                .skip(1)
                .copied()
                .chain([self.text.len()]);
            let mut codes: Vec<&str> = open
                .elements
                .iter()
                .zip(ends)
                .map(|(&start, end)| &self.text[start..end])
                .collect();
            codes.sort_unstable();
            for (i, code) in codes.iter().enumerate() {
                if i > 0 {
                    hash.update(b",");
                }
                hash.update(code.as_bytes());
            }
        } else {
            hash.update(&self.text.as_bytes()[open.start..]);
        }
        self.text.truncate(open.start);
        self.text.push(open.container.letter());
        push_hex(&mut self.text, &hash.finalize());
    }

    /// End a value for which another stands, whose code was written since `open`: hashed with the
    /// name of its class.
    pub fn close_substitute(&mut self, open: &Open, class: &str) {
        let code = self.text.split_off(open.start);
        self.hashed('Q', format!("{class},{code}").as_bytes());
    }

    /// The codes written so far.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key's part behind the `/`.
    pub fn into_codes(mut self) -> String {
        // 150 characters, not bytes: codes can hold text that is not ASCII.
        if self.text.len() > LONGEST_CODES && self.text.chars().count() > LONGEST_CODES {
            let hash = Md5::digest(self.text.as_bytes());
            self.text.clear();
            self.text.push('H');
            push_hex(&mut self.text, &hash);
        }
        self.text
    }
}

/// A container that has been begun.
#[derive(Debug)]
pub struct Open {
    container: Container,
    start: usize,
    count: usize,
    /// Where each element's code starts, if they are to be sorted.
    elements: Vec<usize>,
}
