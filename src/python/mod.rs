//! The boundary to Python: everything that names pyo3.
// What only the entry asks for is dead where there is none.
#![cfg_attr(not(all(Py_3_12, not(Py_GIL_DISABLED))), allow(dead_code))]

mod alias;
mod any_tier;
mod argument;
mod arguments;
mod asked;
mod backend;
mod bind;
mod clock;
mod codes;
mod coherence;
mod copier;
mod errors;
mod first;
mod flight;
mod foreign;
mod gap;
mod guard;
mod immutable;
mod key;
mod local;
mod logging;
mod memory;
mod memory_cache;
mod naming;
mod near;
mod plan;
mod raw;
mod redis_cache;
mod remote;
mod serializer;
mod shortcut;
mod shown;
mod sizes;
mod tiered;
mod timeout;
mod value;

use std::sync::OnceLock;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;

/// The part in Rust.
#[pymodule]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::PyDict;

    #[pymodule_export]
    use super::alias::seal as seal_django;
    #[pymodule_export]
    use super::backend::Backend;
    #[pymodule_export]
    use super::clock::ManualClock;
    #[pymodule_export]
    use super::coherence::{Coherence, is_coherent, may_be_coherent, stats as coherence_stats};
    #[pymodule_export]
    use super::flight::Desk;
    #[pymodule_export]
    use super::foreign::void;
    #[pymodule_export]
    use super::gap::OpenGap;
    #[pymodule_export]
    use super::guard::seal;
    #[pymodule_export]
    use super::memory_cache::MemoryCache;
    #[pymodule_export]
    use super::plan::{Plan, code_of, key_of};
    #[pymodule_export]
    use super::redis_cache::RedisCache;
    #[pymodule_export]
    use super::shortcut::{Shortcut, find};
    #[pymodule_export]
    use super::shown::shown_to_python;
    #[pymodule_export]
    use super::tiered::{delete_in_order, get_in_order, set_in_order};
    #[pymodule_export]
    use super::timeout::{seconds_of, wait_of};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let py = module.py();
        super::refuse_second_interpreter(py)?;
        module.add("__version__", super::VERSION)?;
        module.add(
            "_OPTIONS_OF_REDIS_PY",
            crate::redis::config::IGNORED.to_vec(),
        )?;
        module.add(
            "_METHODS_OF_BACKENDS",
            super::guard::DJANGO_BACKEND.names.to_vec(),
        )?;
        super::guard::seal_natives(py)?;
        super::foreign::prepare();
        super::raw::read::learn_texts(py);
        super::local::prepare(py)?;
        super::logging::install(py)
    }

    #[pyfunction]
    fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
        let info = PyDict::new(py);
        info.set_item("version", super::VERSION)?;
        let profile = if cfg!(debug_assertions) {
            "debug"
        } else {
            "release"
        };
        info.set_item("profile", profile)?;
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        info.set_item("target", target)?;
        info.set_item("features", ["python"])?;
        info.set_item("tiers", ["memory", "redis"])?;
        Ok(info)
    }

    #[pyfunction]
    fn md5_hex(text: &Bound<'_, PyAny>) -> PyResult<String> {
        super::codes::md5_hex_of(text)
    }
}

/// Raise ImportError in any interpreter of the process but the first that loads this module: objects
/// kept here, such as classes, are those of one interpreter.
fn refuse_second_interpreter(py: Python<'_>) -> PyResult<()> {
    static HOME: OnceLock<i64> = OnceLock::new();
    if *HOME.get_or_init(|| raw::interpreter(py)) == raw::interpreter(py) {
        return Ok(());
    }
    Err(PyImportError::new_err(
        "quickcache is in use by another interpreter of this process, and works in one only. For mod_wsgi, \
         set WSGIApplicationGroup %{GLOBAL}; for uWSGI, single-interpreter = true",
    ))
}

/// The Python package's version.
const VERSION: &str = "1.0.0a1";
