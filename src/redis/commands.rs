//! What a remote tier asks of its server, as commands of Redis.

use std::time::{Duration, Instant};

use redis::{Cmd, ServerErrorKind, Value};

use super::client::{Client, refusal};
use super::config::Address;
use super::published;
use super::request::Request;
use super::scripts::{self, Compiled};
use crate::clock::Timeout;
use crate::codec::ENVELOPE;
use crate::tier::breaker::Shard;
use crate::tier::lease::{self, Lease};
use crate::tier::server::{Condition, Failure, FailureKind, Server, Stored};

/// What pickles begin with from protocol 2 on.
const PICKLE: &[u8] = b"\x80";
/// What makes a pickle of digits and a line's end.
const PICKLED_INT: &[u8] = b"\x80\x05I";
/// How many keys a step of a clear looks at.
const SCANNED: usize = 1_000;

impl Server for Client {
    fn get(&self, key: &[u8], with_life: bool, until: Instant) -> Result<Option<Stored>, Failure> {
        let mut request = Request::new(Some(key))
            .command(redis::cmd("GET").arg(key))
            .read();
        if with_life {
            request = request.command(redis::cmd("PTTL").arg(key));
        }
        let mut replies = self.call(&request, until)?.into_iter();
        let Some(bytes) = bytes_of(replies.next())? else {
            return Ok(None);
        };
        let remaining = match replies.next() {
            None => None,
            Some(life) => match int_of(Some(life))? {
                -1 => Some(Timeout::FOREVER),
                // It was there at the moment before.
                ..0 => Some(Timeout::NONE),
                life => Some(Timeout::after(Duration::from_millis(life.unsigned_abs()))),
            },
        };
        Ok(Some(Stored { bytes, remaining }))
    }

    fn set(
        &self,
        key: &[u8],
        bytes: &[u8],
        life: Timeout,
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<bool, Failure> {
        let Some((tail, is_all)) = condition.ending() else {
            let mut set = set_command(key, bytes, life);
            let request = Request::new(Some(key));
            let request = if condition == Condition::Absent {
                // Done twice, it would find what it has put there itself.
                request.command(set.arg("NX")).once()
            } else {
                self.told(request.command(&set), [key])
            };
            return is_done(self.one(&request, until)?);
        };
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(tail).arg(u8::from(is_all)).arg(bytes);
            cmd.arg(milliseconds(life).unwrap_or(0));
        };
        let replaces = !matches!(condition, Condition::Leased(lease) if !lease.is_behind_value());
        let kind = Kind {
            is_once: false,
            replaces,
        };
        let reply = self.run_script(&scripts::SET_IF, key, arguments, kind, until)?;
        Ok(int_of(Some(reply))? == 1)
    }

    fn delete(&self, key: &[u8], until: Instant) -> Result<bool, Failure> {
        let request = Request::new(Some(key)).command(redis::cmd("DEL").arg(key));
        let request = self.told(request, [key]);
        Ok(int_of(Some(self.one(&request, until)?))? > 0)
    }

