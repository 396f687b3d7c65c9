//! Reads replies in the servers' protocol, RESP 2 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>),
//! and what RESP 3 has beside it for what servers say unasked.
//!
//! The redis crate's parser can stop and go on anywhere, as asynchronous clients want it. To one that waits for the
//! rest it costs 0.15 us for each value of a list, copies values twice, and keeps what it has read beyond a reply.
//! This one reads a reply and no more, and a value's bytes to where they stay.

use std::io::{self, BufRead, ErrorKind, Read};

use redis::Value;

use crate::tier::server::{Failure, FailureKind};

/// How long a line may be. Servers write errors and statuses of some hundred bytes.
const LONGEST_LINE: u64 = 64 * 1024;
/// What Redis allows a value to have.
const LONGEST_BYTES: u64 = 512 * 1024 * 1024;
/// How many lists may be in one another. The answers to commands of ours have three.
const DEEPEST: usize = 16;
/// For so much there is room from the start, whatever length the server claims.
const ROOM: u64 = 1024 * 1024;

const NO_REPLY: &str = "it begins like no reply";

/// Reads replies one after the other.
pub struct Replies<'a, R> {
    stream: &'a mut R,
    is_resp3: bool,
    /// The line that was read last, without its end.
    line: Vec<u8>,
}

impl<'a, R: BufRead> Replies<'a, R> {
    /// The replies of a stream.
    pub fn of(stream: &'a mut R) -> Self {
        Self {
            stream,
            is_resp3: false,
            line: Vec::new(),
        }
    }

    /// The replies of a stream on which RESP 3 was agreed. Maps are read as lists, keys and values by turns, and so
    /// is what is said unasked.
    pub fn of_resp3(stream: &'a mut R) -> Self {
        Self {
            is_resp3: true,
            ..Self::of(stream)
        }
    }

    /// Read one. A `FailureKind::Protocol` for bytes that are none.
    pub fn read(&mut self) -> Result<Value, Failure> {
        self.read_in(0)
    }

    /// Read one within so many lists.
    fn read_in(&mut self, depth: usize) -> Result<Value, Failure> {
        self.check_kind()?;
        self.read_line()?;
        let (kind, rest) = self.line.split_at(1);
        match kind[0] {
            b'+' if rest == b"OK" => Ok(Value::Okay),
            b'+' => match std::str::from_utf8(rest) {
                Ok(status) => Ok(Value::SimpleString(status.to_owned())),
                Err(_) => Err(invalid("a status that is no text")),
            },
            b':' => number(rest).map(Value::Int),
            b'-' => error(&self.line),
            b'$' => match length(rest)? {
                None => Ok(Value::Nil),
                Some(length) => self.read_bytes(length).map(Value::BulkString),
            },
            b'*' | b'>' | b'~' | b'%' => {
                let each = if kind[0] == b'%' { 2 } else { 1 };
                match length(rest)? {
                    None => Ok(Value::Nil),
                    Some(_) if depth == DEEPEST => Err(invalid("too many lists in one another")),
                    Some(length) => {
                        let list = self.read_list(length.saturating_mul(each), depth + 1);
                        list.map(Value::Array)
                    }
                }
            }
            b'_' => Ok(Value::Nil),
            b'#' => Ok(Value::Boolean(rest == b"t")),
            _ => Err(invalid(NO_REPLY)),
        }
    }

    /// Do not wait for a line's end where no reply begins.
    fn check_kind(&mut self) -> Result<(), Failure> {
        loop {
            match self.stream.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
                Ok([]) => return Err(unreadable(&ErrorKind::UnexpectedEof.into())),
                Ok([b'+' | b':' | b'-' | b'$' | b'*', ..]) => return Ok(()),
                Ok([b'>' | b'~' | b'%' | b'_' | b'#', ..]) if self.is_resp3 => return Ok(()),
                Ok(_) => return Err(invalid(NO_REPLY)),
            }
        }
    }

    fn read_list(&mut self, length: u64, depth: usize) -> Result<Vec<Value>, Failure> {
        let room = ROOM / size_of::<Value>() as u64;
        let mut values = Vec::with_capacity(size(length.min(room)));
        for _ in 0..length {
            values.push(self.read_in(depth)?);
        }
        Ok(values)
    }

    fn read_line(&mut self) -> Result<(), Failure> {
        self.line.clear();
        let mut limited = self.stream.by_ref().take(LONGEST_LINE);
        limited
            .read_until(b'\n', &mut self.line)
            .map_err(|error| unreadable(&error))?;
        if self.line.ends_with(b"\r\n") {
            self.line.truncate(self.line.len() - 2);
            return Ok(());
        }
        if self.line.ends_with(b"\n") || limited.limit() == 0 {
            return Err(invalid("a line without its end"));
        }
        Err(unreadable(&ErrorKind::UnexpectedEof.into()))
    }

    fn read_bytes(&mut self, length: u64) -> Result<Vec<u8>, Failure> {
        if length > LONGEST_BYTES {
            return Err(invalid("a value of more than 512 MB"));
        }
        let whole = size(length) + 2;
        let mut bytes = Vec::new();
        while bytes.len() < whole {
            let begin = bytes.len();
            bytes.resize(whole.min(begin + size(ROOM)), 0);
            let read = self.stream.read_exact(&mut bytes[begin..]);
            read.map_err(|error| unreadable(&error))?;
        }
        if !bytes.ends_with(b"\r\n") {
            return Err(invalid("a value that goes on after its end"));
        }
        bytes.truncate(whole - 2);
        Ok(bytes)
    }
}

/// An error, which the redis crate takes apart.
fn error(line: &[u8]) -> Result<Value, Failure> {
    let whole = [line, b"\r\n"].concat();
    redis::parse_redis_value(&whole).map_err(|_| invalid("an error that is no text"))
}

fn number(digits: &[u8]) -> Result<i64, Failure> {
    let digits = std::str::from_utf8(digits).ok();
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| invalid("a number that is none"))
}

/// How much there is; None: not even nothing.
fn length(digits: &[u8]) -> Result<Option<u64>, Failure> {
    match number(digits)? {
        -1 => Ok(None),
        length => match u64::try_from(length) {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err(invalid("a length below 0")),
        },
    }
}

fn size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

fn invalid(what: &'static str) -> Failure {
    let text = format!("the server's answer cannot be read: {what}");
    Failure::new(FailureKind::Protocol, text)
}

fn unreadable(error: &io::Error) -> Failure {
    if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) {
        return Failure::new(FailureKind::Timeout, "the server did not answer in time");
    }
    let text = format!("the server's answer cannot be read: {error}");
    Failure::new(FailureKind::Unreachable, text)
}
