//! The logger `quickcache`: where Rust's records go, and whether debug lines are wanted.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use log::Level;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use super::raw::intern;
use super::raw::{self, watch};
use crate::notices::Notice;

const DEBUG: u8 = 10;

/// Hand records of this crate to Python's logging; of its dependencies, only warnings.
pub(super) fn install(py: Python<'_>) -> PyResult<()> {
    let logger = pyo3_log::Logger::new(py, pyo3_log::Caching::Loggers)?
        .filter(log::LevelFilter::Warn)
        .filter_target("quickcache".to_owned(), log::LevelFilter::Debug);
    // An error says that a logger is there: this module was initialised before.
    let _ = logger.install();
    Ok(())
}

/// The logger, and the dicts that tell whether debug lines are wanted.
struct Parts {
    logger: Py<PyAny>,
    /// Its attributes, and what it remembers of the levels that are enabled. None for a logger that
    /// decides in a way of its own.
    dicts: Option<(Py<PyDict>, Py<PyDict>)>,
    /// Its class, and that one's `debug`.
    class: (Py<PyType>, Py<PyAny>),
    /// Whether changes of these are noticed.
    are_watched: bool,
}

fn parts(py: Python<'_>) -> PyResult<&'static Parts> {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    raw::once(&PARTS, || {
        let get_logger = raw::imported(py, "logging", "getLogger")?;
        let logger = raw::call(&get_logger, &("quickcache",).into_pyobject(py)?, None)?;
        let is_enabled = raw::imported(py, "logging", "Logger")?.getattr("isEnabledFor")?;
        let is_plain = logger.get_type().getattr("isEnabledFor")?.is(&is_enabled);
        let remembered = logger.getattr_opt("_cache")?;
        let remembered = remembered.and_then(|dict| dict.cast_into_exact::<PyDict>().ok());
        let dicts = raw::ordinary_dict(&logger)
            .zip(remembered)
            .filter(|_| is_plain);
        let class = logger.get_type();
        let debug = class.getattr("debug")?;
        let are_watched = raw::version_tag(&class) != 0
            && watch::watch_logger_class(&class)
            && dicts.as_ref().is_some_and(|(own, remembered)| {
                watch::watch_logger(0, own) && watch::watch_logger(1, remembered)
            });
        Ok(Parts {
            logger: logger.unbind(),
            class: (class.unbind(), debug.unbind()),
            dicts: dicts.map(|(own, remembered)| (own.unbind(), remembered.unbind())),
            are_watched,
        })
    })
}

/// The logger's changes at which it was seen that nobody wants debug lines; none so far.
static QUIET_AT: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whether it is known that nobody wants debug lines.
#[inline]
pub(super) fn is_quiet(py: Python<'_>) -> bool {
    watch::logger_changes(py) == Some(QUIET_AT.load(Ordering::Relaxed))
}

/// Whether the logger `quickcache` takes debug lines now, or a test has put something in the place
/// of its `debug`.
pub(super) fn debug_enabled(py: Python<'_>) -> PyResult<bool> {
    if is_quiet(py) {
        return Ok(false);
    }
    let parts = parts(py)?;
    let changes = watch::logger_changes(py);
    let enabled = wants_debug(py, parts)?;
    // `isEnabledFor` remembers its answer unless the logger is disabled; either way, what would
    // change it changes one of the dicts.
    if let Some(changes) = changes
        && !enabled
        && parts.are_watched
        && watch::logger_changes(py) == Some(changes)
    {
        QUIET_AT.store(changes, Ordering::Relaxed);
    }
    Ok(enabled)
}

fn wants_debug(py: Python<'_>, parts: &Parts) -> PyResult<bool> {
    static LEVEL: OnceLock<Py<PyAny>> = OnceLock::new();
    let level = raw::once(&LEVEL, || Ok(DEBUG.into_pyobject(py)?.into_any().unbind()))?;
    // What `isEnabledFor` does, without a call into Python: every change of levels empties the dict.
    if let Some((own, remembered)) = &parts.dicts {
        let (class, debug) = &parts.class;
        let of_class = class.bind(py).getattr(intern!(py, "debug"))?;
        if !of_class.is(debug) || own.bind(py).contains(intern!(py, "debug"))? {
            return Ok(true);
        }
        if let Some(enabled) = remembered.bind(py).get_item(level.bind(py))? {
            return enabled.is_truthy();
        }
    }
    let logger = parts.logger.bind(py);
    raw::method(logger, intern!(py, "isEnabledFor"), &[level.bind(py)])?.is_truthy()
}

/// Hand over what was to be logged by those who could not.
///
/// Not by pyo3-log, whose calls of Python abort the process where a daemon thread is ended in them.
pub(super) fn hand_over(py: Python<'_>, notices: Vec<Notice>) -> PyResult<()> {
    for Notice { level, text } in notices {
        let name = match level {
            Level::Error => intern!(py, "error"),
            Level::Warn => intern!(py, "warning"),
            Level::Info => intern!(py, "info"),
            Level::Debug | Level::Trace => intern!(py, "debug"),
        };
        let text = PyString::new(py, &text);
        raw::method(parts(py)?.logger.bind(py), name, &[&text])?;
    }
    Ok(())
}

/// A debug line: a text with `{}` for an object.
pub(super) fn debug(py: Python<'_>, template: &str, object: &Bound<'_, PyAny>) -> PyResult<()> {
    let template = PyString::new(py, template);
    let message = raw::method(&template, intern!(py, "format"), &[object])?;
    let logger = parts(py)?.logger.bind(py);
    raw::method(logger, intern!(py, "debug"), &[&message]).map(drop)
}
