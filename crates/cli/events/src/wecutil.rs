//! `wecutil`: the subscriptions of the collector of this machine, with the command line of Windows.
//!
//! The subscriptions are the files that telarchd reads. It notices changes by itself.

mod command;
mod error;
mod event_sources;
mod places;
mod quick_config;
mod runtime_status;
mod settings;
mod terse;

use std::fs;
use std::io::{BufRead, Read as _, Write};
use std::path::Path;

use config::Store;
use eventing::SubscriptionFolder;
use winevent::subscription::{DeliveryMode, EVENT_QUERY_DIALECT, SubscriptionType};
use winevent::{QueryList, Subscription};

use self::command::{Command, Output, Replacement, SubscriptionChange};
pub use self::error::ToolError;
pub use self::places::Places;
use crate::windows_options::Words;

/// Standard streams of the program.
pub struct Streams<'s> {
    /// Answers of the user.
    pub input: &'s mut dyn BufRead,
    /// Results.
    pub out: &'s mut dyn Write,
    /// Notes for the user.
    pub errors: &'s mut dyn Write,
}

/// Runs the command that the words behind the program name request.
///
/// # Errors
/// [`ToolError`] with the exit status.
pub fn run(words: &[String], places: &Places, streams: &mut Streams<'_>) -> Result<(), ToolError> {
    let folder = &places.subscriptions;
    match Command::parse(words)? {
        Command::Help(text) => streams.out.write_all(text.as_bytes())?,
        Command::List => {
            for one in folder.subscriptions()?.iter() {
                writeln!(streams.out, "{}", one.subscription.id)?;
            }
        }
        Command::Show { name, output, is_unicode } => {
            let subscription = find(folder, &name)?;
            let text = match output {
                Output::Terse => terse::text(&subscription, delivery_mode(places, &subscription)),
                Output::Xml => subscription.to_xml() + "\n",
            };
            let text = if is_unicode { utf16(&text) } else { text.into_bytes() };
            streams.out.write_all(&text)?;
        }
        Command::Status { name, sources } => {
            let subscription = match find(folder, &name) {
                Ok(subscription) => subscription,
                // Another collector with the same database may have the file.
                Err(error) => runtime_status::find_stored(places, &name)?.ok_or(error)?,
            };
            let status = runtime_status::read(places, &subscription, &sources)?;
            streams.out.write_all(status.text.as_bytes())?;
            if let Some(note) = status.note {
                writeln!(streams.errors, "{note}")?;
            }
        }
        Command::Set { name, change: SubscriptionChange::Options(words) } => {
            folder.update(&name, |subscription| {
                settings::apply(&words, subscription)?;
                event_sources::apply(&words, subscription)?;
                require_usable(subscription)
            })?;
        }
        Command::Set { name, change: SubscriptionChange::File(replacement, words) } => {
            let subscription = import(&replacement, &words, streams)?;
            if !name.is_empty() && !name.eq_ignore_ascii_case(subscription.id.as_str()) {
                let problem = format!("the file has the SubscriptionId \"{}\"", subscription.id);
                return Err(ToolError::Invalid(problem));
            }
            let name = subscription.id.clone();
            folder.update::<ToolError>(name.as_str(), |found| {
                *found = subscription;
                Ok(())
            })?;
        }
        Command::Create(replacement, words) => folder.add(&import(&replacement, &words, streams)?)?,
        Command::Delete { name } => folder.remove(&name)?,
        Command::Retry { name, sources } => retry(places, &name, &sources, streams)?,
        Command::QuickConfig { is_quiet } => quick_config::run(places, is_quiet, streams)?,
    }
    Ok(())
}

/// Returns the direction of the requests that carry events. A collector whose URL is set lets sources push as Windows does.
fn delivery_mode(places: &Places, subscription: &Subscription) -> DeliveryMode {
    let has_url = Store::open(&places.settings)
        .is_ok_and(|store| store.snapshot().event_collector.delivery_url.url().is_some());
    if has_url { subscription.delivery_mode_of_windows() } else { subscription.delivery_mode() }
}

fn find(folder: &SubscriptionFolder, name: &str) -> Result<Subscription, ToolError> {
    let all = folder.subscriptions()?;
    let found = all.named(name).ok_or_else(|| folder.missing(name))?;
    Ok(found.subscription.clone())
}

/// Reads and checks a subscription file. Options may give the common credentials.
fn import(
    replacement: &Replacement,
    words: &Words,
    streams: &mut Streams<'_>,
) -> Result<Subscription, ToolError> {
    let content = read(&replacement.file)?;
    let (text, _) = winevent::delivery::decode(&content);
    let import = Subscription::parse(&text)?;
    for name in &import.ignored {
        writeln!(streams.errors, "Ignored the unknown element {name}.")?;
    }
    let mut subscription = import.subscription;
    event_sources::apply_common(words, &mut subscription)?;
    require_usable(&subscription)?;
    Ok(subscription)
}

fn read(path: &Path) -> Result<Vec<u8>, ToolError> {
    let failed = |source| ToolError::File { path: path.to_owned(), source };
    let limit = u64::try_from(winevent::subscription::MAX_TEXT.saturating_mul(2)).unwrap_or(u64::MAX);
    let mut content = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(limit).read_to_end(&mut content).map_err(failed)?;
    Ok(content)
}

/// Checks a subscription beyond the rules of its file: the collector must support it, and its query must be valid.
fn require_usable(subscription: &Subscription) -> Result<(), ToolError> {
    if subscription.kind == SubscriptionType::SourceInitiated
        && subscription.delivery.mode == DeliveryMode::Pull
    {
        let problem = "a source-initiated subscription has the delivery mode Push";
        return Err(ToolError::Invalid(problem.to_owned()));
    }
    if subscription.dialect == EVENT_QUERY_DIALECT {
        QueryList::parse(&subscription.query).map_err(ToolError::Query)?;
    }
    Ok(())
}

/// Lets the collector read the subscription again. It connects to the sources of a collector-initiated one; other sources
/// connect by themselves.
fn retry(
    places: &Places,
    name: &str,
    sources: &[String],
    streams: &mut Streams<'_>,
) -> Result<(), ToolError> {
    let subscription = find(&places.subscriptions, name)?;
    if !subscription.enabled {
        return Err(ToolError::Disabled(subscription.id.to_string()));
    }
    // Fails if one of the sources is unknown.
    runtime_status::read(places, &subscription, sources)?;
    places.subscriptions.update::<ToolError>(name, |_| Ok(()))?;
    let effect = match subscription.kind {
        SubscriptionType::SourceInitiated => "Sources connect at the interval Refresh of their policy.",
        SubscriptionType::CollectorInitiated => "It connects to all sources that have failed.",
    };
    writeln!(streams.errors, "The collector reads the subscription again. {effect}")?;
    Ok(())
}

/// Returns the text in UTF-16 with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}
