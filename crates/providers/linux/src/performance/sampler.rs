//! The last two samples of an object.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use wmi::ProviderError;

use super::counter::{FREQUENCY, Moment};
use super::object::{Instance, Object};
use crate::Machine;

/// Nearer to each other two samples say nothing.
const APART: u64 = FREQUENCY;

/// Older than this, a sample says nothing about now.
const FRESH: u64 = 60 * FREQUENCY;

/// Everything of one object at one moment.
#[derive(Debug)]
pub(crate) struct Sample<R> {
    pub(crate) at: Moment,
    pub(crate) instances: Vec<Instance<R>>,
}

impl<R> Sample<R> {
    pub(crate) fn take<O: Object<Reading = R>>(machine: &Machine) -> io::Result<Arc<Self>> {
        let instances = O::read(machine)?;
        Ok(Arc::new(Self { at: now(), instances }))
    }
}

/// Two samples that say something about the time between them.
pub(crate) struct Pair<R> {
    pub(crate) before: Arc<Sample<R>>,
    pub(crate) after: Arc<Sample<R>>,
    /// Where each instance of the later one is in the earlier one.
    places: Vec<Option<usize>>,
}

impl<R> Pair<R> {
    pub(crate) fn new(before: Arc<Sample<R>>, after: Arc<Sample<R>>) -> Self {
        let places = if Arc::ptr_eq(&before, &after) {
            (0..after.instances.len()).map(Some).collect()
        } else {
            let known: HashMap<_, _> = before
                .instances
                .iter()
                .enumerate()
                .map(|(place, instance)| (instance.sameness(), place))
                .collect();
            after.instances.iter().map(|instance| known.get(&instance.sameness()).copied()).collect()
        };
        Self { before, after, places }
    }

    /// Each instance of the later sample, with what it was in the earlier one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Instance<R>, Option<&R>)> {
        let before = |place: &Option<usize>| Some(&self.before.instances.get((*place)?)?.reading);
        self.after.instances.iter().zip(self.places.iter().map(before))
    }
}

/// Keeps the last samples, so that who asks every few seconds never waits.
#[derive(Debug)]
pub(crate) struct Sampler<R> {
    kept: Mutex<Kept<R>>,
}

#[derive(Debug)]
struct Kept<R> {
    before: Option<Arc<Sample<R>>>,
    after: Option<Arc<Sample<R>>>,
}

impl<R> Default for Sampler<R> {
    fn default() -> Self {
        Self { kept: Mutex::new(Kept { before: None, after: None }) }
    }
}

impl<R> Sampler<R> {
    /// The last two samples, the later one not older than a second.
    ///
    /// Who is the first to ask for a minute waits for a second.
    pub(crate) fn pair<O: Object<Reading = R>>(
        &self,
        machine: &Machine,
        go_on: &dyn Fn() -> Result<(), ProviderError>,
    ) -> Result<Pair<R>, ProviderError> {
        // Others who ask meanwhile want the same, so they wait for it.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let age = |sample: &Arc<Sample<R>>| now().since_boot.saturating_sub(sample.at.since_boot);
        if let (Some(before), Some(after)) = (&kept.before, &kept.after)
            && age(after) < APART
        {
            return Ok(Pair::new(before.clone(), after.clone()));
        }
        let before = match kept.after.take().filter(|sample| age(sample) < FRESH) {
            Some(sample) => sample,
            None => Sample::take::<O>(machine).map_err(|error| O::unreadable(&error))?,
        };
        while age(&before) < APART {
            go_on()?;
            let rest = Duration::from_nanos((APART - age(&before).min(APART)) * 100);
            thread::sleep(rest.min(Duration::from_millis(50)));
        }
        let after = Sample::take::<O>(machine).map_err(|error| O::unreadable(&error))?;
        *kept = Kept { before: Some(before.clone()), after: Some(after.clone()) };
        Ok(Pair::new(before, after))
    }
}

/// What the clocks show.
pub(crate) fn now() -> Moment {
    /// Seconds from 1601 to 1970.
    const BEFORE_UNIX: u64 = 11_644_473_600;
    let boot = clock_gettime(ClockId::Boottime);
    let ticks =
        |seconds: u64, nanoseconds: u32| seconds.saturating_mul(FREQUENCY) + u64::from(nanoseconds / 100);
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment {
        since_boot: ticks(
            u64::try_from(boot.tv_sec).unwrap_or_default(),
            u32::try_from(boot.tv_nsec).unwrap_or_default(),
        ),
        file_time: ticks(unix.as_secs().saturating_add(BEFORE_UNIX), unix.subsec_nanos()),
    }
}
