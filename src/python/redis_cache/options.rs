//! The arguments that a `RedisCache` is made with.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::codec::signing::SigningKey;
use crate::error::Error;
use crate::python::errors::ReplicaReadsWarning;
use crate::redis::client::Client;
use crate::redis::config::CertReqs;

pub(super) fn urls_of(url: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let not_urls = |given: &Bound<'_, PyAny>| {
        let name = given.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "url is a str such as 'redis://localhost:6379/0', or a list of them, not {name}"
        )))
    };
    if let Ok(text) = url.cast::<PyString>() {
        return Ok(vec![text.to_str()?.to_owned()]);
    }
    let Ok(urls) = url.try_iter() else {
        return not_urls(url);
    };
    let mut texts = Vec::new();
    for url in urls {
        let url = url?;
        match url.cast::<PyString>() {
            Ok(text) => texts.push(text.to_str()?.to_owned()),
            Err(_) => return not_urls(&url),
        }
    }
    Ok(texts)
}

pub(super) fn keys_of(keys: &Bound<'_, PyAny>) -> PyResult<Vec<SigningKey>> {
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err(
            "signing_keys is a list of keys, the one that signs first, not a single key",
        ));
    }
    let mut found = Vec::new();
    for key in keys.try_iter()? {
        let key = key?;
        if let Ok(text) = key.cast::<PyString>() {
            found.push(SigningKey::new(text.to_str()?.as_bytes()));
        } else if let Ok(bytes) = key.cast::<PyBytes>() {
            found.push(SigningKey::new(bytes.as_bytes()));
        } else {
            let name = key.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "a signing key is a str or bytes, not {name}"
            )));
        }
    }
    Ok(found)
}

pub(super) fn cert_reqs(given: &str) -> Result<CertReqs, Error> {
    Ok(
        match choice("ssl_cert_reqs", given, &["required", "none"])? {
            "none" => CertReqs::None,
            _ => CertReqs::Required,
        },
    )
}

pub(super) fn choice(
    option: &'static str,
    given: &str,
    accepted: &'static [&'static str],
) -> Result<&'static str, Error> {
    let found = accepted.iter().find(|word| **word == given);
    found.copied().ok_or_else(|| Error::UnknownChoice {
        option,
        given: given.to_owned(),
        accepted,
    })
}

/// Whether reads go to replicas, so that leases are of no use; then with a warning.
pub(super) fn must_do_without_leases(py: Python<'_>, client: &Client) -> PyResult<bool> {
    if !client.reads_replicas() {
        return Ok(false);
    }
    PyErr::warn(
        py,
        &py.get_type::<ReplicaReadsWarning>(),
        c"a list of URLs is a primary and its replicas, which are read from: values are stored without leases, since \
          a replica that lags behind would bring a cleared value back. Give the primary's URL alone to have leases, \
          or leases=False to have no warning",
        1,
    )?;
    Ok(true)
}
