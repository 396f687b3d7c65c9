//! `RedisCache`: the tier on a server as Python sees it.

mod claims;
mod options;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyTuple};

use super::argument::Argument;
use super::memory_cache::no_int;
use super::serializer::Serializer;
use super::{key, logging, raw, timeout};
use crate::clock::Timeout;
use crate::codec::{Codec, Format};
use crate::redis::client::Client;
use crate::redis::listener::Listener;
use crate::tier::Found;
use crate::tier::coherence::{Hub, Mode};
use crate::tier::lease::Lease;
use crate::tier::remote::{Filled, RemoteTier, has_life};
use crate::tier::server::{Failure, FailureKind, Stored};

pub(super) use claims::Claim;
use options::Settings;
use values::{delta_of, expiry, now_ms, rewrite};

/// A cache on a server of Redis or Valkey.
#[pyclass(module = "quickcache", frozen, subclass, weakref)]
pub(super) struct RedisCache {
    tier: Arc<RemoteTier<Client>>,
    codec: Codec,
    serializer: Serializer,
    raises: bool,
    /// The URLs without passwords, for `repr`.
    shown: String,
    /// What it was made with, for copies and pickles.
    url: Py<PyAny>,
    options: Py<PyDict>,
    /// Who listens to the server, for memory tiers above: by tracking, and by a channel.
    listeners: [OnceLock<Arc<Listener>>; 2],
}

