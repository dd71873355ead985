//! SRTP alone, so that the tests of the Python package can compare it with libsrtp.

use boringsdp_core::drops::Reason;
use boringsdp_core::error::CommandError;
use boringsdp_core::keys::{Keys, Profile};
use boringsdp_core::srtp::{SrtpReceiver, SrtpSender};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// A receiver and a sender, keyed alike at first. What they refuse is a `ValueError` with the reason.
#[pyclass]
pub struct Srtp {
    receiver: SrtpReceiver,
    sender: SrtpSender,
}

type KeyParts = (String, Vec<u8>, Vec<u8>, Vec<u8>);

#[pymethods]
impl Srtp {
    #[new]
    #[pyo3(signature = (keys, indices = Vec::new()))]
    fn new(keys: KeyParts, indices: Vec<(u32, i64)>) -> PyResult<Self> {
        let keys = to_keys(keys)?;
        Ok(Self { receiver: SrtpReceiver::new(keys.clone(), &indices).map_err(refused)?, sender: SrtpSender::new(keys).map_err(refused)? })
    }

    fn unprotect(&mut self, mut data: Vec<u8>) -> PyResult<Vec<u8>> {
        let length = self.receiver.unprotect(&mut data).map_err(dropped)?;
        data.truncate(length);
        Ok(data)
    }

    fn unprotect_rtcp(&mut self, mut data: Vec<u8>) -> PyResult<Vec<u8>> {
        let length = self.receiver.unprotect_rtcp(&mut data).map_err(dropped)?;
        data.truncate(length);
        Ok(data)
    }

    fn protect(&mut self, mut data: Vec<u8>) -> PyResult<Vec<u8>> {
        self.sender.protect(&mut data, 0).map_err(dropped)?;
        Ok(data)
    }

    fn protect_rtcp(&mut self, mut data: Vec<u8>) -> PyResult<Vec<u8>> {
        self.sender.protect_rtcp(&mut data, 0).map_err(dropped)?;
        Ok(data)
    }

    fn rekey_receiver(&mut self, keys: KeyParts, indices: Vec<(u32, i64)>, now: f64) -> PyResult<()> {
        self.receiver.rekey(to_keys(keys)?, &indices, now).map_err(refused)
    }

    fn rekey_sender(&mut self, keys: KeyParts, indices: Vec<(u32, i64)>) -> PyResult<()> {
        self.sender.rekey(to_keys(keys)?, &indices).map_err(refused)
    }

    fn tick(&mut self, now: f64) {
        self.receiver.tick(now);
    }
}

fn to_keys((profile, key, salt, mki): KeyParts) -> PyResult<Keys> {
    let profile = Profile::by_name(&profile).ok_or_else(|| PyValueError::new_err("no such profile"))?;
    Ok(Keys { profile, key, salt, mki })
}

fn dropped(reason: Reason) -> PyErr {
    PyValueError::new_err(reason.name())
}

fn refused(error: CommandError) -> PyErr {
    match error {
        CommandError::Value(text) => PyValueError::new_err(text),
        other => PyValueError::new_err(format!("{other:?}")),
    }
}
