//! Connections with TLS that were not in use for a while: told from those that a server has done with.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use quickcache::redis::client::Client;
use quickcache::redis::config::{TlsOptions, parse};
use quickcache::tier::server::Server;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConnection, StreamOwned, SupportedProtocolVersion};

use crate::certificates::{Authority, Files};
use crate::redis_tls::server;
use crate::wire_server::later;

type Peer = StreamOwned<ServerConnection, std::net::TcpStream>;

/// Ask once, have the server do something, and ask again. How many connections that took.
fn connections_if(
    version: &'static SupportedProtocolVersion,
    meanwhile: impl FnOnce(&mut Peer) + Send + 'static,
) -> u64 {
    let authority = Authority::named("authority");
    let certified = authority.certify("127.0.0.1");
    let files = Files::new();
    let options = TlsOptions {
        ca_certs: Some(files.write("ca.pem", &authority.certificate)),
        ..TlsOptions::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rediss://{}/0", listener.local_addr().unwrap());
    let (ask_again, asked_again) = mpsc::channel();
    let serving = thread::spawn(move || {
        let mut meanwhile = Some(meanwhile);
        // Each has its answers one after the other, until the client is gone.
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true).unwrap();
            let mut peer = StreamOwned::new(server(version, &certified, None), stream);
            let mut command = [0; 4_096];
            let mut is_over = false;
            while peer.read(&mut command).is_ok_and(|read| read > 0) {
                is_over |= command.windows(4).any(|word| word == b"last");
                peer.write_all(b":1\r\n").unwrap();
                peer.flush().unwrap();
                if let Some(meanwhile) = meanwhile.take() {
                    meanwhile(&mut peer);
                    ask_again.send(()).unwrap();
                }
                command.fill(0);
            }
            if is_over {
                return;
            }
        }
    });
    let client = Client::new(parse(&[&url], &options).unwrap()).unwrap();
    assert_eq!(Ok(Some(1)), client.increment(b"first", 1, later()));
    asked_again.recv().unwrap();
    assert_eq!(Ok(Some(1)), client.increment(b"last", 1, later()));
    let connections = client.connections();
    drop(client);
    serving.join().unwrap();
    connections
}

#[test]
fn one_that_is_quiet_is_used_again_whatever_tickets_came() {
    for version in [&TLS12, &TLS13] {
        assert_eq!(1, connections_if(version, |_| ()));
    }
}

#[test]
fn one_that_the_server_closed_is_replaced_before_anything_is_sent() {
    for version in [&TLS12, &TLS13] {
        let close = |peer: &mut Peer| {
            peer.conn.send_close_notify();
            peer.flush().unwrap();
        };
        assert_eq!(2, connections_if(version, close));
        let cut = |peer: &mut Peer| peer.sock.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(2, connections_if(version, cut));
    }
}

#[test]
fn one_with_a_reply_too_many_is_replaced() {
    for version in [&TLS12, &TLS13] {
        let stray = |peer: &mut Peer| {
            peer.write_all(b":99\r\n").unwrap();
            peer.flush().unwrap();
        };
        assert_eq!(2, connections_if(version, stray));
    }
}
