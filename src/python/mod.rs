//! The boundary to Python: everything that names pyo3.

use pyo3::prelude::*;

#[pymodule]
mod _native {}
