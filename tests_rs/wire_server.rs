//! A server on a socket that says what a test has it say.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use quickcache::redis::client::Client;
use quickcache::redis::config::{TlsOptions, parse};

/// Longer than anything takes here.
const LONG: Duration = Duration::from_secs(10);

/// It stops when it is dropped, after the clients are.
pub(crate) struct WireServer {
    pub(crate) port: u16,
    seen: Arc<Seen>,
    stopping: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

/// What a server has seen.
#[derive(Default)]
pub(crate) struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    commands: Vec<String>,
    connections: usize,
    /// The numbers of those that the client closed.
    closed: Vec<usize>,
}

impl Seen {
    fn wait(&self, is_so: impl Fn(&State) -> bool) -> bool {
        let state = self.state.lock().unwrap();
        let waiting = |state: &mut State| !is_so(state);
        let waited = self.changed.wait_timeout_while(state, LONG, waiting);
        !waited.unwrap().1.timed_out()
    }

    /// Wait until such a command has come. Whether it did.
    pub(crate) fn wait_for(&self, command: &str) -> bool {
        self.wait(|state| state.commands.iter().any(|seen| seen == command))
    }

    /// Wait until the client has closed its side of a connection. Whether it did.
    pub(crate) fn wait_for_end(&self, connection: usize) -> bool {
        self.wait(|state| state.closed.contains(&connection))
    }

    fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }
}

/// The server's side of a connection.
pub(crate) struct Peer {
    /// Which connection it is, from 1.
    pub(crate) number: usize,
    pub(crate) seen: Arc<Seen>,
    stream: BufReader<TcpStream>,
}

impl Peer {
    /// The next command, its words with spaces between; None if the client has gone.
    pub(crate) fn command(&mut self) -> Option<String> {
        let command = self.read();
        self.seen.note(|state| match &command {
            Some(command) => state.commands.push(command.clone()),
            None => state.closed.push(self.number),
        });
        command
    }

    fn read(&mut self) -> Option<String> {
        let count = self.number_after('*')?;
        let mut words = Vec::new();
        for _ in 0..count {
            let mut word = vec![0; self.number_after('$')? + 2];
            self.stream.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            words.push(String::from_utf8_lossy(&word).into_owned());
        }
        Some(words.join(" "))
    }

    fn number_after(&mut self, kind: char) -> Option<usize> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok()?;
        line.strip_prefix(kind)?.trim_end().parse().ok()
    }

    /// Whether that could still be sent.
    pub(crate) fn say(&mut self, text: &str) -> bool {
        self.stream.get_mut().write_all(text.as_bytes()).is_ok()
    }

    /// Close the connection, at once, unless the client did.
    pub(crate) fn close(&self) {
        if let Err(error) = self.stream.get_ref().shutdown(Shutdown::Both) {
            assert_eq!(ErrorKind::NotConnected, error.kind());
        }
    }
}

impl WireServer {
    /// One that does this with each connection.
    pub(crate) fn talking(talk: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, stopping) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (shared, stops) = (Arc::clone(&seen), Arc::clone(&stopping));
        let accepting = thread::spawn(move || {
            thread::scope(|scope| {
                for (number, stream) in (1..).zip(listener.incoming()) {
                    let stream = stream.unwrap();
                    if stops.load(SeqCst) {
                        return;
                    }
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(LONG)).unwrap();
                    shared.note(|state| state.connections += 1);
                    let mut peer = Peer {
                        number,
                        seen: Arc::clone(&shared),
                        stream: BufReader::new(stream),
                    };
                    let talk = &talk;
                    scope.spawn(move || talk(&mut peer));
                }
            });
        });
        Self {
            port,
            seen,
            stopping,
            accepting: Some(accepting),
        }
    }

    /// One that answers each command with that; with nothing at all, it closes the connection.
    pub(crate) fn answering(
        answer: impl Fn(usize, &str) -> String + Send + Sync + 'static,
    ) -> Self {
        Self::talking(move |peer| {
            while let Some(command) = peer.command() {
                let text = answer(peer.number, &command);
                if text.is_empty() {
                    return peer.close();
                }
                peer.say(&text);
            }
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn client(&self) -> Client {
        client(&[&format!("redis://{}/0", self.address())])
    }

    /// The commands so far.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.seen.state.lock().unwrap().commands.clone()
    }

    /// How many commands there were that begin so.
    pub(crate) fn count(&self, head: &str) -> usize {
        let commands = self.commands();
        let such = commands.iter().filter(|command| command.starts_with(head));
        such.count()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.state.lock().unwrap().connections
    }

    pub(crate) fn seen(&self) -> &Arc<Seen> {
        &self.seen
    }
}

impl Drop for WireServer {
    fn drop(&mut self) {
        self.stopping.store(true, SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

pub(crate) fn client(urls: &[&str]) -> Client {
    Client::new(parse(urls, &TlsOptions::default()).unwrap()).unwrap()
}

/// Time enough for whatever ends by itself.
pub(crate) fn later() -> Instant {
    Instant::now() + LONG
}

pub(crate) fn within(milliseconds: u64) -> Instant {
    Instant::now() + Duration::from_millis(milliseconds)
}
