//! Load for use with a profiler.

use std::time::Duration;

use crate::Result;
use crate::load::{Until, drive};
use crate::messages;
use crate::telarchd::Telarchd;

/// Handles `identify|get CONNECTIONS SECONDS`: starts the service, prints its process id and puts it under load.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let [operation, connections, seconds] = arguments else { return Err(USAGE.into()) };
    let request = match *operation {
        "identify" => messages::identify(),
        "get" => messages::get_config(),
        _ => return Err(USAGE.into()),
    };
    let service = Telarchd::start(&[])?;
    println!("telarchd is process {}", service.process());
    let mut connections = service.plain(connections.parse()?)?;
    let until = Until::Elapsed(Duration::from_secs(seconds.parse()?));
    let load = drive(&mut connections, &request, service.process(), until)?;
    println!("{:.0} requests/s, {:.1} µs of CPU each", load.rate(), load.server_micros());
    Ok(())
}

const USAGE: &str = "usage: benches/run profile identify|get CONNECTIONS SECONDS";
