//! Overview of this machine.

use std::collections::BTreeSet;

use management::Timestamp;
use serde_json::{Value, json};

use crate::call::Admitted;
use crate::console::Console;
use crate::metrics::{SampleStream, memory};
use crate::problem::Problem;
use crate::reply::{Content, Reply};

/// `GET /machine`
pub(crate) fn overview(console: &Console, _: &Admitted<'_>) -> Result<Reply, Problem> {
    let machine = &console.machine;
    let (memory_total, memory_available) = memory(machine).unzip();
    let load: Vec<f64> = machine
        .text("/proc/loadavg")
        .unwrap_or_default()
        .split_whitespace()
        .take(3)
        .filter_map(|field| field.parse().ok())
        .collect();
    let uptime = machine.text("/proc/uptime").unwrap_or_default();
    let uptime: Option<f64> = uptime.split_whitespace().next().and_then(|field| field.parse().ok());
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(Reply::json(json!({
        "host_name": machine.host_name(),
        "system": system_name(console),
        "kernel": machine.kernel_version(),
        "time": Timestamp::now().to_string(),
        "uptime_seconds": uptime,
        "processors": processors,
        "load": load,
        "memory_total": memory_total,
        "memory_available": memory_available,
        "disks": disks(console).unwrap_or_else(|error| {
            tracing::warn!(%error, "Cannot read the mounted file systems");
            Vec::new()
        }),
    })))
}

/// `GET /machine/metrics`: samples, or with `follow` a stream of them.
pub(crate) fn metrics(console: &Console, request: &Admitted<'_>) -> Result<Reply, Problem> {
    let since = Timestamp::from_seconds(request.number("since", 0)?);
    if request.call.parameter("follow").as_deref() != Some("true") {
        return Ok(Reply::json(json!({ "interval_seconds": 1, "samples": console.metrics.since(since) })));
    }
    // A browser that connects again names the last event that it has received.
    let last = request.call.header("last-event-id").and_then(|id| id.parse().ok());
    let since = last.map_or(since, Timestamp::from_seconds);
    let stream = SampleStream::new(console.metrics.clone(), since);
    Ok(Reply::new(200, Content::Stream(Box::new(stream))))
}

fn system_name(console: &Console) -> Option<String> {
    let text = console.machine.text("/etc/os-release").ok()?;
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// Returns the file systems on disks, each device once.
fn disks(console: &Console) -> std::io::Result<Vec<Value>> {
    let mut devices = BTreeSet::new();
    let mounts = console.machine.mounts()?;
    let on_disk = mounts.iter().filter(|mount| mount.source.starts_with('/') || mount.place == "/");
    let shown = on_disk
        .filter(|mount| devices.insert(mount.device))
        .take(MAX_DISKS)
        .filter_map(|mount| {
            let space = rustix::fs::statvfs(mount.place.as_str()).ok()?;
            Some(json!({
                "path": mount.place,
                "kind": mount.kind,
                "source": mount.source,
                "size": space.f_blocks.saturating_mul(space.f_frsize),
                "free": space.f_bavail.saturating_mul(space.f_frsize),
            }))
        })
        .collect();
    Ok(shown)
}

const MAX_DISKS: usize = 100;
