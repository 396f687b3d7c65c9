//! Listens to servers that tell of changes: a native thread for each of them, which never enters Python.
//!
//! By `CLIENT TRACKING` with prefixes, servers tell of every key that changes
//! (<https://redis.io/docs/latest/develop/reference/client-side-caching/>); by a channel, processes tell of what they
//! clear. The server is asked from time to time (PING), so that a link that is dead without a sign is noticed. What
//! that means for memory is for the hub to say.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::client::Client;
use super::config::Topology;
use super::connection::{Connection, Role};
use super::node::Node;
use super::said_unasked::{Asked, Heard, heard, subscribe, track};
use super::stream::Descriptor;
use crate::error::Error;
use crate::gate;
use crate::sync::{Mutex, lazy};
use crate::tier::coherence::{Hub, Mode};
use crate::tier::server::{Failure, FailureKind};

/// How long is waited before a server is tried again that could not be linked: this, and twice as long each time.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long until it is asked again which servers there are, if nobody could say.
const UNKNOWN: Duration = Duration::from_millis(100);
/// A link is made within that time, however often it is asked later.
const CONNECT: Duration = Duration::from_secs(2);
/// A server that says much at once has that time for it.
const READ: Duration = Duration::from_secs(5);
/// What is on its way is waited for so long, even if the answer is overdue: the process may have been suspended.
const LEAST: Duration = Duration::from_millis(2);
/// Without a server, and with nobody who asks for it, a listener gives up after that time, until somebody does. So
/// long, memory that stands before other servers as well is not used. Later where memory may serve without the server:
/// then nobody need ask.
const UNUSED: Duration = Duration::from_secs(5);

lazy!(LISTENERS: Mutex<Vec<Weak<Listener>>> = Mutex::default());

/// Listens to the servers of one topology.
pub struct Listener {
    hub: Arc<Hub>,
    client: Client,
    /// In which process there are threads, by the forks that led there, counted from 1; 0: in none.
    runs_in: AtomicU64,
    sessions: Mutex<Sessions>,
    me: Weak<Self>,
}

#[derive(Default)]
struct Sessions {
    /// The forks that led to the process whose these are.
    forks: u64,
    /// The sockets in use, by the servers they lead to.
    open: HashMap<String, Descriptor>,
    /// Servers that a thread sees to.
    served: Vec<String>,
    /// The thread that finds out which servers there are.
    manager: Option<Thread>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// Why a session ended.
enum End {
    /// There is no link, or no more.
    Lost(Failure),
    /// The server does not allow the mode in force.
    Refused(String),
    /// More is to be told of, or in another mode: begin anew at once.
    Anew,
    /// It is no server of these any more, or nobody wants to know.
    Done,
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Lost(failure)
    }
}

impl Listener {
    /// The one of a topology in this process; it begins to listen when it is waked.
    pub fn of(topology: &Topology, mode: Mode) -> Result<Arc<Self>, Error> {
        let is_it =
            |known: &Arc<Self>| known.client.topology == *topology && known.hub.requested() == mode;
        let find = || {
            let _pass = gate::enter();
            let mut known = LISTENERS.lock();
            known.retain(|known| known.strong_count() > 0);
            known.clone()
        };
        if let Some(known) = find().iter().filter_map(Weak::upgrade).find(is_it) {
            return Ok(known);
        }
        let client = Client::new(topology.clone())?;
        let new = Arc::new_cyclic(|me| Self {
            hub: Hub::new(mode),
            client,
            runs_in: AtomicU64::new(0),
            sessions: Mutex::default(),
            me: me.clone(),
        });
        let _pass = gate::enter();
        LISTENERS.lock().push(Arc::downgrade(&new));
        Ok(new)
    }

    /// Who is told.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Have threads listen, unless they do.
    pub fn wake(&self) {
        if self.hub.mode().is_none() {
            return;
        }
        self.hub.note_use();
        let here = gate::forks() + 1;
        let before = self.runs_in.load(SeqCst);
        if before == here || self.runs_in.swap(here, SeqCst) == here {
            if !self.hub.is_settled() {
                // Who finds out which servers there are may be asleep, and threads that listened gone.
                let _pass = gate::enter();
                if let Some(manager) = &self.sessions.lock().manager {
                    manager.unpark();
                }
            }
            return;
        }
        self.begin();
        if let Topology::Single(endpoint) = &self.client.topology {
            let process = self.client.process();
            let node = self.client.node(&process, endpoint, Role::Any);
            self.hub.set_only_node(&name(&node));
            self.see_to(&node);
        } else {
            let me = Weak::clone(&self.me);
            let manager = spawn(move || run(&me, Self::manage));
            if manager.is_none() {
                self.rest();
            }
            let _pass = gate::enter();
            self.sessions.lock().manager = manager;
        }
    }

