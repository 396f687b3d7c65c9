//! Bytes to and from one server, each operation with a moment by which it has to be done.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::busy_poll::BusyPoll;
use super::config::Address;
#[cfg(unix)]
use crate::sys;

/// How far a socket's timeout may exceed what an operation has left, before it is set anew.
const SLACK: Duration = Duration::from_millis(5);
/// The system counts microseconds, and none of them is for ever.
const SHORTEST: Duration = Duration::from_micros(1);
/// Linux lengthens a socket's timeout by as much as an eighth: of 250 ms, one in ten took 262 to 285. So it is
/// told seven eighths, and then what is left after these; a timeout this short it keeps to a tick or two.
const EXACT: Duration = Duration::from_millis(50);
/// Connections that nobody uses are probed this often, so that no dead one is kept.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A connected socket, perhaps with TLS.
pub(super) enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    /// Connect by `until`.
    pub(super) fn connect(
        address: &Address,
        tls: Option<&Arc<ClientConfig>>,
        until: Instant,
    ) -> io::Result<Self> {
        let socket = match address {
            Address::Unix(path) => connect(&SockAddr::unix(path)?, until)?,
            Address::Tcp { host, port } => connect_to_any(&resolve(host, *port, until)?, until)?,
        };
        let is_here = cfg!(unix) && is_on_this_machine(&socket.peer_addr()?);
        let timed = Timed {
            descriptor: Descriptor::of(&socket),
            socket,
            until,
            armed: None,
            busy_poll: is_here.then(BusyPoll::default),
        };
        let (Some(config), Address::Tcp { host, .. }) = (tls, address) else {
            return Ok(Self::Plain(timed));
        };
        let name = ServerName::try_from(host.clone())
            .map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        let client = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, timed);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }

    /// By when what is read and written next has to be done.
    pub(super) fn due(&mut self, until: Instant) {
        self.timed().until = until;
    }

    /// Wait for what comes without spinning.
    pub(super) fn rest(&mut self) {
        self.timed().busy_poll = None;
    }

    /// The socket's number, by which a child that inherited it can close it.
    pub(super) fn descriptor(&mut self) -> Descriptor {
        self.timed().descriptor
    }

    /// Whether the other side has neither closed the connection nor sent anything that has not been read.
    pub(super) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(timed) => waiting(&timed.socket) == Waiting::Nothing,
            Self::Tls(stream) => is_quiet_but_for_tls(stream).unwrap_or(false),
        }
    }

    fn timed(&mut self) -> &mut Timed {
        match self {
            Self::Plain(timed) => timed,
            Self::Tls(stream) => &mut stream.sock,
        }
    }
}

/// With TLS there may be messages of its own, such as tickets for the next session: they are read. That the
/// other side closes is one as well.
fn is_quiet_but_for_tls(stream: &mut StreamOwned<ClientConnection, Timed>) -> Option<bool> {
    let StreamOwned { conn, sock } = stream;
    loop {
        let state = conn.process_new_packets().ok()?;
        if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
            return Some(false);
        }
        match waiting(&sock.socket) {
            Waiting::Nothing => return Some(true),
            Waiting::Closed => return Some(false),
            // Which takes no time, since it is there.
            Waiting::Something => conn.read_tls(&mut &sock.socket).ok()?,
        };
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(timed) => timed.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(timed) => timed.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket's number, and what it is: a number may be another's later.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Descriptor {
    number: std::os::fd::RawFd,
    identity: Option<(u64, u64)>,
}

#[cfg(unix)]
impl Descriptor {
    fn of(socket: &Socket) -> Self {
        use std::os::fd::AsRawFd;
        let number = socket.as_raw_fd();
        Self {
            number,
            identity: sys::identity(number),
        }
    }

    /// Close the copy of a socket that was opened by the process that this one is a child of.
    pub(super) fn close_inherited(self) {
        sys::close_inherited(self.number, self.identity);
    }

    /// End the connection of a socket that another thread waits at, and has yet to close.
    pub(super) fn hang_up(self) {
        sys::hang_up(self.number);
    }
}

/// A socket's number. There is no fork here.
#[cfg(windows)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Descriptor(std::os::windows::io::RawSocket);

#[cfg(windows)]
impl Descriptor {
    fn of(socket: &Socket) -> Self {
        use std::os::windows::io::AsRawSocket;
        Self(socket.as_raw_socket())
    }

    pub(super) fn close_inherited(self) {}

    /// What waits finds out by itself, at its next question.
    pub(super) fn hang_up(self) {}
}

/// A socket that gives up at a moment.
///
/// The system takes a length of time, for each read anew. It is told one only where it has another, which
/// among operations with one deadline is never; so that an answer in one piece costs no further call.
pub(super) struct Timed {
    socket: Socket,
    descriptor: Descriptor,
    until: Instant,
    /// What the system was told last.
    armed: Option<Duration>,
    /// For a server on this machine.
    busy_poll: Option<BusyPoll>,
}

/// What there is to be read from a socket at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Something,
    Closed,
}

