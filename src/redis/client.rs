//! Requests on their way to whichever server is to answer them, and what is tried when one does not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use redis::{ServerError, ServerErrorKind, Value};
use rustls::ClientConfig;

use super::cluster;
use super::config::{Address, Endpoint, TlsOptions, Topology};
use super::connection::Role;
use super::node::Node;
use super::process::Process;
use super::request::Request;
use super::routes::{NOBODYS, Target, not_whole};
use super::tls;
use crate::error::Error;
use crate::gate;
use crate::sync::Mutex;
use crate::tier::breaker::Shard;
use crate::tier::coherence::{Hub, Mode};
use crate::tier::server::{Failure, FailureKind};

/// How long is waited before the same is tried again: this, and twice as long each time.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// How many redirections are followed at once. Nodes that do not agree send to each other without end.
const REDIRECTIONS: u32 = 5;

/// The servers, and the connections of this process to them.
pub struct Client {
    pub(super) topology: Topology,
    pub(super) tls: HashMap<TlsOptions, Arc<ClientConfig>>,
    process: Mutex<Arc<Process>>,
    connections: AtomicU64,
    /// Where others are told of what is changed here, if they are: for the hubs of each mode that was asked for.
    channels: [OnceLock<(Arc<Hub>, Vec<u8>)>; 2],
}

/// What is to be done after a reply or a failure.
enum Next {
    /// Ask this one.
    Ask(Target),
    /// Find out anew whom to ask, after a pause.
    Again(Failure),
    /// Give up.
    GiveUp(Failure),
}

impl Client {
    /// A client that has yet to connect. Reads the files that TLS needs.
    pub fn new(topology: Topology) -> Result<Self, Error> {
        gate::install();
        let mut tls = HashMap::new();
        for endpoint in endpoints(&topology) {
            if let Some(options) = &endpoint.tls
                && !tls.contains_key(options)
            {
                tls.insert(options.clone(), tls::client_config(options)?);
            }
        }
        Ok(Self {
            topology,
            tls,
            process: Mutex::new(Arc::new(Process::new())),
            connections: AtomicU64::new(0),
            channels: Default::default(),
        })
    }

    /// Whether the primary that sentinels have named, if they were asked, is one by which `hub` is told.
    pub fn is_at(&self, hub: &Hub) -> bool {
        if !matches!(self.topology, Topology::Sentinel { .. }) {
            return true;
        }
        let primary = self.process().primary();
        primary.is_none_or(|primary| hub.has_node(&primary.to_string()))
    }

    /// Have sentinels asked for the primary anew.
    pub fn leave_primary(&self) {
        self.process().set_primary(None);
        self.close_idle();
    }

    /// The servers.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Tell others on that channel of what is changed here, while those of `hub` are told so.
    pub fn publish(&self, hub: &Arc<Hub>, channel: &[u8]) {
        self.channels[hub.requested() as usize].get_or_init(|| (Arc::clone(hub), channel.to_vec()));
    }

    /// Where others are told, if they are.
    pub(super) fn publishing(&self) -> Option<(&Hub, &[u8])> {
        let mut known = self.channels.iter().filter_map(OnceLock::get);
        let (hub, channel) = known.find(|(hub, _)| hub.mode() == Some(Mode::Pubsub))?;
        Some((hub, channel))
    }

    /// Whether reads may be answered by a replica, which may be behind.
    pub fn reads_replicas(&self) -> bool {
        matches!(self.topology, Topology::Replicated { .. })
    }

    pub(super) fn connections_made(&self) -> u64 {
        self.connections.load(Relaxed)
    }

