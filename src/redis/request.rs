//! Commands on their way to a server, packed.

use redis::Cmd;
use smallvec::SmallVec;

/// Some commands about one key, or about none, sent together.
#[derive(Debug, Clone)]
pub(super) struct Request {
    key: Option<Vec<u8>>,
    packed: Vec<u8>,
    /// Where each command ends.
    ends: SmallVec<[usize; 2]>,
    is_read: bool,
    is_repeatable: bool,
}

impl Request {
    /// One without commands so far, for the server that has the key, or for any.
    pub(super) fn new(key: Option<&[u8]>) -> Self {
        Self {
            key: key.map(<[u8]>::to_vec),
            packed: Vec::new(),
            ends: SmallVec::new(),
            is_read: false,
            is_repeatable: true,
        }
    }

    /// The same with one command more.
    pub(super) fn command(mut self, command: &Cmd) -> Self {
        command.write_packed_command(&mut self.packed);
        self.ends.push(self.packed.len());
        self
    }

    /// Add the commands of another.
    pub(super) fn append(&mut self, other: &Self) {
        let start = self.packed.len();
        self.packed.extend_from_slice(&other.packed);
        self.ends.extend(other.ends.iter().map(|end| start + end));
    }

    /// The same, which a replica may answer.
    pub(super) fn read(self) -> Self {
        Self {
            is_read: true,
            ..self
        }
    }

    /// The same, which must not be done twice.
    pub(super) fn once(self) -> Self {
        Self {
            is_repeatable: false,
            ..self
        }
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whether it may be sent again when no reply came.
    pub(super) fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    /// The commands as they are sent.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// How many replies there will be.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The same for a node that does not own the key yet: ASKING before each command; and how many replies
    /// there will be.
    pub(super) fn asking(&self) -> (Vec<u8>, usize) {
        let asking = redis::cmd("ASKING").get_packed_command();
        let mut packed = Vec::with_capacity(self.packed.len() + self.ends.len() * asking.len());
        let mut start = 0;
        for end in &self.ends {
            packed.extend_from_slice(&asking);
            packed.extend_from_slice(&self.packed[start..*end]);
            start = *end;
        }
        (packed, 2 * self.ends.len())
    }
}
