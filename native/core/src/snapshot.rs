//! todo
use crate::address::Address;
use crate::cluster::Cluster;
use crate::error::CommandError;
use crate::spec::PortId;
/// Why a snapshot was not taken up: it is refused, or a port could not be opened.
#[derive(Debug)]
pub enum RestoreError<E> {
    Command(CommandError),
    Open(E),
}
impl Cluster {
    /// The record.
    pub fn snapshot(&self, _now: f64) -> String {
        todo!()
    }
    /// Take up a snapshot.
    pub fn restore<E>(
        &self,
        _json: &str,
        _now: f64,
        _open: &mut dyn FnMut(PortId, Address, usize) -> Result<(), E>,
    ) -> Result<(), RestoreError<E>> {
        todo!()
    }
}
