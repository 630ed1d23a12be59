//! Keeps the last two samples of an object.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use locks::Mutex;
use rustix::time::{ClockId, clock_gettime};
use wmi::ProviderError;

use super::counter::{FREQUENCY, Moment};
use super::object::{Instance, Object};
use crate::Machine;

/// Minimum time between two samples; rates over a shorter time are meaningless.
const APART: u64 = FREQUENCY;

/// Maximum age of the earlier sample; rates over a longer time do not describe the present.
const FRESH: u64 = 60 * FREQUENCY;

/// Readings of all instances of an object at one time.
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

    fn age(&self) -> u64 {
        now().since_boot.saturating_sub(self.at.since_boot)
    }
}

/// Two samples between which rates can be computed.
pub(crate) struct Pair<R> {
    pub(crate) before: Arc<Sample<R>>,
    pub(crate) after: Arc<Sample<R>>,
    /// Position of each instance of the later sample in the earlier one.
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

    /// Returns each instance of the later sample with its reading in the earlier one, if it existed then.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Instance<R>, Option<&R>)> {
        self.after
            .instances
            .iter()
            .zip(self.places.iter().map(|place| Some(&self.before.instances.get((*place)?)?.reading)))
    }
}

/// Keeps the last samples, so that clients that poll every few seconds never wait.
#[derive(Debug)]
pub(crate) struct Sampler<R> {
    last: Mutex<LastSamples<R>>,
}

#[derive(Debug)]
struct LastSamples<R> {
    before: Option<Arc<Sample<R>>>,
    after: Option<Arc<Sample<R>>>,
}

impl<R> Default for Sampler<R> {
    fn default() -> Self {
        Self { last: Mutex::new(LastSamples { before: None, after: None }) }
    }
}

impl<R> Sampler<R> {
    /// Returns the last two samples; the later one is at most a second old.
    ///
    /// Waits for a second if no sample was taken during the last minute.
    pub(crate) fn pair<O: Object<Reading = R>>(
        &self,
        machine: &Machine,
        go_on: &dyn Fn() -> Result<(), ProviderError>,
    ) -> Result<Pair<R>, ProviderError> {
        // Concurrent callers need the same samples, so they wait for the lock.
        let mut last = self.last.lock();
        if let (Some(before), Some(after)) = (&last.before, &last.after)
            && after.age() < APART
        {
            return Ok(Pair::new(before.clone(), after.clone()));
        }
        let before = match last.after.take().filter(|sample| sample.age() < FRESH) {
            Some(sample) => sample,
            None => Sample::take::<O>(machine).map_err(|error| O::unreadable(&error))?,
        };
        while before.age() < APART {
            go_on()?;
            let rest = Duration::from_nanos((APART - before.age().min(APART)) * 100);
            thread::sleep(rest.min(Duration::from_millis(50)));
        }
        let after = Sample::take::<O>(machine).map_err(|error| O::unreadable(&error))?;
        *last = LastSamples { before: Some(before.clone()), after: Some(after.clone()) };
        Ok(Pair::new(before, after))
    }
}

/// Returns the current time of both clocks.
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