    fn delete_if(
        &self,
        key: &[u8],
        condition: Condition<'_>,
        until: Instant,
    ) -> Result<bool, Failure> {
        let Some((tail, is_all)) = condition.ending() else {
            return match condition {
                Condition::Absent => Ok(false),
                _ => self.delete(key, until),
            };
        };
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(tail).arg(u8::from(is_all));
        };
        let reply = self.run_script(&scripts::DELETE_IF, key, arguments, Kind::REPLACES, until)?;
        Ok(int_of(Some(reply))? == 1)
    }

    fn mark(
        &self,
        key: &[u8],
        lease: &Lease,
        life: Timeout,
        reads_pickles: bool,
        until: Instant,
    ) -> Result<(), Failure> {
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(lease.token()).arg(lease.placeholder());
            cmd.arg(milliseconds(life).unwrap_or(0))
                .arg(&lease::SEAL[..]);
            cmd.arg(PICKLE).arg(&ENVELOPE[..]);
            cmd.arg(if reads_pickles { PICKLED_INT } else { b"" });
        };
        let reply = self.run_script(&scripts::MARK, key, arguments, Kind::default(), until)?;
        int_of(Some(reply)).map(drop)
    }

    fn unvalue(&self, key: &[u8], life: Timeout, until: Instant) -> Result<bool, Failure> {
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(lease::placeholder_head()).arg(&lease::SEAL[..]);
            cmd.arg(lease::TOKEN).arg(milliseconds(life).unwrap_or(0));
        };
        let reply = self.run_script(&scripts::UNVALUE, key, arguments, Kind::REPLACES, until)?;
        Ok(int_of(Some(reply))? == 1)
    }

    fn touch(&self, key: &[u8], life: Option<Timeout>, until: Instant) -> Result<bool, Failure> {
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(lease::placeholder_head());
            match life {
                None => cmd.arg(""),
                Some(life) => cmd.arg(milliseconds(life).unwrap_or(0)),
            };
        };
        let kind = Kind {
            is_once: false,
            replaces: life.is_some(),
        };
        let reply = self.run_script(&scripts::TOUCH, key, arguments, kind, until)?;
        Ok(int_of(Some(reply))? == 1)
    }

    fn increment(&self, key: &[u8], by: i64, until: Instant) -> Result<Option<i64>, Failure> {
        let arguments = |cmd: &mut Cmd| {
            cmd.arg(lease::placeholder_head()).arg(by);
        };
        let kind = Kind {
            is_once: true,
            replaces: true,
        };
        let reply = self.run_script(&scripts::INCREMENT, key, arguments, kind, until)?;
        let digits = match reply {
            Value::Nil => return Ok(None),
            Value::BulkString(digits) => digits,
            reply => return int_of(Some(reply)).map(Some),
        };
        let sum = std::str::from_utf8(&digits)
            .ok()
            .and_then(|sum| sum.parse().ok());
        sum.map(Some)
            .ok_or_else(|| unexpected(&Value::BulkString(digits)))
    }

    fn get_many(&self, keys: &[Vec<u8>], until: Instant) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        if !self.is_cluster() {
            let mut mget = redis::cmd("MGET");
            mget.arg(keys);
            let reply = self.one(&Request::new(None).command(&mget).read(), until)?;
            let Value::Array(values) = reply else {
                return Err(unexpected(&reply));
            };
            if values.len() != keys.len() {
                return Err(unexpected(&Value::Array(values)));
            }
            return values
                .into_iter()
                .map(|value| bytes_of(Some(value)))
                .collect();
        }
        let get = |key: &Vec<u8>| Request::new(Some(key)).command(redis::cmd("GET").arg(key));
        let replies = self.each(keys.iter().map(get).collect(), until)?;
        replies
            .into_iter()
            .map(|reply| bytes_of(Some(reply)))
            .collect()
    }

    fn set_many(
        &self,
        items: &[(Vec<u8>, Vec<u8>)],
        life: Timeout,
        until: Instant,
    ) -> Result<(), Failure> {
        let set = |request: Request, (key, bytes): &(Vec<u8>, Vec<u8>)| {
            request.command(&set_command(key, bytes, life))
        };
        let replies = if self.is_cluster() {
            let alone = |item: &(Vec<u8>, Vec<u8>)| set(Request::new(Some(&item.0)), item);
            let told = |item| self.told(alone(item), [item.0.as_slice()]);
            self.each(items.iter().map(told).collect(), until)?
        } else {
            let request = items.iter().fold(Request::new(None), set);
            let request = self.told(request, items.iter().map(|(key, _)| key.as_slice()));
            self.answers(&request, until)?
        };
        replies
            .into_iter()
            .take(items.len())
            .try_for_each(|reply| is_done(reply).map(drop))
    }

    fn delete_many(&self, keys: &[Vec<u8>], until: Instant) -> Result<u64, Failure> {
        if !self.is_cluster() {
            let mut del = redis::cmd("DEL");
            del.arg(keys);
            let request = Request::new(None).command(&del);
            let request = self.told(request, keys.iter().map(Vec::as_slice));
            let reply = self.one(&request, until)?;
            return int_of(Some(reply)).map(i64::unsigned_abs);
        }
        let del = |key: &Vec<u8>| {
            let request = Request::new(Some(key)).command(redis::cmd("DEL").arg(key));
            self.told(request, [key.as_slice()])
        };
        let replies = self.each(keys.iter().map(del).collect(), until)?;
        replies
            .into_iter()
            .map(|reply| int_of(Some(reply)).map(i64::unsigned_abs))
            .sum()
    }

    fn clear(&self, prefix: &[u8], deadline: Duration) -> Result<(), Failure> {
        for primary in self.primaries(Instant::now() + deadline)? {
            if prefix.is_empty() {
                let request = Request::new(None).command(&redis::cmd("FLUSHDB"));
                let request = match self.publishing() {
                    None => request,
                    Some((_, channel)) => published_on(request, channel, published::all()),
                };
                self.call_at(&primary, &request, Instant::now() + deadline)?;
            } else {
                self.clear_at(&primary, prefix, deadline)?;
            }
        }
        Ok(())
    }

    fn ping(&self, until: Instant) -> Result<(), Failure> {
        let request = Request::new(None).command(&redis::cmd("PING"));
        for primary in self.primaries(until)? {
            self.call_at(&primary, &request, until)?;
        }
        Ok(())
    }

    fn shard(&self, key: &[u8]) -> Shard {
        self.shard_of(key)
    }

    fn probe(&self, shard: Shard, until: Instant) -> Result<(), Failure> {
        if self.is_cluster() {
            return self.probe_shard(shard, until);
        }
        self.forget();
        self.ping(until)
    }

    fn close(&self) {
        self.close_idle();
    }

    fn connections(&self) -> u64 {
        self.connections_made()
    }
}

