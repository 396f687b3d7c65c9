//! Leases: what stands under a key while its value is computed, and says whether it still may be stored.
//!
//! A lease lies in the key itself. So whatever deletes the key, by whichever program, voids it; and what was
//! computed under it is stored only while it is there. In a key without a value it is a **placeholder**: the
//! pickle of Ellipsis, which quickcache 0.5.4 takes for a miss, and behind it the lease's token. Pickle
//! ignores what follows its end. In a key whose value is to be replaced, the token is put behind the value,
//! where readers ignore it as well.

/// The pickle of Ellipsis, as short as protocol 5 has it.
const ELLIPSIS: &[u8] = b"\x80\x05cbuiltins\nEllipsis\n.";
/// What a token ends with. Neither a pickle nor an integer ends so.
pub const SEAL: [u8; 4] = *b"\xc1qcl";
/// The length of a token.
pub const TOKEN: usize = 20;

/// The right to store one value, as long as the key has not been cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    token: [u8; TOKEN],
    /// Whether it may be behind a value, which is to be replaced.
    is_behind_value: bool,
}

impl Lease {
    /// A lease like no other. An error if the system has no random numbers to give.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut token = [0; TOKEN];
        let (random, seal) = token.split_at_mut(TOKEN - SEAL.len());
        getrandom::fill(random)?;
        seal.copy_from_slice(&SEAL);
        Ok(Self {
            token,
            is_behind_value: false,
        })
    }

    /// The same, to be put behind a value.
    #[must_use]
    pub fn behind_value(self) -> Self {
        Self {
            is_behind_value: true,
            ..self
        }
    }

    /// Whether it may be behind a value, which is to be replaced.
    pub fn is_behind_value(&self) -> bool {
        self.is_behind_value
    }

    /// What a key ends with while the lease is in it.
    pub fn token(&self) -> &[u8] {
        &self.token
    }

    /// What a key without a value holds.
    pub fn placeholder(&self) -> Vec<u8> {
        [ELLIPSIS, &self.token].concat()
    }

    /// The lease of a placeholder; None for all other bytes.
    pub fn of_placeholder(bytes: &[u8]) -> Option<Self> {
        let token: [u8; TOKEN] = bytes.strip_prefix(ELLIPSIS)?.try_into().ok()?;
        token.ends_with(&SEAL).then_some(Self {
            token,
            is_behind_value: false,
        })
    }
}

/// Whether the bytes are a placeholder, or any other pickle of Ellipsis in as few bytes: no value.
pub fn is_placeholder(bytes: &[u8]) -> bool {
    bytes.starts_with(ELLIPSIS)
}

/// What every placeholder begins with.
pub fn placeholder_head() -> &'static [u8] {
    ELLIPSIS
}
