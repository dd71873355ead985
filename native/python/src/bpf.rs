//! The little of bpf(2) that steering needs: maps, a program, and its link to a network namespace.

use std::collections::HashMap;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use boringsdp_core::address::Address;

use crate::program::{instructions, Instruction, Maps};

const MAP_CREATE: i32 = 0;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const PROGRAM_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;

const TYPE_HASH: u32 = 1;
const TYPE_ARRAY: u32 = 2;
const TYPE_SOCKMAP: u32 = 15;
const NO_PREALLOCATION: u32 = 1;
const NO_EXIST: u64 = 1;
const PROGRAM_TYPE_SK_LOOKUP: u32 = 30;
const ATTACH_SK_LOOKUP: u32 = 36;

/// Octets of a key of the hash table: an IPv6 address, and a port as `u32` in the machine's order.
const KEY: usize = 20;
/// Hosts of one number beyond the first, all numbers together.
const MAX_OTHERS: u32 = 1 << 16;

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
}

#[repr(C)]
struct MapElement {
    map: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach: u32,
}

#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach: u32,
    flags: u32,
}

/// SAFETY: every address in `attributes` must be that of memory which is as large as the command takes it to be.
unsafe fn bpf<T>(command: i32, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes are `size_of::<T>()` octets; what they point to is the caller's promise.
    let returned = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if returned < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(returned as i32)
    }
}

/// SAFETY: as for `bpf`, and the command must be one that returns a new descriptor.
unsafe fn bpf_descriptor<T>(command: i32, attributes: &mut T) -> io::Result<OwnedFd> {
    // SAFETY: passed on to the caller.
    let fd = unsafe { bpf(command, attributes) }?;
    // SAFETY: the descriptor is new and nobody else's. The kernel opens it close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// As `bpftool` shows it.
fn name(text: &str) -> [u8; 16] {
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(text.bytes().take(15)) {
        *to = from;
    }
    octets
}

fn map(kind: u32, key: u32, value: u32, entries: u32, flags: u32, text: &str) -> io::Result<OwnedFd> {
    let mut attributes = MapCreate { kind, key, value, entries, flags, name: name(text), ..MapCreate::default() };
    // SAFETY: the attributes hold no addresses.
    unsafe { bpf_descriptor(MAP_CREATE, &mut attributes) }
}

/// The open ports, each with the index of a socket, which is not 0.
pub struct PortMap {
    first_v4: OwnedFd,
    first_v6: OwnedFd,
    others: OwnedFd,
    /// The numbers in use, by family.
    numbers: HashMap<(bool, u16), Number>,
}

/// Who has one number.
#[derive(Default)]
struct Number {
    /// The host in the array.
    first: Option<Address>,
    /// How many are in the hash table.
    others: u32,
}

impl PortMap {
    /// Empty. The arrays take 2 MB.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            first_v4: map(TYPE_ARRAY, 4, 8, 1 << 16, 0, "boringsdp_ports4")?,
            first_v6: map(TYPE_ARRAY, 4, 20, 1 << 16, 0, "boringsdp_ports6")?,
            others: map(TYPE_HASH, KEY as u32, 4, MAX_OTHERS, NO_PREALLOCATION, "boringsdp_others")?,
            numbers: HashMap::new(),
        })
    }

    /// Put a port in that is not there. `E2BIG` when there is no room.
    pub fn insert(&mut self, address: Address, index: u32) -> io::Result<()> {
        let number = self.numbers.entry((address.is_v4(), address.port())).or_default();
        if number.first.is_none() {
            number.first = Some(address);
            return self.set_first(address, index);
        }
        number.others += 1;
        // SAFETY: a key and a value of this map.
        unsafe { element(MAP_UPDATE, &self.others, key(address).as_ptr(), (&raw const index).cast(), NO_EXIST) }
    }

    /// Take a port out that is there, or that could not be put in.
    pub fn remove(&mut self, address: Address) {
        let place = (address.is_v4(), address.port());
        let Some(number) = self.numbers.get_mut(&place) else { return };
        if number.first == Some(address) {
            number.first = None;
        } else {
            number.others = number.others.saturating_sub(1);
            // SAFETY: a key of this map.
            let _ = unsafe { element(MAP_DELETE, &self.others, key(address).as_ptr(), std::ptr::null(), 0) };
        }
        if number.first.is_none() {
            let is_free = number.others == 0;
            let nobody = if address.is_v4() { Address::v4([0; 4], address.port()) } else { Address::v6([0; 16], address.port()) };
            let _ = self.set_first(nobody, if is_free { 0 } else { u32::MAX });
            if is_free {
                self.numbers.remove(&place);
            }
        }
    }

    /// Write to an array. An index of 0 says that nobody has the number, any other that somebody has.
    fn set_first(&self, address: Address, index: u32) -> io::Result<()> {
        let number = u32::from(address.port());
        let mut value = [0; KEY];
        let (map, host) = if address.is_v4() { (&self.first_v4, 12..16) } else { (&self.first_v6, 0..16) };
        let length = host.len();
        value[..length].copy_from_slice(&address.octets()[host]);
        value[length..length + 4].copy_from_slice(&index.to_ne_bytes());
        // SAFETY: a key and a value of this map: the value is the host and four octets, 8 or 20.
        unsafe { element(MAP_UPDATE, map, (&raw const number).cast(), value.as_ptr(), 0) }
    }
}