impl Client {
    /// Send a request that has one reply, and have that.
    fn one(&self, request: &Request, until: Instant) -> Result<Value, Failure> {
        let replies = self.answers(request, until)?;
        checked(replies.into_iter().next().unwrap_or_default())
    }

    /// The same request, and others told of the keys that it changes, if they are: after it, in the same write.
    fn told<'a>(&self, request: Request, keys: impl IntoIterator<Item = &'a [u8]>) -> Request {
        match self.publishing() {
            None => request,
            Some((_, channel)) => published_on(request, channel, published::write(keys)),
        }
    }

    /// The replies to a request, the last of which may be to telling others.
    fn answers(&self, request: &Request, until: Instant) -> Result<Vec<Value>, Failure> {
        let replies = self.call(request, until)?;
        if replies.len() > 1
            && let (Some((hub, _)), Some(Value::ServerError(error))) =
                (self.publishing(), replies.last())
        {
            hub.note_unpublished(&refusal(error));
        }
        Ok(replies)
    }

    fn run_script(
        &self,
        script: &Compiled,
        key: &[u8],
        arguments: impl Fn(&mut Cmd),
        kind: Kind,
        until: Instant,
    ) -> Result<Value, Failure> {
        let ask = |mut command: Cmd| {
            arguments(&mut command);
            let mut request = Request::new(Some(key)).command(&command);
            if kind.is_once {
                request = request.once();
            }
            if kind.replaces {
                request = self.told(request, [key]);
            }
            self.answers(&request, until)
        };
        let replies = ask(script.by_hash(key))?;
        let is_unknown = replies.iter().any(|reply| {
            matches!(reply, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
        });
        let replies = if is_unknown {
            ask(script.by_text(key))?
        } else {
            replies
        };
        checked(replies.into_iter().next().unwrap_or_default())
    }

    /// Send requests about one key each to a cluster, in one round trip to each node. The replies in their order.
    fn each(&self, requests: Vec<Request>, until: Instant) -> Result<Vec<Value>, Failure> {
        let nodes = self.node_of_each(&requests, until)?;
        let mut batches: Vec<(Address, Request)> = Vec::new();
        let mut places = Vec::with_capacity(requests.len());
        for (node, request) in nodes.into_iter().zip(&requests) {
            let batch = batches.iter().position(|(address, _)| *address == node);
            let batch = batch.unwrap_or_else(|| {
                batches.push((node, Request::new(None)));
                batches.len() - 1
            });
            let sent = &mut batches[batch].1;
            places.push((batch, sent.count()));
            sent.append(request);
        }
        let mut replies = self.call_each(&batches, until)?;
        let mut answers = Vec::with_capacity(requests.len());
        for ((batch, place), request) in places.into_iter().zip(requests) {
            let reply = std::mem::take(&mut replies[batch][place]);
            // Redirected, or not yet: each on its own way.
            answers.push(match reply {
                Value::ServerError(_) => self.one(&request, until)?,
                reply => reply,
            });
        }
        Ok(answers)
    }

    /// Forget the keys of one server that begin with `prefix`.
    fn clear_at(
        &self,
        address: &Address,
        prefix: &[u8],
        deadline: Duration,
    ) -> Result<(), Failure> {
        let mut cursor = b"0".to_vec();
        let pattern = [escaped(prefix), b"*".to_vec()].concat();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor)
                .arg("MATCH")
                .arg(&pattern)
                .arg("COUNT")
                .arg(SCANNED);
            let request = Request::new(None).command(&scan);
            let reply = self
                .call_at(address, &request, Instant::now() + deadline)?
                .pop();
            let Some(Value::Array(parts)) = reply else {
                return Err(unexpected(&reply.unwrap_or_default()));
            };
            let mut parts = parts.into_iter();
            let (next, keys) = (bytes_of(parts.next())?, parts.next());
            let Some(Value::Array(keys)) = keys else {
                return Err(unexpected(&keys.unwrap_or_default()));
            };
            let keys = keys.into_iter().map(|key| bytes_of(Some(key)));
            let keys = keys.filter_map(Result::transpose);
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            let mut unlink = Request::new(None);
            for key in &keys {
                unlink = unlink.command(redis::cmd("UNLINK").arg(key));
            }
            if !keys.is_empty() {
                let unlink = self.told(unlink, keys.iter().map(Vec::as_slice));
                self.call_at(address, &unlink, Instant::now() + deadline)?;
            }
            match next {
                Some(next) if next != b"0" => cursor = next,
                _ => return Ok(()),
            }
        }
    }
}

