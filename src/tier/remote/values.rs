//! One value: read, written, deleted.

use super::{RemoteTier, has_life};
use crate::clock::Timeout;
use crate::tier::lease::is_placeholder;
use crate::tier::server::{Condition, Failure, Server, Stored};

/// How often a step is tried that others keep getting ahead of.
const TRIES: usize = 3;

impl<S: Server> RemoteTier<S> {
    /// What is there under a full key, with its life if that is wanted. A placeholder is nothing.
    pub fn get(&self, key: &[u8], with_life: bool) -> Result<Option<Stored>, Failure> {
        let found = if self.distrusts(key) {
            Ok(None)
        } else {
            self.run(key, |server, until| server.get(key, with_life, until))
        };
        let found = found.map(|found| found.filter(|found| !is_placeholder(&found.bytes)));
        match &found {
            Ok(Some(_)) => self.counters.hits.add(1),
            _ => self.counters.misses.add(1),
        }
        found
    }

    /// Keep bytes under a full key, by request. Whether they are kept.
    pub fn set(&self, key: &[u8], bytes: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !self.may_keep(bytes, life) {
            return self.delete(key).map(|_| false);
        }
        let begun = self.undelivered.now();
        let done = self.run(key, |server, until| {
            self.wait_for_delivery(key, until);
            server.set(key, bytes, life, Condition::Always, until)
        });
        match done {
            Ok(_) => {
                self.undelivered.remove(key, begun);
                self.counters.stores.add(1);
                Ok(true)
            }
            Err(failure) => {
                // What was to be replaced may be there still.
                self.keep_delete(key);
                Err(failure)
            }
        }
    }

    /// Keep bytes under a full key if nothing is there, or nothing but a placeholder. Whether they are kept.
    pub fn add(&self, key: &[u8], bytes: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !self.may_keep(bytes, life) {
            return Ok(false);
        }
        let begun = self.undelivered.now();
        let added = self.run(key, |server, until| {
            self.wait_for_delivery(key, until);
            // Not for ever: a replica that is behind may say again and again that there is nothing.
            for _ in 0..TRIES {
                if server.set(key, bytes, life, Condition::Absent, until)? {
                    return Ok(true);
                }
                let Some(found) = server.get(key, false, until)? else {
                    continue;
                };
                let is_free = self.distrusts(key) || is_placeholder(&found.bytes);
                if !is_free {
                    return Ok(false);
                }
                let unchanged = Condition::Unchanged(&found.bytes);
                if server.set(key, bytes, life, unchanged, until)? {
                    return Ok(true);
                }
            }
            Ok(false)
        })?;
        if added {
            self.undelivered.remove(key, begun);
            self.counters.stores.add(1);
        }
        Ok(added)
    }

    /// Forget a full key. Whether it was there.
    pub fn delete(&self, key: &[u8]) -> Result<bool, Failure> {
        let begun = self.undelivered.now();
        match self.run(key, |server, until| server.delete(key, until)) {
            Ok(was_there) => {
                self.undelivered.remove(key, begun);
                self.counters.deletes.add(u64::from(was_there));
                Ok(was_there)
            }
            Err(failure) => {
                self.keep_delete(key);
                Err(failure)
            }
        }
    }

    /// Forget a full key if it has these very bytes.
    pub fn delete_unchanged(&self, key: &[u8], bytes: &[u8]) -> Result<bool, Failure> {
        self.run(key, |server, until| {
            server.delete_if(key, Condition::Unchanged(bytes), until)
        })
    }

    /// Replace bytes by others, if they are still there.
    pub fn replace(
        &self,
        key: &[u8],
        old: &[u8],
        new: &[u8],
        life: Timeout,
    ) -> Result<bool, Failure> {
        if !has_life(life) {
            return self.delete_unchanged(key, old);
        }
        self.run(key, |server, until| {
            server.set(key, new, life, Condition::Unchanged(old), until)
        })
    }

    /// Whether there is a value under a full key.
    pub fn contains(&self, key: &[u8]) -> Result<bool, Failure> {
        if self.distrusts(key) {
            return Ok(false);
        }
        self.run(key, |server, until| server.touch(key, None, until))
    }

    /// Give the value of a full key a new life. Whether there is one.
    pub fn touch(&self, key: &[u8], life: Timeout) -> Result<bool, Failure> {
        if !has_life(life) {
            return self.delete(key);
        }
        if self.distrusts(key) {
            return Ok(false);
        }
        self.run(key, |server, until| server.touch(key, Some(life), until))
    }

    /// Add to the number under a full key. None if there is none.
    pub fn increment(&self, key: &[u8], by: i64) -> Result<Option<i64>, Failure> {
        if self.distrusts(key) {
            return Ok(None);
        }
        self.run(key, |server, until| server.increment(key, by, until))
    }
}