    /// Whether keys are spread over several servers.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.topology, Topology::Cluster { .. })
    }

    /// What this process knows, anew after a fork.
    pub(super) fn process(&self) -> Arc<Process> {
        let forks = gate::forks();
        let inherited = {
            let _pass = gate::enter();
            let mut process = self.process.lock();
            if process.forks == forks {
                return Arc::clone(&process);
            }
            std::mem::replace(&mut *process, Arc::new(Process::new()))
        };
        // Nobody else has it: those threads that had are in the parent.
        let nodes = {
            let _pass = gate::enter();
            inherited.nodes.lock().values().cloned().collect::<Vec<_>>()
        };
        for node in nodes {
            node.abandon();
        }
        self.process()
    }

    /// Send a request, and have its replies by `until`. Errors among them are the server's last word.
    pub(super) fn call(&self, request: &Request, until: Instant) -> Result<Vec<Value>, Failure> {
        let process = self.process();
        let mut pause = PAUSE;
        let mut next = None;
        let mut redirections = 0;
        loop {
            let target = match next.take() {
                Some(target) => Ok(target),
                None => self.target(&process, request, until),
            };
            let after = match target {
                Err(failure) => self.after_failure(&process, failure.unsent(), request, None),
                Ok(target) => match self.exchange(&target, request, target.share(until)) {
                    Ok(replies) => match replies.iter().find_map(server_error) {
                        None => return Ok(replies),
                        Some(error) => match self.after_error(&process, error, request, &target) {
                            None => return Ok(replies),
                            Some(next) => next,
                        },
                    },
                    Err(failure) => self.after_failure(&process, failure, request, Some(&target)),
                },
            };
            let failure = match after {
                Next::Ask(target) => {
                    next = Some(target);
                    redirections += 1;
                    if redirections <= REDIRECTIONS {
                        continue;
                    }
                    let text = "the nodes of the cluster do not agree on who has a key";
                    Failure::new(FailureKind::NotReady, text)
                }
                Next::GiveUp(failure) => return Err(self.of_shard(failure, request)),
                Next::Again(failure) => failure,
            };
            if Instant::now() + pause >= until {
                return Err(self.of_shard(failure, request));
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn of_shard(&self, failure: Failure, request: &Request) -> Failure {
        match request.key() {
            Some(key) if failure.shard.is_none() => failure.of(self.shard_of(key)),
            _ => failure,
        }
    }

    pub(super) fn exchange(
        &self,
        target: &Target,
        request: &Request,
        until: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let count = || {
            self.connections.fetch_add(1, Relaxed);
        };
        let node = &target.node;
        if !target.is_asking {
            return node.exchange(request.packed(), request.count(), until, count);
        }
        let (packed, replies) = request.asking();
        let replies = node.exchange(&packed, replies, until, count)?;
        // The replies to ASKING are of no interest.
        Ok(replies.into_iter().skip(1).step_by(2).collect())
    }

    /// Send to several nodes at once what each is to answer, in the order given. Of the replies, errors are the
    /// server's last word, redirections included.
    pub(super) fn call_each(
        &self,
        requests: &[(Address, Request)],
        until: Instant,
    ) -> Result<Vec<Vec<Value>>, Failure> {
        let process = self.process();
        let nodes: Vec<_> = requests
            .iter()
            .map(|(address, _)| self.node_at(&process, address.clone(), Role::Any))
            .collect();
        let mut connections = Vec::with_capacity(nodes.len());
        for ((address, request), node) in requests.iter().zip(&nodes) {
            let count = || {
                self.connections.fetch_add(1, Relaxed);
            };
            let sent = node.connect(until, count).and_then(|mut connection| {
                connection.send(request.packed(), request.count(), until)?;
                Ok(connection)
            });
            let sent = sent.inspect_err(|_| broke(&process, node));
            connections.push(sent.map_err(|failure| failure.of(cluster::shard_of(address)))?);
        }
        let replies = connections.into_iter().zip(requests).zip(&nodes);
        replies
            .map(|((connection, (address, _)), node)| {
                let received = connection.receive(until);
                let received = received.inspect_err(|_| broke(&process, node));
                received.map_err(|failure| failure.of(cluster::shard_of(address)))
            })
            .collect()
    }

    /// Send a request to one of the primaries.
    pub(super) fn call_at(
        &self,
        address: &Address,
        request: &Request,
        until: Instant,
    ) -> Result<Vec<Value>, Failure> {
        let process = self.process();
        let role = match &self.topology {
            Topology::Sentinel { .. } => Role::Primary,
            _ => Role::Any,
        };
        let target = Target::of(self.node_at(&process, address.clone(), role));
        let asked = self.exchange(&target, request, until);
        let asked = asked.and_then(|replies| match replies.iter().find_map(server_error) {
            Some(error) => Err(refusal(error)),
            None => Ok(replies),
        });
        asked.map_err(|failure| failure.of(self.shard_at(address)))
    }

    /// Whether one shard of a cluster is back, or others have its slots.
    pub(super) fn probe_shard(&self, shard: Shard, until: Instant) -> Result<(), Failure> {
        let process = self.process();
        process.is_stale.store(true, SeqCst);
        let slots = self.known_slots(&process, until)?;
        let is_it = |primary: &&Address| cluster::shard_of(primary) == shard;
        if let Some(primary) = slots.primaries().iter().find(is_it) {
            let request = Request::new(None).command(&redis::cmd("PING"));
            return self.call_at(primary, &request, until).map(drop);
        }
        if shard == NOBODYS && !slots.is_whole() {
            return Err(not_whole());
        }
        Ok(())
    }

    /// Have what was found out about the servers found out anew.
    pub(super) fn forget(&self) {
        let process = self.process();
        process.set_primary(None);
        process.is_stale.store(true, SeqCst);
        self.close_idle();
    }

    pub(super) fn close_idle(&self) {
        let process = self.process();
        let nodes: Vec<_> = {
            let _pass = gate::enter();
            process.nodes.lock().values().cloned().collect()
        };
        for node in nodes {
            node.close_idle();
        }
    }

    /// What to do when a connection could not be had, or broke.
    fn after_failure(
        &self,
        process: &Process,
        failure: Failure,
        request: &Request,
        target: Option<&Target>,
    ) -> Next {
        if let Some(target) = target {
            // Those that are idle are likely to have broken as well.
            target.node.close_idle();
        }
        let may_repeat = failure.is_unsent || request.is_repeatable();
        // Whoever says no, or speaks another language, will in a moment as well.
        let is_lasting = matches!(failure.kind, FailureKind::LogIn | FailureKind::Protocol);
        if let (Topology::Replicated { primary, .. }, Some(target)) = (&self.topology, target)
            && target.is_replica
        {
            return Next::Ask(Target::of(self.node(process, primary, Role::Any)));
        }
        match &self.topology {
            Topology::Sentinel { .. } => process.set_primary(None),
            Topology::Cluster { .. } => process.is_stale.store(true, SeqCst),
            _ => {}
        }
        let has_others = matches!(
            self.topology,
            Topology::Sentinel { .. } | Topology::Cluster { .. }
        );
        // A single server that refuses a connection will not have changed its mind in a moment.
        if may_repeat && !is_lasting && (has_others || !failure.is_unsent) {
            Next::Again(failure)
        } else {
            Next::GiveUp(failure)
        }
    }

    /// What to do about an error that a server answered with; None: it is for the caller.
    fn after_error(
        &self,
        process: &Process,
        error: &ServerError,
        request: &Request,
        target: &Target,
    ) -> Option<Next> {
        let asked = &target.node.endpoint.address;
        let redirected = || cluster::redirection(error.details()?, asked);
        let is_sentinel = matches!(self.topology, Topology::Sentinel { .. });
        Some(match error.kind() {
            Some(ServerErrorKind::Moved) if self.is_cluster() => {
                let (slot, address) = redirected()?;
                let mut slots = (*process.slots()).clone();
                slots.note_moved(slot, address.clone());
                process.set_slots(slots);
                process.is_stale.store(true, SeqCst);
                Next::Ask(Target::of(self.node_at(process, address, Role::Any)))
            }
            Some(ServerErrorKind::Ask) if self.is_cluster() => Next::Ask(Target {
                is_asking: true,
                ..Target::of(self.node_at(process, redirected()?.1, Role::Any))
            }),
            Some(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown) if self.is_cluster() => {
                process.is_stale.store(true, SeqCst);
                Next::Again(refusal(error))
            }
            // It was the primary, and is no more.
            Some(ServerErrorKind::ReadOnly) if is_sentinel => {
                process.set_primary(None);
                target.node.close_idle();
                Next::Again(refusal(error))
            }
            Some(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown)
                if target.is_replica =>
            {
                return Some(self.after_failure(process, refusal(error), request, Some(target)));
            }
            _ => return None,
        })
    }
}

fn endpoints(topology: &Topology) -> Vec<&Endpoint> {
    match topology {
        Topology::Single(endpoint) => vec![endpoint],
        Topology::Replicated { primary, replicas } => {
            replicas.iter().chain(Some(primary)).collect()
        }
        Topology::Sentinel {
            sentinels, server, ..
        } => sentinels.iter().chain(Some(server)).collect(),
        Topology::Cluster { seeds } => seeds.iter().collect(),
    }
}

fn server_error(reply: &Value) -> Option<&ServerError> {
    match reply {
        Value::ServerError(error) => Some(error),
        _ => None,
    }
}

/// What a server's error is a failure of.
pub(super) fn refusal(error: &ServerError) -> Failure {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, TryAgain};
    let kind = match error.kind() {
        Some(BusyLoading | MasterDown | ClusterDown | TryAgain) => FailureKind::NotReady,
        _ => match error.code() {
            "NOAUTH" | "WRONGPASS" => FailureKind::LogIn,
            "BUSY" => FailureKind::NotReady,
            // Said to each new connection, until others are closed.
            "ERR"
                if error
                    .details()
                    .is_some_and(|text| text.starts_with("max number of clients")) =>
            {
                FailureKind::NotReady
            }
            _ => FailureKind::Refused,
        },
    };
    Failure::new(kind, format!("the server refuses: {}", said(error)))
}

/// A server's error in its own words.
pub(super) fn said(error: &ServerError) -> String {
    let detail = error.details().unwrap_or_default();
    format!("{} {detail}", error.code())
}

/// Have the cluster asked anew for who has which slots.
fn broke(process: &Process, node: &Node) {
    process.is_stale.store(true, SeqCst);
    // Those that are idle are likely to have broken as well.
    node.close_idle();
}
