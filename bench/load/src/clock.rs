//! Time, and CPU time of this and of other processes.

use std::time::Duration;

/// Nanoseconds of the monotonic clock.
pub fn now_ns() -> u64 {
    read(libc::CLOCK_MONOTONIC).unwrap_or_default()
}

/// Seconds since 1970 as RTCP writes them: 32 bits of seconds since 1900, 32 bits of fraction (RFC 3550 §4).
pub fn ntp_time() -> u64 {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    let ns = read(libc::CLOCK_REALTIME).unwrap_or_default();
    ((ns / 1_000_000_000 + FROM_1900_TO_1970) << 32) | (((ns % 1_000_000_000) << 32) / 1_000_000_000)
}

/// CPU nanoseconds of all threads of a process so far, ended ones included; `None` when there is no such process.
pub fn cpu_of(pid: i32) -> Option<u64> {
    // The kernel's own encoding of "the scheduler's clock of that process", as clock_getcpuclockid(3) makes it.
    const SCHEDULED: i32 = 2;
    read((!pid << 3) | SCHEDULED)
}

/// CPU nanoseconds of this process.
pub fn own_cpu() -> u64 {
    read(libc::CLOCK_PROCESS_CPUTIME_ID).unwrap_or_default()
}

/// Ticks (1/100 s) of a process in user and in system mode.
pub fn ticks_of(pid: i32) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit(')').next()?.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Bind this thread to one CPU; whether that was possible.
pub fn pin(cpu: usize) -> bool {
    // SAFETY: cpu_set_t is plain memory for which all zeroes is valid, and the call reads as many octets as it is told.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

/// Sleep without the kernel's usual 50 microseconds of grace.
pub fn sleep_ns(ns: u64) {
    std::thread::sleep(Duration::from_nanos(ns));
}

/// Let sleeps of this thread end within a microsecond of their time.
pub fn sleep_precisely() {
    // SAFETY: takes no pointers.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

fn read(clock: libc::clockid_t) -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing for the length of the call.
    (unsafe { libc::clock_gettime(clock, &mut time) } == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
