//! `winrm hosts`: lists, saves and deletes saved hosts.

use std::collections::BTreeMap;

use xml::{Bounds, Document, Writer};

use super::streams::Streams;
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
            Ok(writeln!(streams.errors, "winrm: saved {} in {}", host.name(), hosts.path_text())?)
        }
        HostsTask::Delete(HostName(name)) => Ok(hosts.delete(&name).map_err(Error::from)?),
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
        let columns = ["Address", "Transport", "Port", "Authentication", "UserName"];
        let mut table = Table::new(std::iter::once("Name").chain(columns));
        for host in hosts {
            let mut fields: BTreeMap<&str, String> = host.fields().into_iter().collect();
            let cells = columns.map(|column| fields.remove(column).unwrap_or_default());
            table.row(std::iter::once(host.name().to_owned()).chain(cells));
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

/// Returns the host as an XML element, from which every output format is generated.
fn markup(host: &SavedHost) -> Result<Document, Failure> {
    let mut writer = Writer::new();
    writer.start("Host").element("Name", host.name());
    for (name, value) in host.fields() {
        writer.element(name, &value);
    }
    writer.end();
    Document::parse(writer.finish(), &Bounds::default())
        .map_err(|error| Failure::here(Kind::Fault, format!("cannot show the saved host: {error}")))
}
