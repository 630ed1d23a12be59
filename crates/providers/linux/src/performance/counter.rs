//! Counter types, and values computed from readings.

/// Frequency of all time bases: units of 100 ns per second.
pub(crate) const FREQUENCY: u64 = 10_000_000;

/// A point in time, in units of 100 ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Time since boot, including sleep.
    pub(crate) since_boot: u64,
    /// Time since 1601 in UTC.
    pub(crate) file_time: u64,
}

/// A counter of an object.
pub(crate) struct Counter<I> {
    /// Name of the property.
    pub(crate) name: &'static str,
    /// Type of the counter.
    pub(crate) kind: Kind,
    /// Returns the value; `None` if Linux does not count it.
    pub(crate) value: Read<I>,
    /// Returns the base, for types that are divided by a count.
    pub(crate) base: Read<I>,
}

/// Function that reads a number from a reading.
pub(crate) type Read<I> = fn(&I) -> Option<u64>;

/// Counter type; the names of the Windows types are in parentheses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A current number (RAWCOUNT).
    Number,
    /// A count; formatted as rate per second (COUNTER, BULK_COUNT).
    Rate,
    /// A duration; formatted as percentage of elapsed time (100NSEC_TIMER).
    Timer,
    /// The complement of a duration; formatted as percentage of elapsed time (100NSEC_TIMER_INV).
    InverseTimer,
    /// Like [`Kind::Timer`], with the elapsed time as base (PRECISION_100NS_TIMER).
    PrecisionTimer,
    /// Total waiting time of all requests; formatted as average queue length (COUNTER_100NS_QUEUELEN_TYPE).
    QueueLength,
    /// Start time since boot; formatted as seconds since then (ELAPSED_TIME).
    Elapsed,
    /// An amount with the number of operations as base; formatted as average per operation (AVERAGE_BULK).
    Average,
    /// A duration with the number of operations as base; formatted as average in seconds (AVERAGE_TIMER).
    AverageTime,
    /// A part with the whole as base; formatted as percentage (RAW_FRACTION).
    Fraction,
}

impl Kind {
    /// Returns whether its formatted value needs two readings.
    pub(crate) fn needs_two(self) -> bool {
        !matches!(self, Self::Number | Self::Elapsed | Self::Fraction)
    }

    /// Returns whether the raw class has a second property for its base.
    #[cfg(test)]
    pub(crate) fn has_base(self) -> bool {
        matches!(self, Self::PrecisionTimer | Self::Average | Self::AverageTime | Self::Fraction)
    }
}

/// A value and its base at one time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) value: u64,
    pub(crate) base: u64,
}

/// Returns the formatted value from two readings; types that need only one use the later.
pub(crate) fn formatted(
    kind: Kind,
    (before, then): (Reading, Moment),
    (after, now): (Reading, Moment),
) -> f64 {
    let elapsed = now.since_boot.saturating_sub(then.since_boot);
    // A counter that has decreased was reset in between.
    let counted = after.value.checked_sub(before.value).unwrap_or(after.value);
    let times = after.base.checked_sub(before.base).unwrap_or(after.base);
    match kind {
        Kind::Number => float(after.value),
        Kind::Rate => ratio(counted, elapsed) * float(FREQUENCY),
        Kind::Timer | Kind::PrecisionTimer => ratio(counted, elapsed) * 100.0,
        Kind::InverseTimer => (1.0 - ratio(counted, elapsed)).clamp(0.0, 1.0) * 100.0,
        Kind::QueueLength => ratio(counted, elapsed),
        Kind::Elapsed => ratio(now.since_boot.saturating_sub(after.value), FREQUENCY),
        Kind::Average => ratio(counted, times),
        Kind::AverageTime => ratio(counted, times) / float(FREQUENCY),
        Kind::Fraction => ratio(after.value, after.base) * 100.0,
    }
}

