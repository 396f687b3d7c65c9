//! Sentinels: who the primary is at the moment.

use std::time::Instant;

use redis::Value;

use super::client::said;
use super::config::Address;
use super::connection::named_address;
use super::node::Node;
use crate::tier::server::{Failure, FailureKind};

/// The primary of a service, as one of the sentinels knows it, asked in turn.
///
/// Each has its share of the time that is left, so that one that does not answer leaves some to the others.
pub(super) fn primary(
    sentinels: &[&Node],
    service: &str,
    until: Instant,
) -> Result<Address, Failure> {
    let mut last = Failure::new(FailureKind::Unreachable, "there is no sentinel to ask").unsent();
    for (place, sentinel) in sentinels.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(sentinels.len() - place).unwrap_or(u32::MAX);
        match ask(sentinel, service, Instant::now() + share) {
            Ok(address) => return Ok(address),
            Err(failure) => last = failure.unsent(),
        }
    }
    Err(last)
}

fn ask(sentinel: &Node, service: &str, until: Instant) -> Result<Address, Failure> {
    let mut command = redis::cmd("SENTINEL");
    command.arg("get-master-addr-by-name").arg(service);
    let mut connection = sentinel.connect(until, || {})?;
    connection.send(&command.get_packed_command(), 1, until)?;
    let replies = connection.receive(until)?;
    let asked = &sentinel.endpoint.address;
    let problem = match replies.as_slice() {
        [Value::Array(parts)] => match parts.as_slice() {
            [Value::BulkString(host), Value::BulkString(port)] => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                if let Ok(port) = text(port).parse() {
                    return Ok(named_address(&text(host), port, asked));
                }
                "names no port".to_owned()
            }
            _ => "answers in another form".to_owned(),
        },
        [Value::Nil] => format!("knows no service '{service}'"),
        [Value::ServerError(error)] => format!("says: {}", said(error)),
        _ => "answers in another form".to_owned(),
    };
    let text = format!("the sentinel {asked} {problem}");
    Err(Failure::new(FailureKind::Unreachable, text))
}