/// Look at what there is to be read, and leave it there.
fn waiting(socket: &Socket) -> Waiting {
    match peek(socket) {
        Ok(0) => Waiting::Closed,
        Ok(_) => Waiting::Something,
        Err(error) if error.kind() == ErrorKind::WouldBlock => Waiting::Nothing,
        Err(_) => Waiting::Closed,
    }
}

#[cfg(unix)]
fn peek(socket: &Socket) -> io::Result<usize> {
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    socket.recv_with_flags(&mut [MaybeUninit::uninit()], flags)
}

#[cfg(not(unix))]
fn peek(socket: &Socket) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let peeked = socket.peek(&mut [MaybeUninit::uninit()]);
    socket.set_nonblocking(false)?;
    peeked
}

impl Timed {
    /// Have the system give up in time. `ErrorKind::TimedOut` if it is too late already.
    fn arm(&mut self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        if self.armed.is_none_or(|armed| armed > left + SLACK) {
            let armed = if left > EXACT { left / 8 * 7 } else { left };
            let told = Some(armed.max(SHORTEST));
            self.socket.set_read_timeout(told)?;
            self.socket.set_write_timeout(told)?;
            self.armed = Some(armed);
        }
        Ok(())
    }

    fn try_until_due(
        &mut self,
        mut attempt: impl FnMut(&Socket) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            self.arm()?;
            match attempt(&self.socket) {
                // It may have been armed for less than there is.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    if error.kind() != ErrorKind::Interrupted {
                        self.armed = None;
                    }
                }
                done => return done,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(poll) = &mut self.busy_poll {
            poll.until(|| waiting(&self.socket) != Waiting::Nothing);
        }
        self.try_until_due(|mut socket| socket.read(buffer))
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.try_until_due(|mut socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connect_to_any(addresses: &[SocketAddr], until: Instant) -> io::Result<Socket> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for (place, address) in addresses.iter().enumerate() {
        // Each has its share of the time, so that a dead address leaves some to the next.
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
        match connect(&(*address).into(), Instant::now() + share) {
            Ok(socket) => {
                socket.set_tcp_nodelay(true)?;
                let keepalive = TcpKeepalive::new()
                    .with_time(KEEPALIVE)
                    .with_interval(KEEPALIVE / 3);
                SockRef::from(&socket).set_tcp_keepalive(&keepalive)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect(address: &SockAddr, until: Instant) -> io::Result<Socket> {
    let domain = address.domain();
    let protocol = (domain != Domain::UNIX).then_some(Protocol::TCP);
    let socket = Socket::new(domain, Type::STREAM, protocol)?;
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.connect_timeout(address, left)?;
    Ok(socket)
}

fn is_on_this_machine(address: &SockAddr) -> bool {
    let internet = address.as_socket();
    internet.map_or(address.is_unix(), |address| address.ip().is_loopback())
}

/// The addresses of a host, by `until`.
///
/// The system's resolver knows no deadline. So it is asked in a thread of its own, which may outlive the wait.
fn resolve(host: &str, port: u16, until: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let asked = host.to_owned();
    thread::Builder::new()
        .name("quickcache-dns".to_owned())
        .spawn(move || {
            let found = (asked.as_str(), port).to_socket_addrs();
            // Nobody waits any more, if it took too long.
            let _ = sender.send(found.map(Iterator::collect::<Vec<_>>));
        })?;
    receiver
        .recv_timeout(until.saturating_duration_since(Instant::now()))
        .map_err(|_| {
            let text = format!("the address of {host} was not found in time");
            io::Error::new(ErrorKind::TimedOut, text)
        })?
}
