//! What a command may be refused with; the Python side raises its `LocalError` kinds from these.

/// Why a command was refused. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// `WrongState(state, wanted)`
    WrongState { state: String, wanted: &'static str },
    /// `Exhausted(what)`
    Exhausted(&'static str),
    /// `ValueError`: a snapshot that is not of this version, or broken.
    Value(String),
}

impl CommandError {
    pub fn wrong(state: impl Into<String>, wanted: &'static str) -> Self {
        Self::WrongState { state: state.into(), wanted }
    }
}

pub type Command<T> = Result<T, CommandError>;
