//! What neither the conformance suite nor the differential test can see: defects of ours, workers, and what could not be sent.

use crate::event::Event;
use crate::keys::{Keys, Profile, Way};
use crate::outbox::{Outbox, Outgoing};
use crate::plane::Datagram;
use crate::rtp::Header;
use crate::spec::{IceCredentials, Latch, Remote};
use crate::testing::{here, route, rtp, sequences, spec, stream, there, World};

fn poison(world: &World, id: u64) {
    let mut plane = world.cluster.lock(world.worker(id));
    plane.transport_mut(id).unwrap().poisoned = true;
}

#[test]
fn relays_and_rewrites() {
    let mut world = World::with_legs(1, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let sent = world.hear(1, vec![rtp(5, 10, 0), rtp(5, 11, 0), rtp(5, 13, 0), rtp(5, 12, 0)]);
    let first = sequences(&sent)[0];
    assert_eq!(sequences(&sent), [first, first + 1, first + 3, first + 2]);
    let header = Header::parse(&sent[3].1).unwrap();
    assert_eq!((header.ssrc, sent[3].1.len()), (0xA000_0002, 172));
    assert_eq!(world.drops(1), []);
}

#[test]
fn a_batch_is_worked_as_its_packets_one_by_one() {
    let packets: Vec<_> = (10..20).map(|sequence| rtp(5 + u32::from(sequence / 15), sequence, sequence as u8 % 3 * 50)).collect();
    let (mut one, mut other) = (World::with_legs(1, 2), World::with_legs(1, 2));
    for world in [&one, &other] {
        world.cluster.route(route(1, 2)).unwrap();
        world.cluster.route(route(2, 1)).unwrap();
    }
    let together = one.hear(1, packets.clone());
    let mut apart = Vec::new();
    for packet in packets {
        other.now = 1000.0;
        apart.extend(other.hear(1, vec![packet]));
    }
    assert_eq!(together, apart);
    assert_eq!(one.cluster.statistics(), other.cluster.statistics());
}

#[test]
fn a_panic_costs_one_transport() {
    let mut world = World::with_legs(1, 3);
    world.cluster.route(route(1, 3)).unwrap();
    world.cluster.route(route(3, 1)).unwrap();
    world.hear(1, vec![rtp(5, 1, 0)]);
    world.events();
    let counted = world.cluster.transport_statistics(1).unwrap();
    poison(&world, 1);
    assert_eq!(world.hear(1, vec![rtp(5, 2, 0), rtp(5, 3, 0)]), []);
    assert_eq!(world.events(), [Event::TransportFailed { transport: 1 }]);
    let figures = world.cluster.transport_statistics(1).unwrap();
    assert!(counted.packets_received == 1 && figures.packets_received >= 1 && figures.bytes_received >= counted.bytes_received);
    assert_eq!(world.hear(1, vec![rtp(5, 4, 0)]), []);
    assert_eq!(world.hear(3, vec![rtp(6, 1, 0)]), []);
    assert!(world.drops(1).contains(&("no_address", 1)), "{:?}", world.drops(1));
    // nothing brings it back, and it can be removed as any other
    let remote = Remote { rtp: Some(there(4001)), rtcp: None, latch: Latch::Strict };
    world.cluster.set_remote(1, remote, world.now).unwrap();
    assert_eq!(world.hear(1, vec![rtp(5, 5, 0)]), []);
    world.cluster.stream_statistics(1).unwrap();
    world.cluster.remove_transport(1).unwrap();
    world.cluster.close_port(1).unwrap();
    // everything else goes on
    world.cluster.route(route(3, 2)).unwrap();
    assert_eq!(world.hear(3, vec![rtp(6, 2, 0)]).len(), 1);
}

#[test]
fn a_failed_ice_transport_is_not_found_by_checks() {
    let mut world = World::new(1);
    world.open(1);
    let ice = Some(IceCredentials { ufrag: "ufrag".into(), password: "password".into() });
    world.cluster.add_transport(crate::spec::TransportSpec { ice, ..spec(1, 1) }, 0.0).unwrap();
    let key = world.cluster.lock(0).transport_key(1).unwrap();
    world.cluster.lock(0).fail(key);
    assert!(!world.cluster.lock(0).has_ufrag("ufrag"));
    world.cluster.restart_ice(1, IceCredentials { ufrag: "again".into(), password: "password".into() }).unwrap();
    world.cluster.remove_transport(1).unwrap();
    assert!(!world.cluster.lock(0).has_ufrag("again"));
}

#[test]
fn a_route_leads_to_another_worker() {
    let mut world = World::with_legs(2, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let sent = world.hear(1, vec![rtp(5, 10, 0), rtp(5, 11, 101), rtp(5, 12, 0), rtp(5, 13, 8), rtp(5, 14, 0)]);
    let first = sequences(&sent)[0];
    assert!(sent.iter().all(|(worker, _)| *worker == 1));
    assert_eq!(sequences(&sent), [first, first + 1, first + 2]); // no gap where the event and the unmapped type were
    assert_eq!(world.drops(1), [("payload_type", 1)]);
    let statistics = world.cluster.stream_statistics(2).unwrap();
    assert_eq!((statistics.sent.packets, statistics.route.unwrap().source_ssrc), (3, 5));
    world.cluster.unroute(1, 2).unwrap();
    assert_eq!(world.hear(1, vec![rtp(5, 15, 0)]), []);
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_none());
}

#[test]
fn a_source_that_is_forgotten_is_forgotten_by_the_other_worker() {
    let mut world = World::with_legs(2, 2);
    world.cluster.route(route(1, 2)).unwrap();
    world.hear(1, vec![rtp(5, 10, 0)]);
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_some());
    let key = world.cluster.lock(0).transport_key(1).unwrap();
    world.cluster.lock(0).forget_source(key, 0);
    world.deliver();
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_none());
}