/// Returns the values of a reading in the raw class.
pub(crate) fn raw(kind: Kind, reading: Reading, now: Moment) -> Reading {
    match kind {
        // Clients subtract it from the object time, which is in file time.
        Kind::Elapsed => {
            let ago = now.since_boot.saturating_sub(reading.value);
            Reading { value: now.file_time.saturating_sub(ago), ..reading }
        }
        Kind::PrecisionTimer => Reading { base: now.file_time, ..reading },
        _ => reading,
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// Converts to floating point, possibly rounded.
#[expect(clippy::cast_precision_loss, reason = "counters are shown with fewer digits")]
fn float(number: u64) -> f64 {
    number as f64
}

/// The constructors are named after the counter types; their functions read the values.
impl<I> Counter<I> {
    const fn of(name: &'static str, kind: Kind, value: Read<I>) -> Self {
        Self { name, kind, value, base: none }
    }

    pub(crate) const fn number(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::Number, value)
    }

    pub(crate) const fn rate(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::Rate, value)
    }

    pub(crate) const fn timer(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::Timer, value)
    }

    pub(crate) const fn inverse_timer(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::InverseTimer, value)
    }

    pub(crate) const fn precision_timer(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::PrecisionTimer, value)
    }

    pub(crate) const fn queue_length(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::QueueLength, value)
    }

    pub(crate) const fn elapsed(name: &'static str, value: Read<I>) -> Self {
        Self::of(name, Kind::Elapsed, value)
    }

    pub(crate) const fn average(name: &'static str, value: Read<I>, base: Read<I>) -> Self {
        Self { name, kind: Kind::Average, value, base }
    }

    pub(crate) const fn average_time(name: &'static str, value: Read<I>, base: Read<I>) -> Self {
        Self { name, kind: Kind::AverageTime, value, base }
    }

    pub(crate) const fn fraction(name: &'static str, value: Read<I>, base: Read<I>) -> Self {
        Self { name, kind: Kind::Fraction, value, base }
    }

    /// Creates a counter that Linux does not provide.
    pub(crate) const fn unknown(name: &'static str, kind: Kind) -> Self {
        Self::of(name, kind, none)
    }
}

fn none<I>(_: &I) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a formatted value from readings two seconds apart.
    fn cook(kind: Kind, before: (u64, u64), after: (u64, u64)) -> f64 {
        let reading = |(value, base)| Reading { value, base };
        let then = Moment { since_boot: 50 * FREQUENCY, file_time: 900 * FREQUENCY };
        let now = Moment { since_boot: 52 * FREQUENCY, file_time: 902 * FREQUENCY };
        formatted(kind, (reading(before), then), (reading(after), now))
    }

    #[track_caller]
    fn near(found: f64, wanted: f64) {
        assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
    }

    #[test]
    fn two_samples_yield_the_values_of_windows() {
        near(cook(Kind::Number, (7, 0), (9, 0)), 9.0);
        near(cook(Kind::Rate, (100, 0), (300, 0)), 100.0);
        near(cook(Kind::Timer, (0, 0), (FREQUENCY, 0)), 50.0);
        near(cook(Kind::InverseTimer, (0, 0), (FREQUENCY / 2, 0)), 75.0);
        near(cook(Kind::PrecisionTimer, (0, 0), (FREQUENCY / 2, 0)), 25.0);
        near(cook(Kind::QueueLength, (0, 0), (6 * FREQUENCY, 0)), 3.0);
        near(cook(Kind::Elapsed, (0, 0), (12 * FREQUENCY, 0)), 40.0);
        near(cook(Kind::Average, (1_000, 10), (9_000, 12)), 4_000.0);
        near(cook(Kind::AverageTime, (0, 10), (FREQUENCY, 14)), 0.25);
        near(cook(Kind::Fraction, (0, 0), (30, 40)), 75.0);
    }

    #[test]
    fn counters_handle_zero_intervals_and_restarts() {
        near(cook(Kind::Average, (1_000, 10), (9_000, 10)), 0.0);
        near(cook(Kind::Fraction, (0, 0), (30, 0)), 0.0);
        near(cook(Kind::Rate, (1_000, 0), (40, 0)), 20.0);
        near(cook(Kind::InverseTimer, (0, 0), (9 * FREQUENCY, 0)), 0.0);
    }

    #[test]
    fn event_reports_the_creation_time_of_its_object() {
        let now = Moment { since_boot: 52 * FREQUENCY, file_time: 902 * FREQUENCY };
        let boot = raw(Kind::Elapsed, Reading::default(), now);
        assert_eq!((now.file_time - boot.value) / FREQUENCY, 52, "clients compute the time since boot so");
    }
}
