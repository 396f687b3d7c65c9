//! Connections in a child of a fork: its own, while those of its parent are the parent's.
#![cfg(unix)]

use std::fs::File;
use std::os::unix::fs::FileTypeExt;
use std::sync::Arc;
use std::thread;

use quickcache::tier::server::Server;

use crate::redis_wire::{bulk, echo, get};
use crate::wire_server::WireServer;

/// A server that notes which connection a command came by.
fn tagging() -> WireServer {
    WireServer::talking(|peer| {
        while let Some(command) = peer.command() {
            let is_so = match command.as_str() {
                "GET slow" => peer.seen.wait_for("GET go on"),
                // Both of the parent's are closed by the parent, and the child is still there.
                "GET ends" => peer.seen.wait_for_end(1) && peer.seen.wait_for_end(2),
                _ => true,
            };
            let number = if is_so { peer.number } else { 0 };
            peer.say(&bulk(&number.to_string()));
        }
    })
}

#[test]
fn a_child_has_connections_of_its_own_and_lets_go_of_its_parents() {
    let server = tagging();
    let client = Arc::new(server.client());
    assert_eq!(Ok(Some("1".to_owned())), get(&client, "a"));
    // Of the parent's connections, one is in use during the fork.
    let slow = thread::spawn({
        let client = Arc::clone(&client);
        move || get(&client, "slow")
    });
    assert!(server.seen().wait_for("GET slow"));
    assert_eq!(Ok(Some("2".to_owned())), get(&client, "b"));
    let parent = thread::spawn({
        let (client, seen) = (Arc::clone(&client), Arc::clone(server.seen()));
        move || {
            assert!(seen.wait_for("GET ends"));
            assert_eq!(Ok(Some("2".to_owned())), get(&client, "go on"));
            assert_eq!(Ok(Some("1".to_owned())), slow.join().unwrap());
            client.close();
        }
    });
    let failure = crate::fork::child_failure(|| {
        let is_own = get(&client, "c") == Ok(Some("3".to_owned()));
        is_own && get(&client, "ends") == Ok(Some("3".to_owned()))
    });
    assert_eq!(None, failure);
    parent.join().unwrap();
}

/// And not a socket, which may have its number by then.
fn is_device(file: &File) -> bool {
    let metadata = file.metadata();
    metadata.is_ok_and(|metadata| metadata.file_type().is_char_device())
}

/// As a daemon does, which then has files of its own under the numbers of the sockets.
#[test]
fn a_child_that_closed_all_it_inherited_keeps_the_files_it_opened_since() {
    let server = WireServer::answering(|_, command| echo(command));
    let client = server.client();
    assert_eq!(Ok(Some("a".to_owned())), get(&client, "a"));
    let failure = crate::fork::child_failure(|| {
        crate::fork::close_all();
        let files: Vec<_> = (0..300).map(|_| File::open("/dev/null").unwrap()).collect();
        get(&client, "b") == Ok(Some("b".to_owned())) && files.iter().all(is_device)
    });
    assert_eq!(None, failure);
    assert_eq!(Ok(Some("c".to_owned())), get(&client, "c"));
    assert_eq!(2, server.connections());
}
