//! The media of many WebRTC clients and RTP peers through a gateway: paced, checked and timed.
//!
//! `boringsdp-load CLIENT PEER PEER_RTCP [CPU]`: three bound UDP sockets are inherited as these descriptors. Commands come on standard input,
//! one JSON object a line ([`plan::Command`]); every `run` is answered with one line on standard output. Signalling, ICE and DTLS are done by
//! whoever starts this, on the same sockets.

mod call;
mod clock;
mod flood;
mod flow;
mod histogram;
mod net;
mod plan;
mod random;
mod result;
mod run;

use std::io::{BufRead, Write};

use call::Call;
use plan::Command;
use run::{Runner, Sockets};

fn main() {
    if let Err(error) = serve() {
        eprintln!("boringsdp-load: {error}");
        std::process::exit(1);
    }
}

fn serve() -> Result<(), String> {
    let numbers: Vec<i32> =
        std::env::args().skip(1).map(|text| text.parse().map_err(|_| format!("{text} is no number"))).collect::<Result<_, _>>()?;
    let [client, peer, peer_rtcp, ref rest @ ..] = numbers[..] else {
        return Err("usage: boringsdp-load CLIENT PEER PEER_RTCP [CPU], three descriptors of UDP sockets".into());
    };
    if let Some(&cpu) = rest.first() {
        if !clock::pin(cpu as usize) {
            return Err(format!("no CPU {cpu}"));
        }
    }
    clock::sleep_precisely();
    let sockets = Sockets { client, peer, peer_rtcp };
    [client, peer, peer_rtcp].into_iter().for_each(net::prepare);
    let mut calls: Vec<Call> = Vec::new();
    let mut cared = 0;
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        match serde_json::from_str(&line).map_err(|error| error.to_string())? {
            Command::Add { calls: plans } => {
                for plan in &plans {
                    calls.push(Call::new(calls.len() as u32, plan)?);
                }
            }
            Command::Clear => calls.clear(),
            Command::Run(plan) => {
                let outcome = Runner::new(&plan, &mut calls, &mut cared, &sockets).run(&sockets);
                writeln!(std::io::stdout(), "{}", outcome.to_json()).map_err(|error| error.to_string())?;
            }
        }
    }
    Ok(())
}
