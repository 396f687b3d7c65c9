//! One server, and the connections to it that are not in use.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use redis::Value;
use rustls::ClientConfig;

use super::combine::Combiner;
use super::config::Endpoint;
use super::connection::{Connection, Role};
use super::stream::Descriptor;
use crate::gate;
use crate::sync::Mutex;
use crate::tier::server::{Failure, FailureKind};

/// Connections that are kept while nobody uses them.
const MOST_IDLE: usize = 64;

/// The bytes of commands that are sent together with others.
const SHORT: usize = 4_096;

/// A server as this process knows it.
pub(super) struct Node {
    pub(super) endpoint: Endpoint,
    role: Role,
    tls: Option<Arc<ClientConfig>>,
    pool: Mutex<Pool>,
    combiner: Combiner,
}

#[derive(Default)]
struct Pool {
    /// The last one that was used is the next to be used.
    idle: Vec<Connection>,
    /// The sockets of all connections, in use or not, by which a child of this process closes its copies.
    open: HashSet<Descriptor>,
}

/// A connection in use, which goes back to the pool if all went well, and is closed otherwise.
pub(super) struct InUse<'a> {
    node: &'a Node,
    /// None once it is given back.
    connection: Option<Connection>,
    descriptor: Descriptor,
}

impl Node {
    pub(super) fn new(endpoint: Endpoint, role: Role, tls: Option<Arc<ClientConfig>>) -> Self {
        Self {
            endpoint,
            role,
            tls,
            pool: Mutex::default(),
            combiner: Combiner::default(),
        }
    }

    /// A connection: one that is idle, or a new one, of which `count` is told.
    pub(super) fn connect(
        &self,
        until: Instant,
        count: impl FnOnce(),
    ) -> Result<InUse<'_>, Failure> {
        while let Some(mut connection) = self.take() {
            let is_ready = connection.is_ready();
            let in_use = InUse::new(self, connection);
            if is_ready {
                return Ok(in_use);
            }
        }
        let connection = self.open(until)?;
        count();
        let descriptor = connection.descriptor();
        {
            let _pass = gate::enter();
            self.pool.lock().open.insert(descriptor);
        }
        Ok(InUse::new(self, connection))
    }

    /// A connection that is none of the pool's.
    pub(super) fn open(&self, until: Instant) -> Result<Connection, Failure> {
        Connection::open(&self.endpoint, self.tls.as_ref(), self.role, until)
    }

    /// Send packed commands that have as many replies, and read these; together with those of other threads,
    /// if they are short. `count` is told of a new connection.
    pub(super) fn exchange(
        &self,
        packed: &[u8],
        replies: usize,
        until: Instant,
        count: impl Fn(),
    ) -> Result<Vec<Value>, Failure> {
        let exchange = |packed: &[u8], replies, until| {
            let mut connection = self.connect(until, &count)?;
            connection.send(packed, replies, until)?;
            connection.receive(until)
        };
        if packed.len() > SHORT {
            return exchange(packed, replies, until);
        }
        self.combiner.exchange(packed, replies, until, exchange)
    }

    fn take(&self) -> Option<Connection> {
        let _pass = gate::enter();
        self.pool.lock().idle.pop()
    }

    /// Close the connections that are not in use.
    pub(super) fn close_idle(&self) {
        while let Some(connection) = self.take() {
            drop(InUse::new(self, connection));
        }
    }

    /// In a child of the process that made the connections: close its copies of the sockets, without a word to
    /// the server, which goes on serving the parent.
    pub(super) fn abandon(&self) {
        let (idle, open) = {
            let _pass = gate::enter();
            let mut pool = self.pool.lock();
            (
                std::mem::take(&mut pool.idle),
                std::mem::take(&mut pool.open),
            )
        };
        for connection in idle {
            // Closed below, with those that are in use in the parent.
            std::mem::forget(connection);
        }
        for descriptor in open {
            descriptor.close_inherited();
        }
    }
}

impl<'a> InUse<'a> {
    fn new(node: &'a Node, connection: Connection) -> Self {
        Self {
            node,
            descriptor: connection.descriptor(),
            connection: Some(connection),
        }
    }

    /// Send packed commands that have as many replies.
    pub(super) fn send(
        &mut self,
        packed: &[u8],
        replies: usize,
        until: Instant,
    ) -> Result<(), Failure> {
        let connection = self.connection.as_mut().ok_or_else(given_back)?;
        connection.send(packed, replies, until)
    }

    /// Read the replies to what was sent, and give the connection back.
    pub(super) fn receive(mut self, until: Instant) -> Result<Vec<Value>, Failure> {
        let connection = self.connection.as_mut().ok_or_else(given_back)?;
        let replies = connection.receive(until)?;
        self.give_back();
        Ok(replies)
    }

    fn give_back(&mut self) {
        let _pass = gate::enter();
        let mut pool = self.node.pool.lock();
        // One that an earlier process made is none of this pool's.
        if pool.idle.len() < MOST_IDLE && pool.open.contains(&self.descriptor) {
            pool.idle.extend(self.connection.take());
        }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        {
            let _pass = gate::enter();
            // Before the socket is closed: its number may be another's at once.
            self.node.pool.lock().open.remove(&self.descriptor);
        }
        drop(connection);
    }
}

fn given_back() -> Failure {
    Failure::new(
        FailureKind::Protocol,
        "the connection is not in use any more",
    )
}
