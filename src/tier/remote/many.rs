//! Several values at once. In a cluster, some may be on servers that are away.

use std::borrow::Cow;

use super::RemoteTier;
use crate::clock::Timeout;
use crate::tier::lease::is_placeholder;
use crate::tier::server::{Failure, Server};

impl<S: Server> RemoteTier<S> {
    /// What is there under each of the full keys.
    pub fn get_many(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let is_away = self.are_away(keys.iter().map(Vec::as_slice));
        let of_those_there = keys.iter().zip(&is_away).filter(|(_, is_away)| !**is_away);
        let there: Cow<'_, [Vec<u8>]> = if is_away.contains(&true) {
            of_those_there.map(|(key, _)| key.clone()).collect()
        } else {
            keys.into()
        };
        let asked = self.run_many(&there, |server, until| server.get_many(&there, until));
        let mut asked = asked
            .inspect_err(|_| self.counters.misses.add(keys.len() as u64))?
            .into_iter();
        let mut hits = 0;
        let mut found = Vec::with_capacity(keys.len());
        for (key, is_away) in keys.iter().zip(is_away) {
            let bytes = if is_away {
                None
            } else {
                asked.next().flatten()
            };
            let bytes = bytes.filter(|bytes| !is_placeholder(bytes) && !self.distrusts(key));
            hits += u64::from(bytes.is_some());
            found.push(bytes);
        }
        self.counters.hits.add(hits);
        self.counters.misses.add(keys.len() as u64 - hits);
        Ok(found)
    }

    /// Keep all of these under full keys, by request. The keys of those that are not kept.
    pub fn set_many(
        &self,
        items: Vec<(Vec<u8>, Vec<u8>)>,
        life: Timeout,
    ) -> (Vec<Vec<u8>>, Result<(), Failure>) {
        let begun = self.undelivered.now();
        let (kept, refused): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|(_, bytes)| self.may_keep(bytes, life));
        let mut failed: Vec<_> = refused.into_iter().map(|(key, _)| key).collect();
        let mut result = if failed.is_empty() {
            Ok(())
        } else {
            self.delete_many(&failed).map(drop)
        };
        let mut is_away = self
            .are_away(kept.iter().map(|(key, _)| key.as_slice()))
            .into_iter();
        let (away, kept): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|_| is_away.next().unwrap_or_default());
        for (key, _) in away {
            self.keep_delete(&key);
            failed.push(key);
            result = result.and_then(|()| Err(self.reject()));
        }
        if kept.is_empty() {
            return (failed, result);
        }
        let keys: Vec<_> = kept.iter().map(|(key, _)| key.as_slice()).collect();
        let done = self.run_many(&keys, |server, until| {
            for (key, _) in &kept {
                self.wait_for_delivery(key, until);
            }
            server.set_many(&kept, life, until)
        });
        if done.is_ok() {
            self.counters.stores.add(kept.len() as u64);
        }
        for (key, _) in kept {
            if done.is_ok() {
                self.undelivered.remove(&key, begun);
            } else {
                self.keep_delete(&key);
                failed.push(key);
            }
        }
        result = result.and(done);
        (failed, result)
    }

    /// Forget the full keys. How many were there.
    pub fn delete_many(&self, keys: &[Vec<u8>]) -> Result<u64, Failure> {
        if keys.is_empty() {
            return Ok(0);
        }
        let begun = self.undelivered.now();
        let mut is_away = self.are_away(keys.iter().map(Vec::as_slice)).into_iter();
        let (away, there): (Vec<_>, Vec<_>) = keys
            .iter()
            .cloned()
            .partition(|_| is_away.next().unwrap_or_default());
        let done = if there.is_empty() {
            Ok(0)
        } else {
            self.run_many(&there, |server, until| server.delete_many(&there, until))
        };
        for key in &there {
            match &done {
                Ok(_) => self.undelivered.remove(key, begun),
                Err(_) => self.keep_delete(key),
            }
        }
        for key in &away {
            self.keep_delete(key);
        }
        let deleted = done.inspect(|deleted| self.counters.deletes.add(*deleted))?;
        if away.is_empty() {
            Ok(deleted)
        } else {
            Err(self.reject())
        }
    }
}
