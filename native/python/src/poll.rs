//! Waiting: epoll, eventfd, the clock, and short sleeps.

use std::io;
use std::mem::zeroed;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::null_mut;

use crate::socket::check;

/// CLOCK_MONOTONIC in seconds: the same number as Python's `time.monotonic()`.
#[inline]
pub fn now() -> f64 {
    nanoseconds() as f64 / 1e9
}

/// CLOCK_MONOTONIC in nanoseconds.
#[inline]
pub fn nanoseconds() -> u64 {
    // SAFETY: all zeroes is a valid timespec.
    let mut time: libc::timespec = unsafe { zeroed() };
    // SAFETY: `time` is written to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleep until CLOCK_MONOTONIC shows so many nanoseconds; at once when it does already.
pub fn sleep_until(nanoseconds: u64) {
    let until =
        libc::timespec { tv_sec: (nanoseconds / 1_000_000_000) as libc::time_t, tv_nsec: (nanoseconds % 1_000_000_000) as libc::c_long };
    // SAFETY: `until` is a time.
    unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const until, null_mut()) };
}

/// Let this thread's sleeps end when they should; the kernel's default is 50 us late.
pub fn sleep_exactly() {
    // SAFETY: no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1usize, 0, 0, 0) };
}

/// Let other threads, Python's, take this process's signals; only a defect's own stay here.
pub fn leave_signals_to_others() {
    // SAFETY: all zeroes is a valid sigset_t, which is filled at once.
    unsafe {
        let mut signals: libc::sigset_t = zeroed();
        libc::sigfillset(&raw mut signals);
        for own in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP] {
            libc::sigdelset(&raw mut signals, own);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, null_mut());
    }
}

/// An epoll descriptor. Each watched descriptor has a token that comes with its events.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, token)
    }

    pub fn change(&self, fd: RawFd, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, token)
    }

    pub fn remove(&self, fd: RawFd) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0);
    }

    fn control(&self, operation: i32, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: `event` is read.
        check(unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, fd, &raw mut event) })?;
        Ok(())
    }

    /// How many events came within so many milliseconds (-1: wait for ever); none after a signal.
    pub fn wait(&self, events: &mut [libc::epoll_event], timeout_ms: i32) -> usize {
        // SAFETY: `events` has room for as many as said.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, timeout_ms) };
        count.max(0) as usize
    }
}

/// An eventfd: readable once it was told, until it is drained.
pub struct Bell(OwnedFd);

impl Bell {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    pub fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight octets are read. It can only fail when it rings already.
        unsafe { libc::write(self.raw(), (&raw const one).cast(), 8) };
    }

    pub fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: eight octets are written.
        unsafe { libc::read(self.raw(), (&raw mut count).cast(), 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_until_it_is_drained() {
        let (epoll, bell) = (Epoll::new().unwrap(), Bell::new().unwrap());
        epoll.add(bell.raw(), 7).unwrap();
        // SAFETY: all zeroes is a valid epoll_event.
        let mut events: [libc::epoll_event; 4] = unsafe { zeroed() };
        assert_eq!(epoll.wait(&mut events, 0), 0);
        bell.ring();
        bell.ring();
        assert_eq!(epoll.wait(&mut events, 0), 1);
        assert_eq!({ events[0].u64 }, 7);
        bell.drain();
        assert_eq!(epoll.wait(&mut events, 0), 0);
    }

    #[test]
    fn sleeps_until_then() {
        sleep_exactly();
        let start = nanoseconds();
        sleep_until(start + 2_000_000);
        assert!(nanoseconds() - start >= 2_000_000);
        sleep_until(start);
    }
}