#[pymethods]
impl RedisCache {
    #[new]
    #[pyo3(signature = (url, **options),
           text_signature = "(url, *, timeout=300, key_prefix='', serializer='pickle', compression=None, \
compress_above=1024, signing_keys=(), max_value_bytes=16777216, deadline=0.25, on_error='miss', leases=True, \
ssl_ca_certs=None, ssl_certfile=None, ssl_keyfile=None, ssl_check_hostname=True, ssl_cert_reqs='required')")]
    fn new(url: &Bound<'_, PyAny>, options: Option<Bound<'_, PyDict>>) -> PyResult<Self> {
        let options = options.unwrap_or_else(|| PyDict::new(url.py()));
        let settings = Settings::read(url, &options)?;
        Ok(Self {
            tier: RemoteTier::new(settings.client, settings.tier),
            codec: settings.codec,
            serializer: settings.serializer,
            raises: settings.raises,
            shown: settings.shown,
            url: url.clone().unbind(),
            options: options.unbind(),
            listeners: Default::default(),
        })
    }

    #[pyo3(signature = (key, default = None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.fetch(key.py(), &self.full_key(key)?, false)?;
        Ok(found.map(|found| found.value).or(default))
    }

    #[pyo3(signature = (key, value, timeout = Argument::Default))]
    fn set(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Argument<'_>,
    ) -> PyResult<()> {
        let life = timeout.or(self.default_timeout(), timeout::extract)?;
        self.store(&self.full_key(key)?, value, life).map(drop)
    }

    #[pyo3(signature = (key, value, timeout = Argument::Default))]
    fn add(
        &self,
        key: &Bound<'_, PyAny>,
        value: &Bound<'_, PyAny>,
        timeout: Argument<'_>,
    ) -> PyResult<bool> {
        let life = timeout.or(self.default_timeout(), timeout::extract)?;
        self.add_value(&self.full_key(key)?, value, life)
    }

    fn delete(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        self.forget(py, &self.full_key(key)?)
    }

    #[pyo3(signature = (key, timeout = Argument::Default))]
    fn touch(&self, key: &Bound<'_, PyAny>, timeout: Argument<'_>) -> PyResult<bool> {
        let py = key.py();
        let life = timeout.or(self.default_timeout(), timeout::extract)?;
        let key = self.full_key(key)?;
        if !self.codec.signs() || !has_life(life) {
            let touched = self.ask(py, |tier| tier.touch(&key, life))?;
            return Ok(touched.unwrap_or(false));
        }
        // The end of a signed value's life is signed with it.
        let touched = self.ask(py, |tier| {
            rewrite(tier, &key, |found| {
                let again = self
                    .codec
                    .with_deadline(&key, &found.bytes, expiry(life), now_ms());
                again.ok().map(|again| (again, life))
            })
        })?;
        Ok(touched.unwrap_or(false))
    }

    #[pyo3(signature = (key, delta = Argument::Default), text_signature = "($self, key, delta=1)")]
    fn incr(&self, key: &Bound<'_, PyAny>, delta: Argument<'_>) -> PyResult<i64> {
        let py = key.py();
        let delta = delta.or(1, delta_of)?;
        let full = self.full_key(key)?;
        let sum = if self.codec.signs() {
            let mut sum = None;
            let added = self.ask(py, |tier| {
                rewrite(tier, &full, |found| {
                    let life = found.remaining.unwrap_or(Timeout::FOREVER);
                    let read =
                        self.codec
                            .decode(&full, &found.bytes, self.serializer.format(), now_ms());
                    let number = read.ok().filter(|read| read.format == Format::Integer)?;
                    let number: i64 = std::str::from_utf8(&number.payload).ok()?.parse().ok()?;
                    let added = number.checked_add(delta)?;
                    sum = Some(added);
                    let digits = added.to_string().into_bytes();
                    Some((
                        self.encode(&full, Format::Integer, &digits, life)
                            .into_owned(),
                        life,
                    ))
                })
            })?;
            sum.filter(|_| added == Some(true))
        } else {
            self.ask(py, |tier| tier.increment(&full, delta))?.flatten()
        };
        sum.ok_or_else(|| {
            let reasons = "or it holds no int, or the sum takes more than 64 bits";
            no_int(key, reasons)
        })
    }

    fn get_many<'py>(&self, keys: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = keys.py();
        let keys = keys.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let full = keys
            .iter()
            .map(|key| self.full_key(key))
            .collect::<PyResult<Vec<_>>>()?;
        let values = PyDict::new(py);
        let found = self
            .ask(py, |tier| tier.get_many(&full))?
            .unwrap_or_default();
        let now = now_ms();
        for ((key, full), bytes) in keys.iter().zip(&full).zip(found) {
            if let Some(bytes) = bytes
                && let Some(value) = self.read(py, full, &bytes, now)?
            {
                values.set_item(key, value)?;
            }
        }
        Ok(values)
    }

    #[pyo3(signature = (values, timeout = Argument::Default))]
    fn set_many(&self, values: &Bound<'_, PyAny>, timeout: Argument<'_>) -> PyResult<()> {
        self.store_many(values, timeout).map(drop)
    }

    /// The same for Django, which is told the keys that were not kept.
    #[pyo3(name = "_set_many", signature = (values, timeout = Argument::Default))]
    fn store_many<'py>(
        &self,
        values: &Bound<'py, PyAny>,
        timeout: Argument<'_>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let py = values.py();
        let life = timeout.or(self.default_timeout(), timeout::extract)?;
        let mut items = Vec::new();
        for item in key::items(values)? {
            let (key, value) = item?;
            let key = self.full_key(&key)?;
            let (format, payload) = self.serializer.dumps(&value)?;
            let bytes = self.encode(&key, format, payload.as_bytes(), life);
            items.push((key, bytes.into_owned()));
        }
        let mut failed = Vec::new();
        self.ask(py, |tier| {
            let (keys, result) = tier.set_many(items, life);
            failed = keys;
            result
        })?;
        if life == Timeout::NONE {
            return Ok(Vec::new()); // nothing was to be kept
        }
        let prefix = self.tier.options().prefix.len();
        let given = failed.iter().map(|key| key::unpacked(py, &key[prefix..]));
        given.collect()
    }

    fn delete_many(&self, keys: &Bound<'_, PyAny>) -> PyResult<u64> {
        let py = keys.py();
        let full = keys.try_iter()?.map(|key| self.full_key(&key?));
        let full = full.collect::<PyResult<Vec<_>>>()?;
        let deleted = self.ask(py, |tier| tier.delete_many(&full))?;
        Ok(deleted.unwrap_or(0))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, RemoteTier::clear).map(drop)
    }

    /// Raises even where all else does not: that is what it is for.
    fn ping(&self, py: Python<'_>) -> PyResult<f64> {
        let took = self.detached(py, RemoteTier::ping)??;
        Ok(took.as_secs_f64())
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let close = |tier: &RemoteTier<Client>| {
            tier.close();
            Ok(())
        };
        self.ask(py, close).map(drop)
    }

    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.tier.stats().named().into_py_dict(py)
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = key.py();
        let key = self.full_key(key)?;
        if self.codec.signs() {
            // One that nobody has signed is none.
            return Ok(self.fetch(py, &key, false)?.is_some());
        }
        let found = self.ask(py, |tier| tier.contains(&key))?;
        Ok(found.unwrap_or(false))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        Ok(format!(
            "<{} {} timeout={} key_prefix={} deadline={} leases={}>",
            slf.get_type().name()?,
            this.shown,
            this.timeout().into_pyobject(py)?.repr()?,
            this.key_prefix().into_pyobject(py)?.repr()?,
            this.deadline().into_pyobject(py)?.repr()?,
            this.leases().into_pyobject(py)?.repr()?,
        ))
    }

    #[getter]
    fn timeout(&self) -> Option<f64> {
        let life = self.tier.options().timeout.duration()?;
        Some(life.as_secs_f64())
    }

    #[getter]
    fn key_prefix(&self) -> String {
        String::from_utf8_lossy(&self.tier.options().prefix).into_owned()
    }

    #[getter]
    fn deadline(&self) -> f64 {
        self.tier.options().deadline.as_secs_f64()
    }

    #[getter]
    fn leases(&self) -> bool {
        self.tier.options().leases
    }

    /// Copies and pickles are made anew with the same arguments: connections are each one's own.
    fn __getnewargs_ex__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let options = self.options.bind(py).copy()?;
        Ok((PyTuple::new(py, [self.url.bind(py)])?, options))
    }

    #[allow(clippy::needless_pass_by_value)] // what PyO3 asks for
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.url)?;
        visit.call(&self.options)?;
        self.serializer.traverse(&visit)
    }
}

