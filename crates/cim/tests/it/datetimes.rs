//! Points in time and intervals, compared with counting single days.

use telarch_cim::{DateTime, Interval, Timestamp};

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;

#[test]
fn days_of_ten_thousand_years_are_consecutive() {
    // 0000-01-01, in days before 1970, in the proleptic Gregorian calendar.
    let mut days = -719_528_i64;
    for year in 0..10_000 {
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if is_leap { 29 } else { 28 };
        for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            // Days at which something changes: for every year, those of the month with a variable length.
            let days_of_month: &[i64] = if month == 2 || year % 50 == 0 { &[1, 28, 29, 30, 31] } else { &[] };
            for day in days_of_month {
                let text = format!("{year:04}{month:02}{day:02}000000.000000+000");
                let read = DateTime::parse(&text);
                if *day > length {
                    assert!(read.is_err(), "{text} is not a date");
                    continue;
                }
                let micros = (days + day - 1) * DAY;
                let expected = DateTime::Timestamp(Timestamp::from_unix_micros(micros, 0).unwrap());
                assert_eq!(read, Ok(expected), "{text}");
                assert_eq!(expected.to_string(), text);
            }
            days += length;
        }
    }
    assert_eq!(days, 2_932_897, "0000-01-01 to 10000-01-01");
    assert_eq!(Timestamp::from_unix_micros(days * DAY, 0), None);
    assert_eq!(Timestamp::from_unix_micros(-719_528 * DAY - 1, 0), None);
}

#[test]
fn a_time_is_independent_of_its_offset() {
    for micros in
        [0, 1, -1, 999_999, -DAY - 1, 1_365_956_923_488_171, 253_402_214_400_000_000, -62_135_596_800_000_000]
    {
        for offset in (-999..=999).step_by(37).chain([-999, -60, -1, 0, 1, 60, 999]) {
            let Some(moment) = Timestamp::from_unix_micros(micros, offset) else { continue };
            let text = DateTime::Timestamp(moment).to_string();
            assert_eq!(DateTime::parse(&text), Ok(DateTime::Timestamp(moment)), "{text}");
            // With an offset further west, the same digits are a later time.
            let west = format!("{}{}", text.get(..21).unwrap(), "-030");
            let Ok(DateTime::Timestamp(west)) = DateTime::parse(&west) else {
                panic!("{west} cannot be read")
            };
            assert_eq!(west.unix_micros() - moment.unix_micros(), i64::from(offset + 30) * MINUTE, "{text}");
            let mut xml = String::new();
            moment.write_xml(&mut xml);
            assert_eq!(DateTime::parse_lenient(&xml, 7), Ok(DateTime::Timestamp(moment)), "{xml}");
        }
    }
}

#[test]
fn intervals_are_the_sum_of_their_fields() {
    let second = 1_000_000_u64;
    for (days, hours, minutes, seconds, fraction) in [
        (0, 0, 0, 0, 0),
        (0, 0, 0, 0, 1),
        (0, 0, 0, 59, 999_999),
        (0, 23, 59, 0, 100_000),
        (1, 0, 0, 0, 0),
        (365, 5, 48, 46, 10),
        (99_999_999, 23, 59, 59, 999_999),
    ] {
        let micros = (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * second + fraction;
        let interval = Interval::from_micros(micros).unwrap();
        let text = format!("{days:08}{hours:02}{minutes:02}{seconds:02}.{fraction:06}:000");
        assert_eq!(DateTime::Interval(interval).to_string(), text);
        assert_eq!(DateTime::parse(&text), Ok(DateTime::Interval(interval)));
        let mut xml = String::new();
        interval.write_xml(&mut xml);
        assert_eq!(DateTime::parse_lenient(&xml, 0), Ok(DateTime::Interval(interval)), "{xml}");
    }
    assert_eq!(Interval::from_micros(Interval::MAX + 1), None);
}
