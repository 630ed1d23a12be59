//! Measures the collector of forwarded events: event sources with client certificates deliver batches over TLS.
//!
//! The value to compare is the CPU time of the service. Beside it stand the two parts of the work that no collector can
//! avoid: decompressing the same bodies, and writing the same bytes to a file with an fsync for each batch.

mod collector;
pub(crate) mod many;
mod source;

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;
use std::time::{Duration, Instant};

use self::collector::EventCollector;
use self::source::{Compression, Deliveries, Source};
use crate::Result;
use crate::effort::Effort;
use crate::process::{megabytes, peak, resident, scheduled_nanoseconds, thread_cpu};
use crate::rounds::median_of;
use crate::table::Row;

/// Format of the file of events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFormat {
    Raw,
    Json,
}

/// Store of the bookmarks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BookmarkStore {
    Sqlite,
    Postgres,
}

/// Number of sources that deliver at the same time.
const SOURCES: usize = 8;

/// One combination that is measured.
struct Case {
    store: BookmarkStore,
    format: FileFormat,
    compression: Compression,
    batch: usize,
    /// Smallest number of events per second of CPU time.
    goal: Option<f64>,
}

const fn case(format: FileFormat, compression: Compression, batch: usize, goal: Option<f64>) -> Case {
    Case { store: BookmarkStore::Sqlite, format, compression, batch, goal }
}

const fn with_postgres(batch: usize) -> Case {
    let usual = case(FileFormat::Raw, Compression::Sldc, batch, None);
    Case { store: BookmarkStore::Postgres, ..usual }
}

const CASES: [Case; 12] = [
    case(FileFormat::Raw, Compression::Sldc, 10, Some(30_000.0)),
    case(FileFormat::Raw, Compression::Sldc, 100, Some(80_000.0)),
    case(FileFormat::Raw, Compression::Sldc, 1_000, None),
    case(FileFormat::Raw, Compression::Plain, 10, None),
    case(FileFormat::Raw, Compression::Plain, 100, None),
    case(FileFormat::Raw, Compression::Plain, 1_000, None),
    case(FileFormat::Json, Compression::Sldc, 10, None),
    case(FileFormat::Json, Compression::Sldc, 100, Some(45_000.0)),
    case(FileFormat::Json, Compression::Sldc, 1_000, None),
    with_postgres(10),
    with_postgres(100),
    with_postgres(1_000),
];

/// Largest time between a batch of ten events and its acknowledgement, for 99 of 100 batches, in milliseconds.
const SLOWEST: f64 = 30.0;
/// Largest peak of resident memory with batches of a thousand events, in megabytes.
const PEAK: f64 = 60.0;
/// Largest memory of an idle source, in kilobytes.
const IDLE: f64 = 25.0;
/// Number of sources whose memory does not count, because later ones use a part of it again.
const FIRST: usize = 20;

pub(crate) fn measure(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for case in &CASES {
        match case.measure(effort) {
            Ok(measured) => rows.extend(measured),
            Err(error) if case.store == BookmarkStore::Postgres => {
                rows.push(Row::not_measured(&case.name(), &error.to_string()));
            }
            Err(error) => return Err(error),
        }
    }
    rows.push(idle(effort)?);
    rows.push(many::measure(effort)?);
    Ok(rows)
}

impl Case {
    /// Measures turns against one service; the first one does not count.
    fn measure(&self, effort: &Effort) -> Result<Vec<Row>> {
        let collector = EventCollector::start(self.format, self.store)?;
        let mut sources = (0..SOURCES).map(|number| collector.source(number)).collect::<Result<Vec<_>>>()?;
        let (mut turns, mut delivered) = (Vec::new(), 0);
        for turn in 0..=effort.rounds {
            let measured = self.turn(&collector, &mut sources, effort.events)?;
            delivered += measured.events as usize;
            if turn > 0 {
                turns.push(measured);
            }
        }
        collector.require_events(delivered)?;
        let peak = megabytes(peak(collector.process())?);
        let rate = median_of(&turns, |turn| turn.events / turn.server.as_secs_f64());
        let wall = median_of(&turns, |turn| turn.events / turn.elapsed.as_secs_f64());
        let limit = median_of(&turns, |turn| turn.events / turn.limit.as_secs_f64());
        let slowest = median_of(&turns, |turn| turn.slowest.as_secs_f64() * 1e3);
        let name = self.name();
        let measured = format!(
            "{rate:.0} ({:.0} µs each; {wall:.0} by the clock; decompression and writing alone {limit:.0})",
            1e6 / rate
        );
        let what = format!("{name}: events per second of CPU time");
        let mut rows = vec![match self.goal {
            Some(goal) => Row::at_least(&what, goal, rate, measured),
            None => Row::without_goal(&what, measured),
        }];
        let what = format!("{name}: time to the acknowledgement, for 99 of 100 batches");
        let time = format!("{slowest:.1} ms");
        match self.store {
            BookmarkStore::Postgres => rows.push(Row::without_goal(&what, time)),
            BookmarkStore::Sqlite if self.batch == 10 && self.goal.is_some() => {
                rows.push(Row::at_most(&what, SLOWEST, "ms", slowest, time));
            }
            BookmarkStore::Sqlite => {}
        }
        if self.batch == 1_000 {
            let what = format!("{name}: peak resident memory");
            rows.push(Row::at_most(&what, PEAK, "MB", peak, format!("{peak:.1} MB")));
        }
        Ok(rows)
    }

