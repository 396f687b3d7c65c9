//! One connection to one server: logging in, commands, and their replies.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;
use std::time::Instant;

use redis::Value;
use rustls::ClientConfig;

use super::client::said;
use super::config::{Address, Endpoint};
use super::reply::Replies;
use super::stream::{Descriptor, Stream};
use crate::tier::server::{Failure, FailureKind};

/// What is read at a time: a value of 100 KB takes two calls of the system and not thirteen.
const BUFFER: usize = 64 * 1024;

/// A connection that is logged in.
pub(super) struct Connection {
    stream: BufReader<Stream>,
    descriptor: Descriptor,
    /// How many replies have yet to come.
    expected: usize,
    is_resp3: bool,
}

/// What a server has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// Whatever it is.
    Any,
    /// A primary: a sentinel may name one that is none yet, or no more.
    Primary,
}

impl Connection {
    /// Connect and log in by `until`.
    pub(super) fn open(
        endpoint: &Endpoint,
        tls: Option<&Arc<ClientConfig>>,
        role: Role,
        until: Instant,
    ) -> Result<Self, Failure> {
        let address = &endpoint.address;
        let mut stream = Stream::connect(address, tls, until).map_err(|error| {
            Failure::of_io(&error, &format!("no connection to {address}")).unsent()
        })?;
        let mut connection = Self {
            descriptor: stream.descriptor(),
            stream: BufReader::with_capacity(BUFFER, stream),
            expected: 0,
            is_resp3: false,
        };
        connection
            .log_in(endpoint, role, until)
            .map_err(Failure::unsent)?;
        Ok(connection)
    }

    fn log_in(&mut self, endpoint: &Endpoint, role: Role, until: Instant) -> Result<(), Failure> {
        let address = &endpoint.address;
        let mut packed = Vec::new();
        let mut steps = Vec::new();
        let mut step = |command: &redis::Cmd, refusal: Option<&'static str>| {
            command.write_packed_command(&mut packed);
            steps.push(refusal);
        };
        if let Some(password) = &endpoint.login.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(username) = &endpoint.login.username {
                auth.arg(username);
            }
            step(auth.arg(password), Some("refused the login"));
        }
        if endpoint.db != 0 {
            let refusal = Some("refused the database");
            step(redis::cmd("SELECT").arg(endpoint.db), refusal);
        }
        let name = endpoint.client_name.as_deref();
        if let Some(name) = name {
            let refusal = Some("refused the client's name");
            step(redis::cmd("CLIENT").arg("SETNAME").arg(name), refusal);
        }
        if role == Role::Primary {
            step(&redis::cmd("ROLE"), Some("does not tell its role"));
        }
        if steps.is_empty() {
            return Ok(());
        }
        let replies = self.exchange(&packed, steps.len(), until)?;
        for (reply, refusal) in replies.iter().zip(steps) {
            if let (Value::ServerError(error), Some(refusal)) = (reply, refusal) {
                let text = format!("{address} {refusal}: {}", said(error));
                return Err(Failure::new(FailureKind::LogIn, text));
            }
        }
        if role == Role::Primary && !replies.last().is_some_and(is_primary) {
            let text = format!("{address} is not the primary");
            return Err(Failure::new(FailureKind::Unreachable, text));
        }
        Ok(())
    }

    /// Send packed commands and read as many replies.
    pub(super) fn exchange(
        &mut self,
        packed: &[u8],
        replies: usize,
        until: Instant,
    ) -> Result<Vec<Value>, Failure> {
        self.send(packed, replies, until)?;
        self.receive(until)
    }

    /// Send packed commands that have as many replies.
    pub(super) fn send(
        &mut self,
        packed: &[u8],
        replies: usize,
        until: Instant,
    ) -> Result<(), Failure> {
        let stream = self.stream.get_mut();
        stream.due(until);
        stream
            .write_all(packed)
            .and_then(|()| stream.flush())
            .map_err(|error| Failure::of_io(&error, "the server did not take a command"))?;
        self.expected = replies;
        Ok(())
    }

    /// Read the replies to what was sent.
    pub(super) fn receive(&mut self, until: Instant) -> Result<Vec<Value>, Failure> {
        self.stream.get_mut().due(until);
        let mut replies = Vec::with_capacity(self.expected);
        while self.expected > 0 {
            replies.push(self.read()?);
            self.expected -= 1;
        }
        Ok(replies)
    }

    fn read(&mut self) -> Result<Value, Failure> {
        if self.is_resp3 {
            Replies::of_resp3(&mut self.stream).read()
        } else {
            Replies::of(&mut self.stream).read()
        }
    }

    /// Have replies in RESP 3 from the next command on, which asks for it; and wait for what the server says unasked
    /// without spinning.
    pub(super) fn listen(&mut self, is_resp3: bool) {
        self.is_resp3 = is_resp3;
        self.stream.get_mut().rest();
    }

    /// Whether the server has said something by `until`.
    pub(super) fn hears(&mut self, until: Instant) -> Result<bool, Failure> {
        self.stream.get_mut().due(until);
        match self.stream.fill_buf() {
            Ok([]) => Err(Failure::new(
                FailureKind::Unreachable,
                "the server has closed the connection",
            )),
            Ok(_) => Ok(true),
            Err(error) => {
                let failure = Failure::of_io(&error, "nothing was heard");
                if failure.kind == FailureKind::Timeout {
                    Ok(false)
                } else {
                    Err(failure)
                }
            }
        }
    }

    /// Read what the server says next, whether asked or not.
    pub(super) fn hear(&mut self, until: Instant) -> Result<Value, Failure> {
        self.stream.get_mut().due(until);
        self.expected = 0;
        self.read()
    }

    /// Whether the next reply will be that to the next command: the server has not closed the connection, and
    /// nothing has come that nobody asked for.
    pub(super) fn is_ready(&mut self) -> bool {
        self.expected == 0 && self.stream.buffer().is_empty() && self.stream.get_mut().is_quiet()
    }

    pub(super) fn descriptor(&self) -> Descriptor {
        self.descriptor
    }
}

fn is_primary(reply: &Value) -> bool {
    let Value::Array(parts) = reply else {
        return false;
    };
    matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master")
}

/// The address that a sentinel or a node of a cluster names; without a host, it is that of who was asked.
pub(super) fn named_address(host: &str, port: u16, asked: &Address) -> Address {
    if !host.is_empty() && host != "?" {
        return Address::Tcp {
            host: host.to_owned(),
            port,
        };
    }
    match asked {
        Address::Tcp { host, .. } => Address::Tcp {
            host: host.clone(),
            port,
        },
        Address::Unix(_) => Address::Tcp {
            host: "localhost".to_owned(),
            port,
        },
    }
}
