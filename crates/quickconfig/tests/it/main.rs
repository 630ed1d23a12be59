//! Tests of changes with a real systemd, firewalld, ufw and nft, each on a machine of its own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod firewalld;
mod nftables;
mod systemd;
mod ufw;

use std::num::NonZeroU16;

use telarch_peers::World;
use telarch_quickconfig::{
    Machine, MachineRequest, MachineResponse, Opening, Outcome, Source, Survey, Transport, Zone,
};

/// Returns the machine of the test's world.
fn machine() -> Machine {
    std::fs::create_dir_all("/run/state").unwrap();
    Machine::of_machine("/run/state")
}

fn survey(openings: &[Opening]) -> Survey {
    match machine().execute(&MachineRequest::Survey(openings.to_vec())) {
        MachineResponse::Survey(survey) => survey,
        other => panic!("{other:?}"),
    }
}

fn done(request: &MachineRequest) -> Outcome {
    match machine().execute(request) {
        MachineResponse::Done(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

fn opening(transport: Transport, port: u16, sources: &[&str], zone: Option<&str>) -> Opening {
    Opening {
        transport,
        port: NonZeroU16::new(port).unwrap(),
        sources: sources.iter().map(|source| Source::parse(source).unwrap()).collect(),
        zone: zone.map(|zone| Zone::parse(zone).unwrap()),
    }
}

/// Checks that a port opens, that opening is idempotent and visible, and that closing leaves no trace.
fn opens_and_closes(opening: &Opening) -> String {
    assert_eq!(survey(std::slice::from_ref(opening)).firewall.open, [false]);
    let Outcome::Done(how) = done(&MachineRequest::Open(opening.clone())) else {
        panic!("{opening:?} is not opened")
    };
    assert_eq!(survey(std::slice::from_ref(opening)).firewall.open, [true], "{how}");
    assert_eq!(done(&MachineRequest::Open(opening.clone())), Outcome::Already);
    how
}

fn undo_everything() {
    for record in survey(&[]).recorded.iter().rev() {
        let outcome = done(&MachineRequest::Undo(record.number));
        assert!(matches!(outcome, Outcome::Done(_)), "{record:?}: {outcome:?}");
    }
    assert!(survey(&[]).recorded.is_empty());
}

fn printed(world: &World, line: &str) -> String {
    let run = world.shell(line);
    assert_eq!(run.code, 0, "{line}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}
