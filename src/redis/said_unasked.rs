//! What servers say unasked: how they are asked to, and what it means.

use std::time::Instant;

use redis::{ServerError, Value};

use super::client::{refusal, said};
use super::connection::Connection;
use super::published;
use crate::tier::server::{Failure, FailureKind};

/// What came of asking.
pub(super) enum Asked {
    /// From here on, the server tells.
    Done,
    /// It never will.
    Refused(String),
}

/// Have the server tell of all keys that begin so, to this connection.
pub(super) fn track(
    connection: &mut Connection,
    prefixes: &[Vec<u8>],
    until: Instant,
) -> Result<Asked, Failure> {
    if let Err(error) = hello(connection, until)? {
        return refused(&error);
    }
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON").arg("BCAST");
    // One that is empty begins all keys, and to the server has to be left out.
    for prefix in prefixes.iter().filter(|prefix| !prefix.is_empty()) {
        tracking.arg("PREFIX").arg(prefix);
    }
    match only(connection.exchange(&tracking.get_packed_command(), 1, until)?) {
        Value::Okay => Ok(Asked::Done),
        Value::ServerError(error) => refused(&error),
        _ => Ok(Asked::Refused("it answers in another form".to_owned())),
    }
}

/// Have the server pass on what is said on these channels.
pub(super) fn subscribe(
    connection: &mut Connection,
    channels: &[Vec<u8>],
    until: Instant,
) -> Result<Asked, Failure> {
    if hello(connection, until)?.is_err() {
        connection.listen(false);
    }
    let mut packed = redis::cmd("SUBSCRIBE").arg(channels).get_packed_command();
    packed.extend(redis::cmd("PING").get_packed_command());
    connection.send(&packed, 1, until)?;
    loop {
        let reply = connection.hear(until)?;
        if let Value::ServerError(error) = &reply {
            return refused(error);
        }
        if let Heard::Answer = heard(reply)? {
            return Ok(Asked::Done);
        }
    }
}

/// Agree on RESP 3, in which a server says things unasked; or what the server has against it.
fn hello(connection: &mut Connection, until: Instant) -> Result<Result<(), ServerError>, Failure> {
    connection.listen(true);
    let hello = redis::cmd("HELLO").arg(3).get_packed_command();
    Ok(match only(connection.exchange(&hello, 1, until)?) {
        Value::ServerError(error) => Err(error),
        _ => Ok(()),
    })
}

fn only(replies: Vec<Value>) -> Value {
    replies.into_iter().next().unwrap_or_default()
}

/// What a server will say again; an error for what it says only now.
fn refused(error: &ServerError) -> Result<Asked, Failure> {
    let failure = refusal(error);
    if failure.kind == FailureKind::Refused {
        Ok(Asked::Refused(said(error)))
    } else {
        Err(failure)
    }
}

/// What a server said.
pub(super) enum Heard {
    /// These keys have changed.
    Keys(Vec<Vec<u8>>),
    /// Any key may have.
    All,
    /// The answer to a question.
    Answer,
    Nothing,
}

pub(super) fn heard(said: Value) -> Result<Heard, Failure> {
    let parts = match said {
        Value::Array(parts) => parts,
        Value::ServerError(error) => return Err(refusal(&error)),
        _ => return Ok(Heard::Answer),
    };
    let mut parts = parts.into_iter();
    let Some(Value::BulkString(kind)) = parts.next() else {
        return Ok(Heard::Nothing);
    };
    Ok(match (kind.as_slice(), parts.next(), parts.next()) {
        (b"invalidate", Some(Value::Array(keys)), _) => {
            let bytes = |key| match key {
                Value::BulkString(key) => Some(key),
                _ => None,
            };
            Heard::Keys(keys.into_iter().filter_map(bytes).collect())
        }
        (b"message", _, Some(Value::BulkString(message))) => {
            published::read(&message).map_or(Heard::All, Heard::Keys)
        }
        (b"invalidate" | b"message", ..) => Heard::All,
        (b"pong", ..) => Heard::Answer,
        _ => Heard::Nothing,
    })
}
