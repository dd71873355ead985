//! The program that steers, assembled here.
//!
//! It is of type `sk_lookup` (Linux 5.9): the kernel runs it when it looks for the socket of an arriving packet. In C, for IPv4:
//!
//! ```c
//! if (ctx->protocol != IPPROTO_UDP) return SK_PASS;
//! struct { u32 ip, index; } *first = bpf_map_lookup_elem(&first_v4, &ctx->local_port);
//! if (!first || !first->index) return SK_PASS;                // a number that we have nowhere
//! u32 *index = &first->index;
//! if (first->ip != ctx->local_ip4) {
//!     struct { u8 ip[16]; u32 port; } key = { IPv4-mapped ctx->local_ip4, ctx->local_port };
//!     index = bpf_map_lookup_elem(&others, &key);
//!     if (!index) return SK_PASS;                             // not a host of ours
//! }
//! sk = bpf_map_lookup_elem(&sockets, index);
//! if (!sk) return SK_PASS;
//! bpf_sk_assign(ctx, sk, 0);                                  // refused when another program was first, which is well
//! bpf_sk_release(sk);
//! return SK_PASS;
//! ```
//!
//! The first host that opens a number of its family is found by the number alone, in an array: the kernel compiles that into a few
//! instructions, and neighbouring numbers share cache lines. Further hosts are in a hash table.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// One instruction, as the kernel reads it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

fn instruction(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    let registers = if cfg!(target_endian = "big") { to << 4 | from } else { from << 4 | to };
    Instruction { code, registers, offset, immediate }
}

/// Offsets in `struct bpf_sk_lookup`, the program's argument.
mod context {
    pub const FAMILY: i16 = 8;
    pub const PROTOCOL: i16 = 12;
    pub const LOCAL_IP4: i16 = 40;
    pub const LOCAL_IP6: i16 = 44;
    pub const LOCAL_PORT: i16 = 60;
}

fn load_word(to: u8, from: u8, offset: i16) -> Instruction {
    instruction(0x61, to, from, offset, 0) // to = *(u32 *)(from + offset)
}

fn store_word(to: u8, offset: i16, from: u8) -> Instruction {
    instruction(0x63, to, from, offset, 0) // *(u32 *)(to + offset) = from
}

fn store_constant(to: u8, offset: i16, value: i32) -> Instruction {
    instruction(0x62, to, 0, offset, value) // *(u32 *)(to + offset) = value
}

fn copy(to: u8, from: u8) -> Instruction {
    instruction(0xbf, to, from, 0, 0)
}

fn set(to: u8, value: i32) -> Instruction {
    instruction(0xb7, to, 0, 0, value)
}

fn add(to: u8, value: i32) -> Instruction {
    instruction(0x07, to, 0, 0, value)
}

fn call(helper: i32) -> Instruction {
    instruction(0x85, 0, 0, 0, helper)
}

/// Two instructions: `to` becomes a map.
fn load_map(to: u8, map: RawFd) -> [Instruction; 2] {
    const PSEUDO_MAP: u8 = 1;
    [instruction(0x18, to, PSEUDO_MAP, 0, map), instruction(0, 0, 0, 0, 0)]
}

const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x15;
const JUMP_UNLESS_EQUAL: u8 = 0x55;
const JUMP_IF_SAME: u8 = 0x1d;
const JUMP_UNLESS_SAME: u8 = 0x5d;

/// A program being written, whose jumps forward are filled in when their target is reached.
#[derive(Default)]
struct Assembly {
    instructions: Vec<Instruction>,
}

/// Jumps that wait for one target.
#[derive(Default)]
struct Label(Vec<usize>);

impl Assembly {
    fn add(&mut self, instructions: impl IntoIterator<Item = Instruction>) {
        self.instructions.extend(instructions);
    }

    fn jump(&mut self, code: u8, register: u8, value: i32, label: &mut Label) {
        label.0.push(self.instructions.len());
        self.instructions.push(instruction(code, register, 0, 0, value));
    }

    fn jump_between(&mut self, code: u8, one: u8, other: u8, label: &mut Label) {
        label.0.push(self.instructions.len());
        self.instructions.push(instruction(code, one, other, 0, 0));
    }

    /// R0 becomes the address of the value of a key in the frame, or 0.
    fn look_up(&mut self, map: &OwnedFd, key: i16) {
        self.add(load_map(R1, map.as_raw_fd()));
        self.add([copy(R2, FRAME), add(R2, key.into()), call(HELPER_LOOKUP)]);
    }

    /// The target of a label's jumps is the next instruction.
    fn here(&mut self, label: Label) {
        let target = self.instructions.len();
        for from in label.0 {
            self.instructions[from].offset = (target - from - 1) as i16;
        }
    }
}

/// The maps that the program uses; `crate::bpf` says what is in them.
pub struct Maps<'a> {
    pub first_v4: &'a OwnedFd,
    pub first_v6: &'a OwnedFd,
    pub others: &'a OwnedFd,
    pub sockets: &'a OwnedFd,
}