    /// There are no threads any more: the next one to ask starts some.
    fn rest(&self) {
        self.runs_in.store(0, SeqCst);
    }

    /// Nothing is told yet. Forget what a parent process had: its threads are not here. Those of this process may be
    /// about to end, and have their sockets still.
    fn begin(&self) {
        let inherited = {
            let _pass = gate::enter();
            let mut sessions = self.sessions.lock();
            let forks = gate::forks();
            (sessions.forks != forks).then(|| {
                std::mem::replace(
                    &mut *sessions,
                    Sessions {
                        forks,
                        ..Sessions::default()
                    },
                )
            })
        };
        if let Some(inherited) = inherited {
            for descriptor in inherited.open.into_values() {
                descriptor.close_inherited();
            }
        }
        self.hub.begin();
    }

    /// Have the servers asked anew what they are to tell of.
    pub fn renew(&self) {
        self.hang_up(|_| true);
    }

    /// Wait until the servers have answered or failed, but no longer than this since they were asked. Not attached
    /// to an interpreter.
    pub fn settle(&self, at_most: Duration) {
        while self
            .hub
            .unsettled_for()
            .is_some_and(|since| since < at_most)
        {
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn is_wanted(&self) -> bool {
        !self.hub.is_idle() && self.runs_in.load(SeqCst) == gate::forks() + 1
    }

    /// Whether nobody would miss it.
    fn is_given_up(&self) -> bool {
        self.hub.age().is_none() && self.hub.unused_for() > UNUSED + self.hub.grace()
    }

    /// Find out which servers there are, and have a thread see to each. When to do so again, if at all.
    fn manage(&self) -> Option<Duration> {
        if !self.is_wanted() || self.is_given_up() {
            self.hub.retire();
            self.rest();
            return None;
        }
        let asked = Instant::now();
        match self.client.current_primaries(asked + CONNECT) {
            Ok(nodes) => {
                let names: Vec<_> = nodes.iter().map(|node| name(node)).collect();
                let gone = self.hub.set_nodes(&names, asked);
                self.hang_up(|name| gone.iter().any(|gone| gone == name));
                for node in nodes {
                    self.see_to(&node);
                }
            }
            Err(failure) => {
                self.hub.lost_track(&failure);
                return Some(UNKNOWN);
            }
        }
        let rest = (asked + self.hub.beat()).saturating_duration_since(Instant::now());
        Some(rest.max(PAUSE))
    }

    /// Have a thread see to a server, if none does.
    fn see_to(&self, node: &Arc<Node>) {
        let name = name(node);
        {
            let _pass = gate::enter();
            let mut sessions = self.sessions.lock();
            if sessions.served.contains(&name) {
                return;
            }
            sessions.served.push(name.clone());
        }
        let (me, node, served) = (Weak::clone(&self.me), Arc::clone(node), name.clone());
        let mut pause = PAUSE;
        let serve = move |this: &Self| {
            let next = if this.needs(&served) {
                this.serve(&node, &served, pause)
            } else {
                None
            };
            pause = next.map_or(PAUSE, |next| (next * 2).clamp(PAUSE, LONGEST_PAUSE));
            if next.is_none() {
                this.done_with(&served);
                // Somebody may have come for it meanwhile, and seen this thread.
                if this.needs(&served) {
                    this.see_to(&node);
                }
            }
            next
        };
        if spawn(move || run(&me, serve)).is_none() {
            self.done_with(&name);
        }
    }

    /// Whether a thread is to see to that server.
    fn needs(&self, name: &str) -> bool {
        self.is_wanted() && self.hub.has_node(name) && !self.is_given_up()
    }

    /// No thread sees to that server any more.
    fn done_with(&self, name: &str) {
        {
            let _pass = gate::enter();
            self.sessions.lock().served.retain(|served| served != name);
        }
        if matches!(self.client.topology, Topology::Single(_)) {
            self.hub.retire();
            self.rest();
        } else if !self.is_wanted() {
            // Once more: a link that was lost since has memory wait for it.
            self.hub.retire();
        }
    }

    /// Listen to a server until the link is lost. After which pause it is to be tried again, if it is.
    fn serve(&self, node: &Node, name: &str, pause: Duration) -> Option<Duration> {
        let Err(end) = self.listen(node, name);
        match end {
            End::Lost(failure) => {
                let was_linked = self.hub.lost(name, &failure);
                Some(if was_linked { PAUSE } else { pause })
            }
            End::Refused(why) => self.hub.refused(&why).map(|_| Duration::ZERO),
            End::Anew => Some(Duration::ZERO),
            End::Done => None,
        }
    }

    fn listen(&self, node: &Node, name: &str) -> Result<Infallible, End> {
        let mode = self.hub.mode().ok_or(End::Done)?;
        let mut connection = node.open(Instant::now() + CONNECT)?;
        // Let go of before the connection.
        let _open = self.note_open(name, connection.descriptor());
        let (wanted, version) = self.hub.wanted();
        let asked = Instant::now();
        let until = asked + CONNECT;
        let done = match mode {
            Mode::Tracking => track(&mut connection, &wanted, until)?,
            Mode::Pubsub => subscribe(&mut connection, &wanted, until)?,
        };
        if let Asked::Refused(why) = done {
            return Err(End::Refused(why));
        }
        self.hub.linked(name, version, asked);
        let Err(end) = self.follow(&mut connection, name, (mode, version), asked);
        if self.hub.is_current(version) {
            return Err(end);
        }
        // Until the server has been asked again, nobody tells.
        self.hub.pause();
        Err(End::Anew)
    }

    /// Pass on what a server says that was asked at that moment, and ask it once in each beat.
    fn follow(
        &self,
        connection: &mut Connection,
        name: &str,
        (mode, version): (Mode, u64),
        mut asked: Instant,
    ) -> Result<Infallible, End> {
        let mut is_answered = true;
        let mut seen = None;
        let mut beat = Duration::ZERO;
        loop {
            let now = Instant::now();
            let revision = Some(self.hub.revision());
            // In each beat, and not at each word: some servers say thousands in a second.
            if seen != revision || now >= asked + beat {
                seen = revision;
                if !self.is_wanted() || !self.hub.has_node(name) {
                    return Err(End::Done);
                }
                if !self.hub.is_current(version) || self.hub.mode() != Some(mode) {
                    return Err(End::Anew);
                }
                beat = self.hub.beat();
            }
            let due = asked + beat;
            if is_answered && now >= due {
                asked = Instant::now();
                connection.send(&redis::cmd("PING").get_packed_command(), 1, asked + READ)?;
                is_answered = false;
                continue;
            }
            if !connection.hears(due.max(now + LEAST))? {
                if is_answered {
                    continue;
                }
                let text = format!("no answer for {} s", beat.as_secs_f64());
                return Err(Failure::new(FailureKind::Timeout, text).into());
            }
            match heard(connection.hear(Instant::now() + READ)?)? {
                Heard::Keys(keys) => self.hub.invalidate(keys.iter().map(Vec::as_slice)),
                Heard::All => self.hub.flush(),
                Heard::Answer if !is_answered => {
                    self.hub.answered(name, version, asked);
                    is_answered = true;
                }
                Heard::Answer | Heard::Nothing => {}
            }
        }
    }

    fn hang_up(&self, is_it: impl Fn(&str) -> bool) {
        let _pass = gate::enter();
        let sessions = self.sessions.lock();
        for (name, descriptor) in &sessions.open {
            if is_it(name) {
                descriptor.hang_up();
            }
        }
    }

    fn note_open(&self, name: &str, descriptor: Descriptor) -> Open<'_> {
        let _pass = gate::enter();
        let name = name.to_owned();
        self.sessions.lock().open.insert(name.clone(), descriptor);
        Open {
            listener: self,
            name,
            descriptor,
        }
    }
}

/// A socket that others may hang up, until it is closed: then its number may be another's.
struct Open<'a> {
    listener: &'a Listener,
    name: String,
    descriptor: Descriptor,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let _pass = gate::enter();
        let open = &mut self.listener.sessions.lock().open;
        if open.get(&self.name) == Some(&self.descriptor) {
            open.remove(&self.name);
        }
    }
}

/// Work with pauses, until there is no more, or nobody has the listener.
fn run(me: &Weak<Listener>, mut work: impl FnMut(&Listener) -> Option<Duration>) {
    loop {
        let next = me.upgrade().and_then(|me| work(&me));
        let Some(pause) = next else { return };
        thread::park_timeout(pause);
    }
}

/// A thread, if one could be had.
fn spawn(work: impl FnOnce() + Send + 'static) -> Option<Thread> {
    let builder = thread::Builder::new().name("quickcache-listener".to_owned());
    let spawned = builder.spawn(work).ok()?;
    Some(spawned.thread().clone())
}

fn name(node: &Node) -> String {
    node.endpoint.address.to_string()
}
