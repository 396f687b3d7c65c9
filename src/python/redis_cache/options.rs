//! The arguments that a `RedisCache` is made with.

use std::path::PathBuf;
use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyInt, PyString};

use crate::clock::Timeout;
use crate::codec::compression::Compression;
use crate::codec::signing::SigningKey;
use crate::codec::{self, Codec};
use crate::error::Error;
use crate::python::argument;
use crate::python::errors::ReplicaReadsWarning;
use crate::python::raw::intern;
use crate::python::serializer::Serializer;
use crate::python::shown::{shown, wrong_type};
use crate::python::timeout;
use crate::redis::client::Client;
use crate::redis::config::{self, CertReqs, TlsOptions};
use crate::tier::remote;

const DEFAULT_TIMEOUT: Timeout = Timeout::after(Duration::from_secs(300));
const DEFAULT_DEADLINE: Duration = Duration::from_millis(250);
const DEFAULT_COMPRESS_ABOVE: usize = 1024;
const DEFAULT_MAX_VALUE_BYTES: usize = 16 * 1024 * 1024;

/// What they come to.
pub(super) struct Settings {
    pub(super) client: Client,
    pub(super) tier: remote::Options,
    pub(super) codec: Codec,
    pub(super) serializer: Serializer,
    pub(super) raises: bool,
    /// The URLs without passwords.
    pub(super) shown: String,
}

impl Settings {
    pub(super) fn read(url: &Bound<'_, PyAny>, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let py = url.py();
        let urls = urls_of(url)?;
        let urls: Vec<_> = urls.iter().map(String::as_str).collect();
        let given = Given(options.copy()?);

        let timeout = given.read("timeout", timeout::extract)?;
        let prefix = given.text("key_prefix")?.unwrap_or_default();
        let serializer = match given.take("serializer")? {
            Some(serializer) => Serializer::of(&serializer)?,
            None => Serializer::of(intern!(py, "pickle").as_any())?,
        };
        let compression = given
            .text_or_none("compression")?
            .map(|name| Compression::named(&name))
            .transpose()?;
        let compress_above = given.bytes("compress_above", 0)?;
        let signing_keys = given.read("signing_keys", keys_of)?;
        let max_value_bytes = given
            .bytes("max_value_bytes", 1)?
            .unwrap_or(DEFAULT_MAX_VALUE_BYTES);
        let deadline = given.read("deadline", timeout::deadline)?;
        let raises = given.choice("on_error", &["miss", "raise"])? == Some("raise");
        let leases = given.flag("leases", true)?;
        let tls = TlsOptions {
            ca_certs: given.path("ssl_ca_certs")?,
            certfile: given.path("ssl_certfile")?,
            keyfile: given.path("ssl_keyfile")?,
            check_hostname: given.flag("ssl_check_hostname", true)?,
            cert_reqs: match given.choice("ssl_cert_reqs", &["required", "none"])? {
                Some("none") => CertReqs::None,
                _ => CertReqs::Required,
            },
        };
        given.finish()?;

        let client = Client::new(config::parse(&urls, &tls)?)?;
        let leases = leases && !must_do_without_leases(py, &client)?;
        let shown: Vec<_> = urls.iter().map(|url| config::shown(url)).collect();
        Ok(Self {
            client,
            tier: remote::Options {
                prefix: prefix.into_bytes(),
                timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
                deadline: deadline.unwrap_or(DEFAULT_DEADLINE),
                leases,
                keeps_deletes: !raises,
                max_value_bytes,
            },
            codec: Codec::new(codec::Options {
                compression,
                compress_above: compress_above.unwrap_or(DEFAULT_COMPRESS_ABOVE),
                signing_keys: signing_keys.unwrap_or_default(),
                max_decoded: max_value_bytes,
            })?,
            serializer,
            raises,
            shown: shown.join(", "),
        })
    }
}

/// The keyword arguments that have not been read yet.
struct Given<'py>(Bound<'py, PyDict>);

impl<'py> Given<'py> {
    fn take(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.0.get_item(name)?;
        if found.is_some() {
            self.0.del_item(name)?;
        }
        Ok(found)
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<T>,
    ) -> PyResult<Option<T>> {
        self.take(name)?.map(|given| read(&given)).transpose()
    }

    fn text(&self, name: &str) -> PyResult<Option<String>> {
        self.read(name, |given| match given.cast::<PyString>() {
            Ok(text) => in_utf8(name, text),
            Err(_) => Err(wrong_type(name, "a str", given)),
        })
    }

