//! What a counter counts, and what two readings of it say.

/// Hundreds of nanoseconds in a second: the frequency of all time bases here.
pub(crate) const FREQUENCY: u64 = 10_000_000;

/// A point in time, in hundreds of nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Since boot, sleep included.
    pub(crate) since_boot: u64,
    /// Since 1601, UTC.
    pub(crate) file_time: u64,
}

/// One number of a counted thing.
pub(crate) struct Counter<I> {
    /// The property.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) kind: Kind,
    /// What has been counted; `None` if Linux does not count it.
    pub(crate) value: Read<I>,
    /// What it is divided by, of kinds that are divided by a count.
    pub(crate) base: Read<I>,
}

/// Finds a number in a reading.
pub(crate) type Read<I> = fn(&I) -> Option<u64>;

/// What a counter's number means; the names of Windows' types are in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// How many there are now (RAWCOUNT).
    Number,
    /// How many there have been; formatted, in a second (COUNTER, BULK_COUNT).
    Rate,
    /// How long something has lasted; formatted, percent of the time (100NSEC_TIMER).
    Timer,
    /// How long something has not lasted; formatted, percent of the time it has (100NSEC_TIMER_INV).
    InverseTimer,
    /// The same as [`Kind::Timer`], with the time it is held against as its base (PRECISION_100NS_TIMER).
    PrecisionTimer,
    /// Time waited by all who waited; formatted, how many waited on average (COUNTER_100NS_QUEUELEN_TYPE).
    QueueLength,
    /// When it began, since boot; formatted, seconds since then (ELAPSED_TIME).
    Elapsed,
    /// An amount with the number of times as its base; formatted, each time (AVERAGE_BULK).
    Average,
    /// The same of a duration; formatted, in seconds (AVERAGE_TIMER).
    AverageTime,
    /// A part with the whole as its base; formatted, in percent (RAW_FRACTION).
    Fraction,
}

impl Kind {
    /// Whether it says something only of what was between two readings.
    pub(crate) fn needs_two(self) -> bool {
        !matches!(self, Self::Number | Self::Elapsed | Self::Fraction)
    }

    /// Whether its raw class has a second property for its base.
    pub(crate) fn has_base(self) -> bool {
        matches!(self, Self::PrecisionTimer | Self::Average | Self::AverageTime | Self::Fraction)
    }
}

/// A number and its base, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) value: u64,
    pub(crate) base: u64,
}

/// What two readings of a counter say; of kinds that need one, what the later one says.
pub(crate) fn formatted(
    kind: Kind,
    (before, then): (Reading, Moment),
    (after, now): (Reading, Moment),
) -> f64 {
    let elapsed = now.since_boot.saturating_sub(then.since_boot);
    // A counter that went back was set to zero in between.
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

/// What a reading says in a raw class.
pub(crate) fn raw(kind: Kind, reading: Reading, now: Moment) -> Reading {
    match kind {
        // Clients subtract it from the time of the object, which is told since 1601.
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

/// As near as a floating point number comes.
#[expect(clippy::cast_precision_loss, reason = "counters are shown with fewer digits")]
fn float(number: u64) -> f64 {
    number as f64
}

/// The constructors name what is counted; each takes where it is read.
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

    /// One that Linux does not keep.
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

    /// Two seconds between the readings.
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
    fn two_readings_say_what_windows_would_say() {
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
    fn nothing_is_divided_by_zero_and_a_counter_that_restarts_is_not_negative() {
        near(cook(Kind::Average, (1_000, 10), (9_000, 10)), 0.0);
        near(cook(Kind::Fraction, (0, 0), (30, 0)), 0.0);
        near(cook(Kind::Rate, (1_000, 0), (40, 0)), 20.0);
        near(cook(Kind::InverseTimer, (0, 0), (9 * FREQUENCY, 0)), 0.0);
    }

    #[test]
    fn a_beginning_is_told_in_the_time_of_its_object() {
        let now = Moment { since_boot: 52 * FREQUENCY, file_time: 902 * FREQUENCY };
        let boot = raw(Kind::Elapsed, Reading::default(), now);
        assert_eq!((now.file_time - boot.value) / FREQUENCY, 52, "clients compute the time since boot so");
    }
}
