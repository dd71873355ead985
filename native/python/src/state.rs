//! What an engine's threads share, and the commands that concern sockets.

use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

use boringsdp_core::address::Address;
use boringsdp_core::error::CommandError;
use boringsdp_core::outbox::{Outbox, PortKey};
use boringsdp_core::spec::PortId;
use boringsdp_core::Cluster;

use crate::link::{lock, Link};
use crate::news::News;
use crate::ports::{Opener, Port, PortTable};
use crate::send::Sender;
use crate::steer::Steering;

/// Why a port was not opened or a snapshot not taken up.
#[derive(Debug)]
pub enum Refusal {
    Command(CommandError),
    System(io::Error),
}

impl From<CommandError> for Refusal {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The side that takes commands: its own view of all ports, and what it sends with.
struct Commander {
    tables: Vec<PortTable>,
    ports: HashMap<PortId, (usize, PortKey)>,
    next_port: PortId,
    outbox: Outbox,
    sender: Sender,
}

impl Commander {
    fn add(&mut self, number: PortId, worker: usize, key: PortKey) {
        self.ports.insert(number, (worker, key));
        self.next_port = self.next_port.max(number) + 1;
    }
}

pub struct State {
    pub cluster: Cluster,
    pub links: Vec<Link>,
    pub news: News,
    /// None: without sockets.
    opener: Option<Opener>,
    commander: Mutex<Commander>,
}

impl State {
    pub fn new(cluster: Cluster, steering: Option<Steering>, manual: bool) -> io::Result<Self> {
        let workers = cluster.workers();
        let receivers = |worker| steering.as_ref().map_or_else(Vec::new, |steering| steering.receivers(worker).to_vec());
        let links = (0..workers).map(|worker| Link::new(&receivers(worker))).collect::<io::Result<_>>()?;
        let commander = Commander {
            tables: (0..workers).map(|_| PortTable::default()).collect(),
            ports: HashMap::new(),
            next_port: 1,
            outbox: Outbox::new(),
            sender: Sender::new(),
        };
        let opener = if manual { None } else { Some(Opener::new(steering)?) };
        Ok(Self { cluster, links, news: News::new()?, opener, commander: Mutex::new(commander) })
    }

    /// Bind a port; its id and where it really is.
    pub fn open_port(&self, address: Address, worker: usize) -> Result<(PortId, Address), Refusal> {
        let number = lock(&self.commander).next_port;
        Ok((number, self.open_numbered(number, address, worker)?))
    }

    /// Bind a port whose id is known.
    pub fn open_numbered(&self, number: PortId, address: Address, worker: usize) -> Result<Address, Refusal> {
        let Some(opener) = &self.opener else {
            let key = self.cluster.open_port(number, address, worker)?;
            lock(&self.commander).add(number, worker, key);
            return Ok(address);
        };
        let port = opener.open(address, worker)?;
        let mut commander = lock(&self.commander);
        let key = self.cluster.open_port(number, port.address, worker).inspect_err(|_| opener.close(&port))?;
        let link = &self.links[worker];
        link.change(key, Some(port.clone()));
        commander.tables[worker].set(key, Some(port.clone()));
        commander.add(number, worker, key);
        drop(commander);
        if let Err(error) = link.watch(key, &port, true) {
            self.close_port(number)?; // the kernel watches no more descriptors
            return Err(error.into());
        }
        Ok(port.address)
    }

    pub fn close_port(&self, number: PortId) -> Result<(), Refusal> {
        let mut commander = lock(&self.commander);
        let (worker, key) = self.cluster.close_port(number)?;
        commander.ports.remove(&number);
        if let Some(port) = commander.tables[worker].set(key, None) {
            self.links[worker].unwatch(&port);
            self.links[worker].change(key, None);
            self.shut(&port);
        }
        Ok(())
    }

    fn shut(&self, port: &Port) {
        if let Some(opener) = &self.opener {
            opener.close(port);
        }
    }

    /// Who reads a port.
    pub fn worker_of(&self, port: PortId) -> Option<usize> {
        lock(&self.commander).ports.get(&port).map(|(worker, _)| *worker)
    }

    /// The port that has this key: slow, for tests.
    pub fn port_of(&self, worker: usize, key: PortKey) -> Option<PortId> {
        lock(&self.commander).ports.iter().find(|(_, place)| **place == (worker, key)).map(|(number, _)| *number)
    }

    pub fn has_ports(&self) -> bool {
        !lock(&self.commander).ports.is_empty()
    }

    /// These ports serve many transports from now on.
    pub fn share(&self, ports: &[PortId]) {
        let mut commander = lock(&self.commander);
        for number in ports {
            let Some(&(worker, key)) = commander.ports.get(number) else { continue };
            if let Some(port) = commander.tables[worker].get_mut(key).filter(|port| !port.shared) {
                if let Some(opener) = &self.opener {
                    opener.share(port, worker);
                }
                let port: Port = port.clone();
                self.links[worker].change(key, Some(port.clone()));
                let _ = self.links[worker].watch(key, &port, false);
            }
        }
    }

    /// Look after what a command may have left for others to do.
    pub fn look_after(&self, worker: usize) {
        self.links[worker].wake_idle();
        if lock(self.cluster.plane(worker)).has_events() {
            self.news.tell();
        }
    }

    /// Let `command` write datagrams, which then leave through the ports of the worker that it names.
    pub fn send(&self, command: impl FnOnce(&mut Outbox) -> Result<usize, CommandError>) -> Result<usize, CommandError> {
        let mut commander = lock(&self.commander);
        let Commander { tables, outbox, sender, .. } = &mut *commander;
        let worker = command(outbox).inspect_err(|_| outbox.clear())?;
        if !outbox.is_empty() {
            sender.send(outbox, &tables[worker]);
            if !sender.failed.is_empty() {
                sender.report(outbox, &mut lock(self.cluster.plane(worker)));
            }
            outbox.clear();
        }
        Ok(worker)
    }

    /// Close every port. Call when the workers have stopped.
    pub fn close(&self) {
        let mut commander = lock(&self.commander);
        let ports: Vec<_> = commander.ports.drain().collect();
        for (_, (worker, key)) in ports {
            if let Some(port) = commander.tables[worker].set(key, None) {
                self.shut(&port);
            }
        }
        for link in &self.links {
            link.forget();
        }
        if let Some(opener) = &self.opener {
            opener.end();
        }
    }
}