fn key(address: Address) -> [u8; KEY] {
    let mut key = [0; KEY];
    key[..16].copy_from_slice(&address.octets());
    key[16..].copy_from_slice(&u32::from(address.port()).to_ne_bytes());
    key
}

/// The sockets that packets can be steered to, by index.
pub struct SocketMap(OwnedFd);

impl SocketMap {
    pub fn new(entries: u32) -> io::Result<Self> {
        map(TYPE_SOCKMAP, 4, 4, entries, 0, "boringsdp_socks").map(Self)
    }

    /// A bound UDP socket; its entry goes when the socket is closed.
    pub fn insert(&self, index: u32, socket: &OwnedFd) -> io::Result<()> {
        let value = socket.as_raw_fd() as u32;
        // SAFETY: a key and a value of this map.
        unsafe { element(MAP_UPDATE, &self.0, (&raw const index).cast(), (&raw const value).cast(), 0) }
    }
}

/// SAFETY: `key` must be the address of a whole key of the map, and `value` of a whole value, or null where the command takes none.
unsafe fn element(command: i32, map: &OwnedFd, key: *const u8, value: *const u8, flags: u64) -> io::Result<()> {
    let mut attributes = MapElement { map: map.as_raw_fd() as u32, padding: 0, key: key as u64, value: value as u64, flags };
    // SAFETY: the caller's promise.
    unsafe { bpf(command, &mut attributes) }.map(|_| ())
}

/// The program, attached to this thread's network namespace until it is dropped.
pub struct Link {
    _link: OwnedFd,
}

impl Link {
    /// Load and attach. The error holds the verifier's log when it was the verifier that refused.
    pub fn new(ports: &PortMap, sockets: &SocketMap) -> Result<Self, (io::Error, String)> {
        let program = load(&instructions(&Maps {
            first_v4: &ports.first_v4,
            first_v6: &ports.first_v6,
            others: &ports.others,
            sockets: &sockets.0,
        }))?;
        let namespace = std::fs::File::open("/proc/thread-self/ns/net").map_err(|error| (error, String::new()))?;
        let mut attributes =
            LinkCreate { program: program.as_raw_fd() as u32, target: namespace.as_raw_fd() as u32, attach: ATTACH_SK_LOOKUP, flags: 0 };
        // SAFETY: the attributes hold no addresses. The link keeps the program, and the program keeps the maps.
        let link = unsafe { bpf_descriptor(LINK_CREATE, &mut attributes) }.map_err(|error| (error, String::new()))?;
        Ok(Self { _link: link })
    }
}

fn load(instructions: &[Instruction]) -> Result<OwnedFd, (io::Error, String)> {
    load_with(instructions, &mut []).or_else(|first| {
        if !matches!(first.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) {
            return Err((first, String::new()));
        }
        let mut log = vec![0; 16 << 10];
        load_with(instructions, &mut log).map_err(|error| {
            let end = log.iter().position(|octet| *octet == 0).unwrap_or(log.len());
            (error, String::from_utf8_lossy(&log[..end]).trim().to_owned())
        })
    })
}

fn load_with(instructions: &[Instruction], log: &mut [u8]) -> io::Result<OwnedFd> {
    let license = c"Apache-2.0";
    let mut attributes = ProgramLoad {
        kind: PROGRAM_TYPE_SK_LOOKUP,
        count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: u32::from(!log.is_empty()),
        log_size: log.len() as u32,
        log: if log.is_empty() { 0 } else { log.as_mut_ptr() as u64 },
        name: name("boringsdp_steer"),
        attach: ATTACH_SK_LOOKUP,
        ..ProgramLoad::default()
    };
    // SAFETY: `instructions`, `license` (ended by 0) and `log` live until the call returns, and their lengths are theirs.
    unsafe { bpf_descriptor(PROGRAM_LOAD, &mut attributes) }
}
