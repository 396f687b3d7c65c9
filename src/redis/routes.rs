//! Which server is to answer a request.

use std::sync::Arc;
use std::sync::atomic::{Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

use redis::Value;

use super::client::{Client, refusal};
use super::cluster::{self, Slots};
use super::config::{Address, Endpoint, Topology};
use super::connection::Role;
use super::node::Node;
use super::process::Process;
use super::request::Request;
use super::sentinel;
use crate::gate;
use crate::tier::breaker::Shard;
use crate::tier::server::{Failure, FailureKind};

/// The shard of slots that no node is known to serve.
pub(super) const NOBODYS: Shard = 0;

/// Who is to be asked next.
pub(super) struct Target {
    pub(super) node: Arc<Node>,
    /// Whether it is to answer although it does not own the key yet.
    pub(super) is_asking: bool,
    /// Whether another may be asked in its place.
    pub(super) is_replica: bool,
}

impl Target {
    /// One that is the first to be asked.
    pub(super) fn of(node: Arc<Node>) -> Self {
        Self {
            node,
            is_asking: false,
            is_replica: false,
        }
    }

    /// By when it has to answer, so that there is time left for who is asked in its place.
    pub(super) fn share(&self, until: Instant) -> Instant {
        if !self.is_replica {
            return until;
        }
        let now = Instant::now();
        now + until.saturating_duration_since(now) / 2
    }
}

impl Client {
    /// The node of each request in a cluster.
    pub(super) fn node_of_each(
        &self,
        requests: &[Request],
        until: Instant,
    ) -> Result<Vec<Address>, Failure> {
        let process = self.process();
        let slots = self.known_slots(&process, until)?;
        let node = |request: &Request| {
            let slot = request.key().map_or(0, cluster::slot_of);
            primary_of(&process, &slots, slot)
        };
        requests.iter().map(node).collect()
    }

    /// All servers that are written to.
    pub(super) fn primaries(&self, until: Instant) -> Result<Vec<Address>, Failure> {
        let process = self.process();
        match &self.topology {
            Topology::Single(endpoint)
            | Topology::Replicated {
                primary: endpoint, ..
            } => Ok(vec![endpoint.address.clone()]),
            Topology::Sentinel { .. } => Ok(vec![
                self.find_primary(&process, until)?.endpoint.address.clone(),
            ]),
            Topology::Cluster { .. } => {
                process.is_stale.store(true, SeqCst);
                let slots = self.known_slots(&process, until)?;
                if slots.is_whole() {
                    return Ok(slots.primaries());
                }
                Err(not_whole())
            }
        }
    }

    /// The servers that are written to now, asked of others each time: one that is not any more might not know.
    pub(super) fn current_primaries(&self, until: Instant) -> Result<Vec<Arc<Node>>, Failure> {
        let process = self.process();
        if !self.is_cluster() {
            process.set_primary(None);
            return Ok(vec![self.find_primary(&process, until)?]);
        }
        let turn = process.turn.fetch_add(1, Relaxed);
        let slots = self.ask_for_slots(&process, &process.slots(), turn, until)?;
        if !slots.is_whole() {
            return Err(not_whole());
        }
        let primaries = slots.primaries();
        process.set_slots(slots);
        let node = |address| self.node_at(&process, address, Role::Any);
        Ok(primaries.into_iter().map(node).collect())
    }

    /// The shard of a key, as far as is known.
    pub(super) fn shard_of(&self, key: &[u8]) -> Shard {
        if !self.is_cluster() {
            return 0;
        }
        let slots = self.process().slots();
        slots
            .primary(cluster::slot_of(key))
            .map_or(NOBODYS, cluster::shard_of)
    }

    /// The shard of a primary.
    pub(super) fn shard_at(&self, primary: &Address) -> Shard {
        if self.is_cluster() {
            cluster::shard_of(primary)
        } else {
            0
        }
    }

    /// Who is to answer a request.
    pub(super) fn target(
        &self,
        process: &Process,
        request: &Request,
        until: Instant,
    ) -> Result<Target, Failure> {
        Ok(Target::of(match &self.topology {
            Topology::Single(endpoint) => self.node(process, endpoint, Role::Any),
            Topology::Replicated { primary, replicas } => {
                let turn = process.turn.fetch_add(1, Relaxed);
                match replicas.get(turn % replicas.len().max(1)) {
                    Some(replica) if request.is_read() => {
                        let node = self.node(process, replica, Role::Any);
                        return Ok(Target {
                            is_replica: true,
                            ..Target::of(node)
                        });
                    }
                    _ => self.node(process, primary, Role::Any),
                }
            }
            Topology::Sentinel { .. } => self.find_primary(process, until)?,
            Topology::Cluster { .. } => {
                let slots = self.known_slots(process, until)?;
                let slot = request.key().map_or(0, cluster::slot_of);
                let address = primary_of(process, &slots, slot)?;
                self.node_at(process, address, Role::Any)
            }
        }))
    }

    pub(super) fn find_primary(
        &self,
        process: &Process,
        until: Instant,
    ) -> Result<Arc<Node>, Failure> {
        let Topology::Sentinel {
            sentinels, service, ..
        } = &self.topology
        else {
            return Err(Failure::new(
                FailureKind::Unreachable,
                "there are no sentinels",
            ));
        };
        if let Some(address) = process.primary() {
            return Ok(self.node_at(process, address, Role::Primary));
        }
        // Asked by every thread that needs to know, and under no lock.
        let nodes: Vec<_> = sentinels
            .iter()
            .map(|sentinel| self.node(process, sentinel, Role::Any))
            .collect();
        let nodes: Vec<_> = nodes.iter().map(Arc::as_ref).collect();
        let address = sentinel::primary(&nodes, service, until)?;
        process.set_primary(Some(address.clone()));
        Ok(self.node_at(process, address, Role::Primary))
    }

    /// What is known of the slots, after asking where that may be out of date.
    pub(super) fn known_slots(
        &self,
        process: &Process,
        until: Instant,
    ) -> Result<Arc<Slots>, Failure> {
        let known = process.slots();
        if !process.is_stale.load(SeqCst) {
            return Ok(known);
        }
        let is_known = !known.is_empty();
        if process.is_refreshing.swap(true, SeqCst) && is_known {
            // Another thread is at it.
            return Ok(known);
        }
        process.is_stale.store(false, SeqCst);
        let asked = self.ask_for_slots(process, &known, 0, until);
        process.is_refreshing.store(false, SeqCst);
        match asked {
            Ok(slots) => process.set_slots(slots),
            Err(failure) => {
                process.is_stale.store(true, SeqCst);
                if !is_known {
                    return Err(failure);
                }
            }
        }
        Ok(process.slots())
    }

    /// Ask the nodes one after the other, each with its share of half the time that is left; from another one on in
    /// each `turn`.
    fn ask_for_slots(
        &self,
        process: &Process,
        known: &Slots,
        turn: usize,
        until: Instant,
    ) -> Result<Slots, Failure> {
        let Topology::Cluster { seeds } = &self.topology else {
            return Err(Failure::new(
                FailureKind::Unreachable,
                "there is no cluster",
            ));
        };
        let mut nodes: Vec<_> = known
            .primaries()
            .into_iter()
            .map(|address| self.node_at(process, address, Role::Any))
            .collect();
        let first = turn % nodes.len().max(1);
        nodes.rotate_left(first);
        nodes.extend(seeds.iter().map(|seed| self.node(process, seed, Role::Any)));
        let request = Request::new(None).command(redis::cmd("CLUSTER").arg("SLOTS"));
        let mut last = Failure::new(FailureKind::Unreachable, "there is no node to ask").unsent();
        let half = until.saturating_duration_since(Instant::now()) / 2;
        let share = half / u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        // One that knows of some slots only may be cut off from the others; or nobody has the rest.
        let mut some = None;
        for node in nodes {
            let target = Target::of(node);
            let asked = &target.node.endpoint.address;
            let share = share.max(Duration::from_millis(5));
            last = match self.exchange(&target, &request, (Instant::now() + share).min(until)) {
                Ok(replies) => match replies.first() {
                    Some(Value::ServerError(error)) => refusal(error),
                    Some(reply) => match Slots::read(reply, asked) {
                        Some(slots) if slots.is_whole() => return Ok(slots),
                        Some(slots) if !slots.is_empty() => {
                            some.get_or_insert(slots);
                            continue;
                        }
                        _ => Failure::new(
                            FailureKind::NotReady,
                            format!("{asked} does not know of any slots"),
                        ),
                    },
                    None => Failure::new(FailureKind::Protocol, format!("{asked} said nothing")),
                },
                Err(failure) => failure,
            };
        }
        some.ok_or_else(|| last.unsent())
    }

    /// The node at an address that was found out: all else is as for those that were given.
    pub(super) fn node_at(&self, process: &Process, address: Address, role: Role) -> Arc<Node> {
        let model = match &self.topology {
            Topology::Single(endpoint)
            | Topology::Replicated {
                primary: endpoint, ..
            } => endpoint,
            Topology::Sentinel { server, .. } => server,
            Topology::Cluster { seeds } => &seeds[0],
        };
        let endpoint = Endpoint {
            address,
            ..model.clone()
        };
        self.node(process, &endpoint, role)
    }

    pub(super) fn node(&self, process: &Process, endpoint: &Endpoint, role: Role) -> Arc<Node> {
        let tls = endpoint.tls.as_ref().and_then(|tls| self.tls.get(tls));
        let _pass = gate::enter();
        let mut nodes = process.nodes.lock();
        let key = (endpoint.address.clone(), role);
        let new = || Arc::new(Node::new(endpoint.clone(), role, tls.cloned()));
        Arc::clone(nodes.entry(key).or_insert_with(new))
    }
}

pub(super) fn not_whole() -> Failure {
    let text = "the cluster has slots that no node serves";
    Failure::new(FailureKind::NotReady, text)
}

/// Whose a slot is. If nobody's, who has which slots is asked anew the next time.
fn primary_of(process: &Process, slots: &Slots, slot: u16) -> Result<Address, Failure> {
    slots.primary(slot).cloned().ok_or_else(|| {
        process.is_stale.store(true, SeqCst);
        let text = format!("no node of the cluster is known to have slot {slot}");
        Failure::new(FailureKind::NotReady, text).unsent()
    })
}
