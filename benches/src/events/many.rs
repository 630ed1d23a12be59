//! Memory of a collector with very many sources. The sources are tasks of the same process, without sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventing::{
    Collector, CollectorParts, Format, IdentityCheck, Layout, OutputSettings, Rotation, StoreSettings,
    Subscriptions,
};
use plugin_events::{Authorities, EventsPlugin};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use service::{ClientCertificates, EventAnswer, EventEndpoint as _, EventMessage, SourceProof, Transport};

use super::collector::{SUBSCRIPTION, authority, issue};
use super::source::{Compression, ENUMERATE, HEARTBEAT, batch, envelope};
use crate::Result;
use crate::effort::Effort;
use crate::messages::between;
use crate::process::{megabytes, peak, resident};
use crate::table::Row;

/// Argument instead of group names that makes the program measure itself as the collector.
pub(crate) const INSIDE: &str = "many-event-sources";

/// Largest peak of resident memory, in megabytes.
const PEAK: f64 = 2_048.0;
/// Events that each source delivers.
const EVENTS: usize = 10;
/// Sources that deliver events at the same time. All sources request their subscriptions at the same time.
const DELIVERING: usize = 256;

/// Measures in a process of its own, whose memory is that of the collector and of the certificates of the sources.
pub(crate) fn measure(effort: &Effort) -> Result<Row> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(INSIDE).arg(effort.sources.to_string());
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("the collector of many sources has failed: {}", output.status).into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers = text.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<u64>, _>>()?;
    let [before, listed, delivered, peak] = numbers[..] else {
        return Err(format!("there are not four numbers: {text}").into());
    };
    let each = |now: u64| now.saturating_sub(before) / u64::try_from(effort.sources).unwrap_or(1).max(1);
    let peak = megabytes(peak);
    let measured = format!(
        "{peak:.0} MB ({} bytes for each source after its heartbeat, {} after {EVENTS} events; {:.1} MB before)",
        each(listed),
        each(delivered),
        megabytes(before)
    );
    let what = format!("collector: peak resident memory with {} sources, without sockets", effort.sources);
    Ok(Row::at_most(&what, PEAK, "MB", peak, measured))
}

/// Measures in this process and prints four numbers of bytes: resident memory before the first message, after all
/// heartbeats and after all events, and the peak.
pub(crate) fn inside(arguments: &[&str]) -> Result<()> {
    let [count] = arguments else { return Err("it takes a number of sources".into()) };
    let count = count.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let folder = tempfile::Builder::new().prefix("telarch-benches-").tempdir()?;
    let [before, listed, delivered] = runtime.block_on(run(folder.path(), count))?;
    println!("{before} {listed} {delivered} {}", peak(std::process::id())?);
    Ok(())
}

async fn run(folder: &Path, count: usize) -> Result<[u64; 3]> {
    let (plugin, sources) = prepare(folder, count).await?;
    let before = resident(std::process::id())?;
    // All sources at once, as after a restart of the collector.
    let listing: Vec<_> =
        sources.iter().cloned().map(|source| tokio::spawn(list(plugin.clone(), source))).collect();
    let mut path = String::new();
    for source in listing {
        path = source.await?.map_err(|error| error.to_string())?;
    }
    let listed = resident(std::process::id())?;
    let sources = Arc::new(sources);
    let next = Arc::new(AtomicUsize::new(0));
    let delivering: Vec<_> = (0..DELIVERING)
        .map(|_| {
            let (plugin, path) = (plugin.clone(), path.clone());
            let (sources, next) = (Arc::clone(&sources), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    deliver(&plugin, source, &path).await?;
                }
                Ok::<_, String>(())
            })
        })
        .collect();
    for worker in delivering {
        worker.await??;
    }
    let stored = plugin.statistics().events;
    if stored != u64::try_from(count * EVENTS)? {
        return Err(format!("{stored} events are stored").into());
    }
    Ok([before, listed, resident(std::process::id())?])
}

/// A source: its name and its certificate.
type Certified = (Arc<str>, Arc<[Vec<u8>]>);

/// Opens a collector as the configured service does, and issues the certificates of the sources.
async fn prepare(folder: &Path, count: usize) -> Result<(EventsPlugin, Vec<Certified>)> {
    let rotation = Rotation { size: 16 << 20, files: 4 };
    let layout = Layout::PerSource(folder.join("sources"));
    let collector = Collector::open(CollectorParts {
        store: StoreSettings::File(folder.join("events.sqlite")),
        outputs: vec![OutputSettings { layout, format: Format::Json, rotation: Some(rotation) }],
        destinations: Vec::new(),
        spool: folder.join("spool"),
        total_limit: None,
        quarantine: folder.join("quarantine"),
        subscriptions: Subscriptions::parse([(folder.join("subscription.xml"), SUBSCRIPTION.into())])?,
        identity: IdentityCheck::Mark,
    });
    let plugin = EventsPlugin::new(ClientCertificates::Required);
    let authority = authority()?;
    let pem = authority.pem();
    let authorities = Authorities::parse([(Path::new("authority.pem"), pem.as_bytes())])?;
    plugin.begin(Arc::new(collector.await?), authorities);
    let mut sources = Vec::with_capacity(count);
    for number in 0..count {
        let name = format!("source{number}.example.com");
        let (certificate, _) = issue(&authority, &name, ExtendedKeyUsagePurpose::ClientAuth)?;
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?.to_vec();
        sources.push((name.into(), vec![certificate].into()));
    }
    Ok((plugin, sources))
}

/// Requests the subscriptions and sends a heartbeat. Returns the path for deliveries.
async fn list(plugin: EventsPlugin, source: Certified) -> std::result::Result<String, String> {
    let request = envelope(ENUMERATE, "", "<n:Enumerate/>").into_bytes();
    let answer = send(&plugin, &source, "/SubscriptionManager/WEC", None, request).await?;
    let address = between(answer.envelope.as_bytes(), b"/wsman/subscriptions/", b"<");
    let path = format!("/subscriptions/{}", address.map_err(|error| error.to_string())?);
    let heartbeat = envelope(HEARTBEAT, "<w:AckRequested/>", "<w:Events></w:Events>").into_bytes();
    send(&plugin, &source, &path, None, heartbeat).await?;
    Ok(path)
}

async fn deliver(plugin: &EventsPlugin, source: &Certified, path: &str) -> std::result::Result<(), String> {
    let (body, _) = batch(&source.0, 1, EVENTS, Compression::Sldc).map_err(|error| error.to_string())?;
    send(plugin, source, path, Some("SLDC"), body).await.map(drop)
}

async fn send(
    plugin: &EventsPlugin,
    source: &Certified,
    path: &str,
    compression: Option<&str>,
    body: Vec<u8>,
) -> std::result::Result<EventAnswer, String> {
    let answer = plugin.answer(EventMessage {
        proof: SourceProof::Certificate(Arc::clone(&source.1)),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        transport: Transport::Https,
        base: "https://localhost:5986/wsman".to_owned(),
        path: path.to_owned(),
        content_encoding: compression.map(str::to_owned),
        body,
    });
    let answer = answer.await;
    match answer.status {
        200 => Ok(answer),
        status => Err(format!("{}: status {status} {}", source.0, answer.envelope)),
    }
}