    /// Lets all sources deliver the same number of batches, each source one after the other.
    fn turn(&self, collector: &EventCollector, sources: &mut [Source], events: usize) -> Result<Turn> {
        let batches = (events / SOURCES / self.batch).max(2);
        let deliveries = sources
            .iter_mut()
            .map(|source| source.prepare(self.compression, self.batch, batches))
            .collect::<Result<Vec<Deliveries>>>()?;
        let limit = limit(&deliveries, self.compression)?;
        let before = scheduled_nanoseconds(collector.process())?;
        let begin = Instant::now();
        let times = std::thread::scope(|scope| {
            let deliver = |(source, deliveries)| {
                scope.spawn(move || Source::deliver(source, deliveries).map_err(|error| error.to_string()))
            };
            let running: Vec<_> = sources.iter_mut().zip(&deliveries).map(deliver).collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(times) => times,
                Err(_) => Err("a source panicked".to_owned()),
            });
            ended.collect::<std::result::Result<Vec<Vec<Duration>>, String>>()
        })?;
        let elapsed = begin.elapsed();
        let server = Duration::from_nanos(scheduled_nanoseconds(collector.process())?.saturating_sub(before));
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort_unstable();
        let slowest = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
        Ok(Turn { events: (batches * self.batch * SOURCES) as f64, server, elapsed, limit, slowest })
    }

    fn name(&self) -> String {
        let format = match self.format {
            FileFormat::Raw => "Raw",
            FileFormat::Json => "Json",
        };
        let compression = match self.compression {
            Compression::Sldc => "SLDC",
            Compression::Plain => "plain",
        };
        let store = match self.store {
            BookmarkStore::Sqlite => "",
            BookmarkStore::Postgres => "PostgreSQL, ",
        };
        format!("collector, {store}{format}, {compression}, batches of {}", self.batch)
    }
}

/// Result of one turn.
struct Turn {
    events: f64,
    /// CPU time of the service.
    server: Duration,
    elapsed: Duration,
    /// CPU time of decompression and writing alone.
    limit: Duration,
    /// Time to the acknowledgement that 99 of 100 batches did not exceed.
    slowest: Duration,
}

/// Returns the CPU time to decompress the bodies, and to write their text to a file with an fsync for each batch.
fn limit(deliveries: &[Deliveries], compression: Compression) -> Result<Duration> {
    let mut file: File = tempfile::tempfile()?;
    let texts: Vec<&str> = deliveries.iter().flat_map(|deliveries| deliveries.texts()).collect();
    let bodies = deliveries.iter().flat_map(|deliveries| deliveries.bodies());
    let before = thread_cpu();
    if compression == Compression::Sldc {
        for body in bodies {
            black_box(winevent::sldc::decode(body, winevent::sldc::MAX_OUTPUT)?);
        }
    }
    for text in texts {
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
    }
    Ok(thread_cpu().saturating_sub(before))
}

/// Measures the memory of connected sources that deliver nothing.
fn idle(effort: &Effort) -> Result<Row> {
    let collector = EventCollector::start(FileFormat::Raw, BookmarkStore::Sqlite)?;
    let mut sources = (0..FIRST).map(|number| collector.source(number)).collect::<Result<Vec<_>>>()?;
    let before = resident(collector.process())?;
    for number in FIRST..FIRST + effort.idle {
        sources.push(collector.source(number)?);
    }
    let after = resident(collector.process())?;
    let each = (after.saturating_sub(before)) as f64 / 1_024.0 / effort.idle as f64;
    let measured =
        format!("{each:.1} KB ({:.1} to {:.1} MB by {})", megabytes(before), megabytes(after), effort.idle);
    Ok(Row::at_most("collector: resident memory of an idle source", IDLE, "KB", each, measured))
}
