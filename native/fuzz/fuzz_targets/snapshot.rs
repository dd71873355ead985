//! Snapshots: a whole one with something changed, or anything at all, is taken up or refused; what was taken up can be written down again.
#![no_main]

#[allow(dead_code)]
mod world;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

use world::{empty, set_up, Order, World};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Anything(&'a str),
    Changed { orders: Vec<Order<'a>>, changes: Vec<(u16, u8, &'a str)> },
}

fuzz_target!(|input: Input<'_>| {
    match input {
        Input::Anything(record) => take_up(record),
        Input::Changed { orders, changes } => {
            let world = set_up(1);
            for order in &orders {
                world.order(order, 101.0);
            }
            let mut record = world.cluster.snapshot(102.0);
            for (at, length, new) in changes {
                let at = floor(&record, usize::from(at) % (record.len() + 1));
                let end = floor(&record, (at + usize::from(length % 16)).min(record.len()));
                record.replace_range(at..end, new);
            }
            take_up(&record);
        }
    }
});

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn take_up(record: &str) {
    let world: World = empty(2);
    let cluster = &world.cluster;
    let mut opened = 0;
    let taken = cluster.restore(record, 200.0, &mut |port, address, worker| {
        opened += 1;
        if opened > 20 {
            return Err(());
        }
        cluster.open_port(port, address, worker % 2).map(|_| ()).map_err(|_| ())
    });
    world.tick(201.0);
    world.events();
    let written = cluster.snapshot(202.0);
    if taken.is_ok() {
        cluster.statistics();
        let again = empty(2);
        let open = &mut |port, address, worker: usize| again.cluster.open_port(port, address, worker % 2).map(|_| ()).map_err(|_| ());
        assert!(again.cluster.restore(&written, 203.0, open).is_ok(), "what was written down is taken up");
    }
}
