//! The native engine of BoringSDP for Python: worker threads that own the sockets, and the classes that command them.

mod bpf;
mod engine;
mod events;
mod handed_out;
mod link;
mod lookup;
mod mmsg;
mod news;
mod poll;
mod ports;
mod program;
mod raw;
mod send;
mod socket;
mod srtp_test;
mod state;
mod steer;
mod values;
mod worker;

use pyo3::prelude::*;

#[pymodule]
fn boringsdp_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("EVENTS", events::NAMES)?;
    module.add_class::<srtp_test::Srtp>()?;
    module.add_class::<engine::Engine>()
}
