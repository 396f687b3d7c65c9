//! The logger `quickcache`: where Rust's records go, and whether debug lines are wanted.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString};

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

/// The logger and, where it has one, the dict in which it remembers which levels are enabled.
fn parts(py: Python<'_>) -> PyResult<&'static (Py<PyAny>, Option<Py<PyDict>>)> {
    static PARTS: PyOnceLock<(Py<PyAny>, Option<Py<PyDict>>)> = PyOnceLock::new();
    PARTS.get_or_try_init(py, || {
        let logger = py
            .import("logging")?
            .call_method1("getLogger", ("quickcache",))?;
        let remembered = logger
            .getattr("_cache")
            .ok()
            .and_then(|cache| cache.cast_into_exact::<PyDict>().ok());
        Ok((logger.unbind(), remembered.map(Bound::unbind)))
    })
}

/// Whether the logger `quickcache` takes debug lines now.
pub(super) fn debug_enabled(py: Python<'_>) -> PyResult<bool> {
    static LEVEL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let level = LEVEL.get_or_try_init(py, || {
        Ok::<_, PyErr>(DEBUG.into_pyobject(py)?.into_any().unbind())
    })?;
    let (logger, remembered) = parts(py)?;
    // What `isEnabledFor` does, without a call into Python: every change of levels empties the dict.
    if let Some(remembered) = remembered
        && let Some(enabled) = remembered.bind(py).get_item(level.bind(py))?
    {
        return enabled.is_truthy();
    }
    logger
        .bind(py)
        .call_method1(intern!(py, "isEnabledFor"), (level.bind(py),))?
        .is_truthy()
}

/// A debug line: a text with `{}` for an object.
pub(super) fn debug(py: Python<'_>, template: &str, object: &Bound<'_, PyAny>) -> PyResult<()> {
    let message = PyString::new(py, template).call_method1(intern!(py, "format"), (object,))?;
    let (logger, _) = parts(py)?;
    logger
        .bind(py)
        .call_method1(intern!(py, "debug"), (message,))?;
    Ok(())
}