impl RedisCache {
    /// The key as the server has it.
    pub(super) fn full_key(&self, key: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
        key::with_text(key, |text| self.tier.full_key(text))
    }

    /// The life of a value that is set without one.
    pub(super) fn default_timeout(&self) -> Timeout {
        self.tier.options().timeout
    }

    /// Whether values are stored under leases.
    pub(super) fn has_leases(&self) -> bool {
        self.tier.options().leases
    }

    /// Whether reads may be answered by a replica, which may be behind.
    pub(super) fn reads_replicas(&self) -> bool {
        self.tier.server().reads_replicas()
    }

    /// Who listens to the server.
    pub(super) fn listener(&self, mode: Mode) -> PyResult<Arc<Listener>> {
        let place = &self.listeners[mode as usize];
        if let Some(listener) = place.get() {
            return Ok(Arc::clone(listener));
        }
        let listener = Listener::of(self.tier.server().topology(), mode)?;
        Ok(Arc::clone(place.get_or_init(|| listener)))
    }

    /// Whether it asks servers that `hub` is told by, as far as is known.
    pub(super) fn is_at(&self, hub: &Hub) -> bool {
        self.tier.server().is_at(hub)
    }

    /// Ask others for the primary again, if it is none by which `hub` is told.
    pub(super) fn go_to(&self, hub: &Hub) {
        if !self.is_at(hub) {
            self.tier.server().leave_primary();
        }
    }

    /// Tell other processes of what is changed here, if that is how they are told.
    pub(super) fn publish(&self, hub: &Arc<Hub>, channel: &[u8]) {
        self.tier.server().publish(hub, channel);
    }

    pub(super) fn full(&self, key: &[u8]) -> Vec<u8> {
        self.tier.full_key(key)
    }

    /// The value under a full key. What cannot be decoded is a miss.
    pub(super) fn fetch<'py>(
        &self,
        py: Python<'py>,
        key: &[u8],
        with_life: bool,
    ) -> PyResult<Option<Found<Bound<'py, PyAny>>>> {
        let found = self.ask(py, |tier| tier.get(key, with_life))?.flatten();
        let Some(Stored { bytes, remaining }) = found else {
            return Ok(None);
        };
        let value = self.read(py, key, &bytes, now_ms())?;
        Ok(value.map(|value| Found { value, remaining }))
    }

    /// Keep a value under a full key, by request.
    pub(super) fn store(
        &self,
        key: &[u8],
        value: &Bound<'_, PyAny>,
        life: Timeout,
    ) -> PyResult<bool> {
        let stored = self.write(key, value, life, |tier, bytes| tier.set(key, bytes, life))?;
        Ok(stored.unwrap_or(false))
    }

    /// Keep a value under a full key, if there is none. Whether there was none.
    pub(super) fn add_value(
        &self,
        key: &[u8],
        value: &Bound<'_, PyAny>,
        life: Timeout,
    ) -> PyResult<bool> {
        let py = value.py();
        let add = || self.write(key, value, life, |tier, bytes| tier.add(key, bytes, life));
        let mut added = add()?;
        // What nobody has signed is in nobody's way: it is removed when it is read.
        if added == Some(false) && self.codec.signs() && self.fetch(py, key, false)?.is_none() {
            added = add()?;
        }
        Ok(added.unwrap_or(false))
    }

    /// Keep a computed value; None if there was no answer.
    pub(super) fn fill(
        &self,
        key: &[u8],
        value: &Bound<'_, PyAny>,
        life: Timeout,
        lease: Option<&Lease>,
    ) -> PyResult<Option<Filled>> {
        self.write(key, value, life, |tier, bytes| {
            tier.fill(key, bytes, life, lease)
        })
    }

    /// Forget a full key.
    pub(super) fn forget(&self, py: Python<'_>, key: &[u8]) -> PyResult<bool> {
        Ok(self.ask(py, |tier| tier.delete(key))?.unwrap_or(false))
    }

    /// Ask the server without the interpreter. None if it failed, unless that is to be raised.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&RemoteTier<Client>) -> Result<T, Failure> + Send,
    ) -> PyResult<Option<T>> {
        match self.detached(py, ask)? {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if self.raises => Err(failure.into()),
            Err(_) => Ok(None),
        }
    }

    fn detached<T: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&RemoteTier<Client>) -> Result<T, Failure> + Send,
    ) -> PyResult<Result<T, Failure>> {
        let tier = &*self.tier;
        let answer = raw::detached(py, || {
            catch_unwind(AssertUnwindSafe(|| ask(tier))).unwrap_or_else(|_| {
                log::error!(target: "quickcache", "a call to the server panicked");
                Err(Failure::new(
                    FailureKind::Protocol,
                    "a call to the server panicked",
                ))
            })
        });
        logging::hand_over(py, self.tier.take_notices())?;
        Ok(answer)
    }
}