    fn text_or_none(&self, name: &str) -> PyResult<Option<String>> {
        let found = self.read(name, |given| {
            if given.is_none() {
                return Ok(None);
            }
            match given.cast::<PyString>() {
                Ok(text) => in_utf8(name, text).map(Some),
                Err(_) => Err(wrong_type(name, "a str or None", given)),
            }
        });
        Ok(found?.flatten())
    }

    fn choice(
        &self,
        name: &'static str,
        accepted: &'static [&'static str],
    ) -> PyResult<Option<&'static str>> {
        let Some(given) = self.text(name)? else {
            return Ok(None);
        };
        match accepted.iter().find(|word| **word == given) {
            Some(word) => Ok(Some(word)),
            None => Err(Error::UnknownChoice {
                option: name,
                given,
                accepted,
            }
            .into()),
        }
    }

    fn flag(&self, name: &str, default: bool) -> PyResult<bool> {
        let found = self.read(name, |given| argument::flag(name, given))?;
        Ok(found.unwrap_or(default))
    }

    /// A number of bytes.
    fn bytes(&self, name: &str, least: usize) -> PyResult<Option<usize>> {
        self.read(name, |given| {
            if !given.is_instance_of::<PyInt>() || given.is_instance_of::<PyBool>() {
                return Err(wrong_type(name, "a number of bytes, an int", given));
            }
            match given.extract::<usize>() {
                Ok(number) if number >= least => Ok(number),
                Err(_) if given.gt(0)? => Ok(usize::MAX),
                _ => Err(PyValueError::new_err(format!(
                    "{name} is a number of bytes and must be at least {least}, not {}",
                    shown(given)?
                ))),
            }
        })
    }

    fn path(&self, name: &str) -> PyResult<Option<PathBuf>> {
        let found = self.read(name, |given| {
            if given.is_none() {
                return Ok(None);
            }
            let path = given.extract().map(Some);
            path.map_err(|_| {
                wrong_type(
                    name,
                    "the path of a file, a str or os.PathLike, or None",
                    given,
                )
            })
        });
        Ok(found?.flatten())
    }

    /// Nothing may be left.
    fn finish(self) -> PyResult<()> {
        match self.0.keys().get_item(0) {
            Ok(name) => Err(PyTypeError::new_err(format!(
                "RedisCache() got an unexpected keyword argument '{name}'"
            ))),
            Err(_) => Ok(()),
        }
    }
}

/// A text for a server, which cannot have lone surrogates.
fn in_utf8(name: &str, text: &Bound<'_, PyString>) -> PyResult<String> {
    let Ok(found) = text.to_str() else {
        return Err(PyValueError::new_err(format!(
            "{name} must be text that can be written in UTF-8, not {}",
            shown(text)?
        )));
    };
    Ok(found.to_owned())
}

fn urls_of(url: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let not_urls = |given: &Bound<'_, PyAny>| {
        let accepted = "a str such as 'redis://localhost:6379/0', or a list of them";
        Err(wrong_type("url", accepted, given))
    };
    if let Ok(text) = url.cast::<PyString>() {
        return Ok(vec![in_utf8("url", text)?]);
    }
    let Ok(urls) = url.try_iter() else {
        return not_urls(url);
    };
    if url.is_instance_of::<PyBytes>() {
        return not_urls(url);
    }
    let mut texts = Vec::new();
    for url in urls {
        let url = url?;
        match url.cast::<PyString>() {
            Ok(text) => texts.push(in_utf8("url", text)?),
            Err(_) => return not_urls(&url),
        }
    }
    Ok(texts)
}

fn keys_of(keys: &Bound<'_, PyAny>) -> PyResult<Vec<SigningKey>> {
    let accepted = "a list of keys, each a str or bytes, the one that signs first";
    if keys.is_instance_of::<PyString>() || keys.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err(format!(
            "signing_keys is {accepted}, not a single key"
        )));
    }
    let Ok(keys) = keys.try_iter() else {
        let name = keys.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "signing_keys is {accepted}, not {name}"
        )));
    };
    let mut found = Vec::new();
    for key in keys {
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

/// Whether reads go to replicas, so that leases are of no use; then with a warning.
fn must_do_without_leases(py: Python<'_>, client: &Client) -> PyResult<bool> {
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
