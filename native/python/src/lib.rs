//! The native engine of BoringSDP for Python: worker threads that own the sockets, and the classes that command them.

mod bpf;
mod handed_out;
mod lookup;
mod mmsg;
mod ports;
mod raw;
mod send;
mod socket;
mod steer;

use pyo3::prelude::*;

#[pymodule]
fn boringsdp_native(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
