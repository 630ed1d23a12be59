//! Tests of the client against the service.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod authentication;
mod client_certificate;
mod config_change;
mod config_read;
mod enumeration;
mod identify;
mod interruption;
mod listener;
mod local;
mod message;
mod quota;
mod restore;
mod shell;
mod shell_end;
mod shell_list;
mod tls;

use client::Error;
use wsman::{Fault, ResourceUri, Subcode};

/// Returns the fault of a rejected operation.
#[track_caller]
fn fault<T>(outcome: Result<T, Error>) -> Fault {
    match outcome {
        Err(Error::Fault(fault)) => fault,
        Err(other) => panic!("not a fault: {other}"),
        Ok(_) => panic!("it was not refused"),
    }
}

/// Returns subcode and code of a fault, which programs evaluate.
#[track_caller]
fn refusal<T>(outcome: Result<T, Error>) -> (Subcode, u32) {
    let fault = fault(outcome);
    (fault.subcode().clone(), fault.code())
}

fn uri(text: &str) -> ResourceUri {
    ResourceUri::parse(text).unwrap()
}
