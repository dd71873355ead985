//! Telling the Python side that there are events. They wait in the planes, which bound them.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::poll::Bell;

/// An eventfd that is rung once for all events that nobody has taken yet.
pub struct News {
    bell: Bell,
    told: AtomicBool,
}

impl News {
    pub fn new() -> io::Result<Self> {
        Ok(Self { bell: Bell::new()?, told: AtomicBool::new(false) })
    }

    /// Readable when there are events.
    pub fn fd(&self) -> RawFd {
        self.bell.raw()
    }

    /// Call when a plane has events, after its lock was given back.
    pub fn tell(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }

    /// Call before the events are taken.
    pub fn hear(&self) {
        self.bell.drain();
        self.told.swap(false, Ordering::AcqRel);
    }
}