/// What a script does.
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    /// Whether it must not be done twice.
    is_once: bool,
    /// Whether it may replace or remove a value that others have in memory.
    replaces: bool,
}

impl Kind {
    const REPLACES: Self = Self {
        is_once: false,
        replaces: true,
    };
}

fn published_on(request: Request, channel: &[u8], message: Vec<u8>) -> Request {
    request.command(redis::cmd("PUBLISH").arg(channel).arg(message))
}

/// Have a key hold bytes for so long.
fn set_command(key: &[u8], bytes: &[u8], life: Timeout) -> Cmd {
    let mut set = redis::cmd("SET");
    set.arg(key).arg(bytes);
    if let Some(life) = milliseconds(life) {
        set.arg("PX").arg(life);
    }
    set
}

/// A pattern that fits nothing but these bytes.
fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if b"*?[]\\^-".contains(byte) {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern
}

/// A life in the server's milliseconds, at least one: to scripts, none is for ever. None for ever.
///
/// The server still has a value in the millisecond in which its time is up. It is told one less, so that none is
/// late: of values asked for after a sleep of exactly their life, two thirds were still there.
fn milliseconds(life: Timeout) -> Option<u64> {
    let life = life.duration()?.as_millis().saturating_sub(1);
    Some(u64::try_from(life).unwrap_or(u64::MAX).max(1))
}

fn checked(reply: Value) -> Result<Value, Failure> {
    match reply {
        Value::ServerError(error) => Err(refusal(&error)),
        reply => Ok(reply),
    }
}

/// What the server says to a SET: done, or not by the condition it came with.
fn is_done(reply: Value) -> Result<bool, Failure> {
    match checked(reply)? {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        other => Err(unexpected(&other)),
    }
}

fn bytes_of(reply: Option<Value>) -> Result<Option<Vec<u8>>, Failure> {
    match checked(reply.unwrap_or_default())? {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        other => Err(unexpected(&other)),
    }
}

fn int_of(reply: Option<Value>) -> Result<i64, Failure> {
    match checked(reply.unwrap_or_default())? {
        Value::Int(number) => Ok(number),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(reply: &Value) -> Failure {
    let kind = match reply {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) => "bytes",
        Value::Array(_) => "a list",
        Value::Okay | Value::SimpleString(_) => "a status",
        _ => "something else",
    };
    let text = format!("the server answered with {kind} where that is no answer");
    Failure::new(FailureKind::Protocol, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_what_it_was_made_of_and_nothing_else() {
        for (bytes, pattern) in [
            (&b"app:1:"[..], &b"app:1:"[..]),
            (b"a*b?", b"a\\*b\\?"),
            (b"[a-c]^", b"\\[a\\-c\\]\\^"),
            (b"a\\*", b"a\\\\\\*"),
            (b"\x00\xff", b"\x00\xff"),
            (b"", b""),
        ] {
            assert_eq!(pattern, escaped(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn lives_are_whole_milliseconds_less_one_and_at_least_one() {
        for (microseconds, expected) in [
            (0, 1),
            (1, 1),
            (999, 1),
            (1_000, 1),
            (1_999, 1),
            (2_000, 1),
            (3_999, 2),
            (300_000_000, 299_999),
        ] {
            let life = Timeout::after(Duration::from_micros(microseconds));
            assert_eq!(Some(expected), milliseconds(life), "{microseconds}");
        }
        assert_eq!(None, milliseconds(Timeout::FOREVER));
        assert_eq!(None, milliseconds(Timeout::after(Duration::MAX)));
    }

    /// What has more is refused by the server, which adds the time since 1970.
    #[test]
    fn the_longest_life_fits_a_servers_clock() {
        let longest = Timeout::after(Duration::from_nanos(u64::MAX - 1));
        let since_1970 = 100 * 366 * 24 * 3_600 * 1_000_u64;
        let end = milliseconds(longest).map(|life| life + since_1970);
        assert!(end.is_some_and(|end| i64::try_from(end).is_ok()));
    }
}