const R0: u8 = 0; // what a helper returned, and the verdict
const R1: u8 = 1; // a helper's arguments, lost in a call
const R2: u8 = 2;
const R3: u8 = 3;
const CONTEXT: u8 = 6; // kept over calls
const SOCKET: u8 = 7;
const FRAME: u8 = 10;

/// Places in the frame: the key of the hash table is 16 octets of host and 4 of port.
const AT_KEY: i16 = -24;
const AT_HOST_V4: i16 = AT_KEY + 12;
const AT_PORT: i16 = AT_KEY + 16;
const AT_INDEX: i16 = -4;

const HELPER_LOOKUP: i32 = 1;
const HELPER_RELEASE: i32 = 86;
const HELPER_ASSIGN: i32 = 124;
const PASS: i32 = 1;
const HOST_V6: [i16; 4] = [0, 4, 8, 12];

/// Where the parts of the program go on.
#[derive(Default)]
struct Ways {
    pass: Label,
    others: Label,
    found: Label,
}

pub fn instructions(maps: &Maps) -> Vec<Instruction> {
    let (mut program, mut ways, mut six) = (Assembly::default(), Ways::default(), Label::default());
    program.add([copy(CONTEXT, R1), load_word(R1, CONTEXT, context::PROTOCOL)]);
    program.jump(JUMP_UNLESS_EQUAL, R1, libc::IPPROTO_UDP, &mut ways.pass);
    program.add([load_word(R1, CONTEXT, context::LOCAL_PORT), store_word(FRAME, AT_PORT, R1), load_word(R1, CONTEXT, context::FAMILY)]);
    program.jump(JUMP_IF_EQUAL, R1, libc::AF_INET6, &mut six);
    program.jump(JUMP_UNLESS_EQUAL, R1, libc::AF_INET, &mut ways.pass);
    find_v4(&mut program, maps, &mut ways);
    program.here(six);
    find_v6(&mut program, maps, &mut ways);

    program.here(ways.others);
    program.look_up(maps.others, AT_KEY);
    program.jump(JUMP_IF_EQUAL, R0, 0, &mut ways.pass);
    program.add([load_word(R1, R0, 0)]);

    program.here(ways.found);
    program.add([store_word(FRAME, AT_INDEX, R1)]);
    program.look_up(maps.sockets, AT_INDEX);
    program.jump(JUMP_IF_EQUAL, R0, 0, &mut ways.pass);
    program.add([copy(SOCKET, R0), copy(R1, CONTEXT), copy(R2, R0), set(R3, 0), call(HELPER_ASSIGN)]);
    program.add([copy(R1, SOCKET), call(HELPER_RELEASE)]);

    program.here(ways.pass);
    program.add([set(R0, PASS), instruction(0x95, 0, 0, 0, 0)]);
    program.instructions
}

/// Leaves with the index in R1, or the key in the frame.
fn find_v4(program: &mut Assembly, maps: &Maps, ways: &mut Ways) {
    program.look_up(maps.first_v4, AT_PORT);
    program.jump(JUMP_IF_EQUAL, R0, 0, &mut ways.pass);
    program.add([load_word(R1, R0, 4)]);
    program.jump(JUMP_IF_EQUAL, R1, 0, &mut ways.pass);
    program.add([load_word(R2, R0, 0), load_word(R3, CONTEXT, context::LOCAL_IP4)]);
    program.jump_between(JUMP_IF_SAME, R2, R3, &mut ways.found);
    program.add([
        store_constant(FRAME, AT_KEY, 0),
        store_constant(FRAME, AT_KEY + 4, 0),
        store_constant(FRAME, AT_KEY + 8, i32::from_ne_bytes([0, 0, 0xff, 0xff])),
        store_word(FRAME, AT_HOST_V4, R3),
    ]);
    program.jump(JUMP, 0, 0, &mut ways.others);
}

/// The same for IPv6.
fn find_v6(program: &mut Assembly, maps: &Maps, ways: &mut Ways) {
    program.look_up(maps.first_v6, AT_PORT);
    program.jump(JUMP_IF_EQUAL, R0, 0, &mut ways.pass);
    program.add([load_word(R1, R0, 16)]);
    program.jump(JUMP_IF_EQUAL, R1, 0, &mut ways.pass);
    for at in HOST_V6 {
        program.add([load_word(R2, CONTEXT, context::LOCAL_IP6 + at), store_word(FRAME, AT_KEY + at, R2)]);
    }
    for at in HOST_V6 {
        program.add([load_word(R2, FRAME, AT_KEY + at), load_word(R3, R0, at)]);
        program.jump_between(JUMP_UNLESS_SAME, R2, R3, &mut ways.others);
    }
    program.jump(JUMP, 0, 0, &mut ways.found);
}
