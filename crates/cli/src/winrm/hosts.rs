//! `winrm hosts`: hosts under short names.

use xml::{Bounds, Document, Writer};

use super::run::Streams;
use super::{HostName, HostsTask};
use crate::error::Error;
use crate::failure::{Failure, Kind};
use crate::format::Format;
use crate::hosts::{SavedHost, SavedHosts};
use crate::program::Stop;
use crate::screen::{Screen, Table};

pub(super) fn run(
    task: HostsTask,
    hosts: &SavedHosts,
    format: Format,
    screen: &Screen,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    match task {
        HostsTask::List => print(&hosts.all().map_err(Error::from)?, format, screen, streams),
        HostsTask::Show(HostName(name)) => {
            print(&[hosts.named(&name).map_err(Error::from)?], format, screen, streams)
        }
        HostsTask::Save(host) => {
            hosts.save(&host).map_err(Error::from)?;
            Ok(writeln!(streams.errors, "winrm: {} is saved in {}", host.name(), hosts.place())?)
        }
        HostsTask::Forget(HostName(name)) => Ok(hosts.forget(&name).map_err(Error::from)?),
    }
}

fn print(
    hosts: &[SavedHost],
    format: Format,
    screen: &Screen,
    streams: &mut Streams<'_>,
) -> Result<(), Stop> {
    if format == Format::Text
        && let Some(width) = screen.table_width()
    {
        let mut table = Table::new(["Name", "Address", "Transport", "Port", "Authentication", "UserName"]);
        for host in hosts {
            let fields = host.fields();
            let cell = |wanted: &str| {
                let found = fields.iter().find(|(name, _)| *name == wanted);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            let others = ["Address", "Transport", "Port", "Authentication", "UserName"].map(cell);
            table.row(std::iter::once(host.name().to_owned()).chain(others));
        }
        return Ok(streams.out.write_all(table.print(width, screen).as_bytes())?);
    }
    let mut results = format.results();
    streams.out.write_all(results.open().as_bytes())?;
    for host in hosts {
        let document = markup(host)?;
        streams.out.write_all(results.item(document.root()).as_bytes())?;
    }
    Ok(streams.out.write_all(results.close().as_bytes())?)
}

/// The host as an element, so that every format has it.
fn markup(host: &SavedHost) -> Result<Document, Failure> {
    let mut writer = Writer::new();
    writer.start("Host").element("Name", host.name());
    for (name, value) in host.fields() {
        writer.element(name, &value);
    }
    writer.end();
    Document::parse(writer.finish(), &Bounds::default())
        .map_err(|error| Failure::here(Kind::Fault, format!("a saved host cannot be shown: {error}")))
}