#[test]
fn what_a_removed_stream_was_routed_to_is_told_at_once() {
    let mut world = World::with_legs(2, 4);
    world.cluster.route(route(1, 2)).unwrap();
    world.cluster.route(route(3, 2)).unwrap(); // the route from 1 is replaced
    world.hear(3, vec![rtp(5, 10, 0)]);
    assert_eq!(world.hear(1, vec![rtp(6, 10, 0)]), []);
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_some());
    world.cluster.remove_transport(3).unwrap();
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_none());
    assert!(world.cluster.unroute(3, 2).is_err());
    world.cluster.route(route(1, 4)).unwrap();
    world.cluster.remove_stream(4).unwrap();
    assert_eq!(world.hear(1, vec![rtp(6, 11, 0)]), []);
    assert_eq!(world.cluster.lock(0).streams.values().map(|stream| stream.links.len()).sum::<usize>(), 0);
}

#[test]
fn a_packet_under_way_to_a_route_that_ended_is_forgotten() {
    let mut world = World::with_legs(2, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let (mut packet, mut out) = (rtp(5, 10, 0), Outbox::new());
    let datagram = Datagram { port: world.keys[1], source: there(4001), data: &mut packet };
    world.cluster.plane(0).lock().unwrap().receive(&mut [datagram], world.now, &mut out);
    world.cluster.remove_transport(2).unwrap();
    world.cluster.add_transport(spec(2, 2), 1000.0).unwrap();
    world.cluster.add_stream(stream(2)).unwrap();
    assert_eq!(world.deliver(), []);
    assert_eq!(world.cluster.stream_statistics(2).unwrap().sent.packets, 0);
}

#[test]
fn handoffs_are_bounded() {
    let mut world = World::with_legs(2, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let mut packets: Vec<_> = (0..5000).map(|sequence| rtp(5, sequence, 0)).collect();
    let mut batch: Vec<_> =
        packets.iter_mut().map(|data| Datagram { port: world.keys[1], source: there(4001), data: data.as_mut_slice() }).collect();
    world.cluster.plane(0).lock().unwrap().receive(&mut batch, world.now, &mut Outbox::new());
    assert_eq!(world.deliver().len(), 4096);
    assert!(world.cluster.statistics().drops.contains(&("handoff_full", 904)));
}

#[test]
fn what_keeps_a_route_in_step_finds_room_when_packets_do_not() {
    let mut world = World::with_legs(2, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let mut packets: Vec<_> = (0..4097).map(|sequence| rtp(5, sequence, 0)).collect();
    let mut batch: Vec<_> =
        packets.iter_mut().map(|data| Datagram { port: world.keys[1], source: there(4001), data: data.as_mut_slice() }).collect();
    let mut plane = world.cluster.lock(0);
    plane.receive(&mut batch, world.now, &mut Outbox::new());
    let key = plane.transport_key(1).unwrap();
    plane.forget_source(key, 0);
    drop(plane);
    assert_eq!(world.deliver().len(), 4096);
    assert!(world.cluster.stream_statistics(2).unwrap().route.is_none());
}

#[test]
fn statistics_are_of_all_parts() {
    let world = World::with_legs(2, 450);
    world.cluster.remove_transport(7).unwrap();
    let statistics = world.cluster.statistics();
    let mut ids: Vec<_> = statistics.transports.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    assert_eq!(ids, (1..=450).filter(|id| *id != 7).collect::<Vec<_>>());
    assert_eq!(statistics.streams.len(), 449);
}

#[test]
fn raw_datagrams_go_to_another_worker() {
    let mut world = World::new(2);
    for id in 1..=2 {
        world.open(id);
        world.cluster.add_transport(crate::spec::TransportSpec { raw: true, ..spec(id, id) }, 0.0).unwrap();
        let remote = Remote { rtp: Some(there(4000 + id as u16)), rtcp: None, latch: Latch::Strict };
        world.cluster.set_remote(id, remote, 0.0).unwrap();
    }
    world.cluster.forward(1, Some(2)).unwrap();
    assert_eq!(world.hear(1, vec![b"fax".to_vec()]), [(1, b"fax".to_vec())]);
    world.cluster.remove_transport(2).unwrap();
    assert_eq!(world.hear(1, vec![b"fax".to_vec()]), []);
    assert_eq!(world.drops(1), [("not_forwarded", 1)]);
}

/// One packet of leg 1 that was relayed to leg 2, as its outbox names it.
fn sent_item(world: &mut World) -> (Outgoing, usize) {
    let (mut packet, mut out) = (rtp(5, 10, 0), Outbox::new());
    let datagram = Datagram { port: world.keys[1], source: there(4001), data: &mut packet };
    world.cluster.plane(0).lock().unwrap().receive(&mut [datagram], world.now, &mut out);
    (out.items()[0], out.data(&out.items()[0]).len())
}

#[test]
fn what_was_not_sent_is_not_counted_as_sent() {
    let mut world = World::with_legs(1, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let (item, length) = sent_item(&mut world);
    assert_eq!(world.cluster.transport_statistics(2).unwrap().bytes_sent, 172);
    world.cluster.plane(0).lock().unwrap().not_sent(&item, length, true);
    let statistics = world.cluster.transport_statistics(2).unwrap();
    assert_eq!((statistics.packets_sent, statistics.bytes_sent, statistics.rtp.packets_sent), (0, 0, 0));
    assert_eq!(statistics.drops, [("send_blocked", 1)]);
    let mut out = Outbox::new();
    world.cluster.send(2, b"\x16dtls", false, None, &mut out).unwrap();
    world.cluster.send_rtcp(2, &[0x80, 200, 0, 1, 0, 0, 0, 1], &mut out).unwrap();
    for item in out.items() {
        world.cluster.plane(0).lock().unwrap().not_sent(item, out.data(item).len(), false);
    }
    let statistics = world.cluster.transport_statistics(2).unwrap();
    assert_eq!((statistics.packets_sent, statistics.bytes_sent, statistics.rtcp.packets_sent), (0, 0, 0));
    assert_eq!(statistics.drops, [("send_blocked", 1), ("send_failed", 2)]);
}

#[test]
fn a_late_receipt_does_not_meet_the_successor() {
    let mut world = World::with_legs(1, 2);
    world.cluster.route(route(1, 2)).unwrap();
    let (item, length) = sent_item(&mut world);
    world.cluster.remove_transport(2).unwrap();
    world.cluster.add_transport(spec(2, 2), 1000.0).unwrap();
    let successor = world.cluster.lock(0).transport_key(2).unwrap();
    assert_eq!(item.transport.map(|key| key.slot), Some(successor.slot));
    world.cluster.plane(0).lock().unwrap().not_sent(&item, length, false);
    assert_eq!(world.drops(2), []);
}

#[test]
fn what_comes_to_a_closed_port_meets_nobody() {
    let mut world = World::with_legs(1, 1);
    world.cluster.remove_transport(1).unwrap();
    let (_, former) = world.cluster.close_port(1).unwrap();
    world.open(2);
    assert_ne!(world.keys[2], former);
    world.hear(1, vec![rtp(5, 1, 0)]);
    assert_eq!(world.cluster.statistics().drops, [("unknown_port", 1)]);
    assert!(world.cluster.close_port(1).is_err());
}

#[test]
fn ports_of_a_transport_are_of_one_worker() {
    let mut world = World::new(2);
    world.open(1);
    world.open(2);
    let both = crate::spec::TransportSpec { rtcp_port: Some(2), ..spec(1, 1) };
    assert!(world.cluster.add_transport(both, 0.0).is_err());
    assert!(world.cluster.open_port(3, here(9), 2).is_err());
    assert!(world.cluster.open_port(1, here(9), 0).is_err());
}

#[test]
fn a_user_fragment_is_of_one_transport_of_all_workers() {
    let mut world = World::new(2);
    let ice = |ufrag: &str| Some(IceCredentials { ufrag: ufrag.into(), password: "password".into() });
    world.open(1);
    world.open(2);
    world.cluster.add_transport(crate::spec::TransportSpec { ice: ice("a"), ..spec(1, 1) }, 0.0).unwrap();
    assert!(world.cluster.add_transport(crate::spec::TransportSpec { ice: ice("a"), ..spec(2, 2) }, 0.0).is_err());
    world.cluster.add_transport(crate::spec::TransportSpec { ice: ice("b"), ..spec(2, 2) }, 0.0).unwrap();
    assert!(world.cluster.restart_ice(2, ice("a").unwrap()).is_err());
}

fn keys(octet: u8) -> Keys {
    Keys { profile: Profile::AeadAes128Gcm, key: vec![octet; 16], salt: vec![octet; 12], mki: Vec::new() }
}

#[test]
fn a_snapshot_is_taken_up_on_the_same_workers() {
    let mut world = World::with_legs(2, 3);
    for (source, target) in [(1, 2), (2, 1), (1, 3)] {
        world.cluster.route(route(source, target)).unwrap();
    }
    world.cluster.set_keys(2, Way::Receive, Some(keys(1)), &[], world.now).unwrap();
    world.cluster.set_keys(2, Way::Send, Some(keys(2)), &[], world.now).unwrap();
    world.hear(1, vec![rtp(5, 10, 0), rtp(5, 11, 0)]);
    let record = world.cluster.snapshot(world.now);
    let mut other = World::new(2);
    let (mut opened, cluster) = (Vec::new(), &other.cluster);
    cluster
        .restore(&record, 2000.0, &mut |id, address, worker| {
            opened.push((id, worker));
            cluster.open_port(id, address, worker).map(|_| ())
        })
        .unwrap();
    assert_eq!(opened, [(1, 0), (2, 1), (3, 0)]);
    for id in 1..=3 {
        let key = other.cluster.find_port(id).unwrap().1;
        other.keys.push(key);
    }
    let read = |record: &str| serde_json::from_str::<serde_json::Value>(record).unwrap();
    let (before, after) = (read(&record), read(&other.cluster.snapshot(2000.0)));
    assert_eq!((&before["ports"], &before["routes"]), (&after["ports"], &after["routes"]));
    assert_eq!(before["transports"][1], after["transports"][1]);
    other.now = 2000.0;
    let sent = other.hear(1, vec![rtp(5, 12, 0)]);
    assert_eq!(sent.iter().map(|(worker, _)| *worker).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_broken_snapshot_is_refused() {
    let world = World::new(1);
    let mut open = |_, _, _| Ok::<(), ()>(());
    for record in ["", "[]", "{}", r#"{"version": 3}"#, r#"{"version": 2}"#, r#"{"version": 2, "ports": [{}], "transports": []}"#] {
        assert!(world.cluster.restore(record, 0.0, &mut open).is_err(), "{record}");
    }
    let bare = r#"{"version": 2, "ports": [], "transports": [{"id": 1}], "streams": [], "routes": []}"#;
    assert!(world.cluster.restore(bare, 0.0, &mut open).is_err());
}

#[test]
fn many_transports_have_their_turn_one_part_after_the_other() {
    let mut world = World::new(1);
    for id in 1..=300 {
        world.open(id);
        world.cluster.add_transport(spec(id, id), 1000.0).unwrap();
        world.cluster.set_remote(id, Remote { rtp: Some(there(4000 + id as u16)), rtcp: None, latch: Latch::Strict }, 1000.0).unwrap();
        world.cluster.add_stream(stream(id)).unwrap();
    }
    world.now = 1000.0;
    for id in 1..=300 {
        world.now = 1000.0;
        world.hear(id, vec![rtp(5, 1, 0)]);
    }
    world.events();
    let mut silent = Vec::new();
    let mut times = Vec::new();
    while times.last().is_none_or(|at| *at < 1002.0) {
        let now = world.cluster.lock(0).deadline().unwrap();
        world.cluster.lock(0).tick_some(now);
        times.push(now);
        silent.push(world.events().len());
    }
    assert_eq!(silent.iter().sum::<usize>(), 300);
    assert!(silent.iter().all(|count| *count <= 128), "{silent:?}");
    assert!((7.0..10.0).contains(&(times.len() as f64 / 3.0)), "{times:?}"); // three parts, every quarter of a second
}
