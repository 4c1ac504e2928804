//! When something occurred: `xs:dateTime` and `xs:date` (XML Schema part 2, sections 3.2.7 and
//! 3.2.9) and RFC 3339.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;

use super::Occurred;

/// Reads a date with a time, or a date alone; either with `Z`, an offset or neither, which is UTC.
/// `None` for anything else.
pub(super) fn parse(text: &str) -> Option<Occurred> {
    let text = text.trim();
    let date = date(text.get(..10)?)?;
    let rest = &text[10..];
    let (time, zone) = match rest.bytes().next() {
        Some(b'T' | b't' | b' ') => split_time(&rest[1..])?,
        _ => (None, rest),
    };
    let (clock, next_day) = match time {
        Some(time) => self::time(time)?,
        None => (Time::midnight(), false),
    };
    let local = DateTime::from_parts(date, clock);
    let local = if next_day { local.checked_add(SignedDuration::from_hours(24)).ok()? } else { local };
    let at = Offset::from_seconds(offset(zone)?).ok()?.to_timestamp(local).ok()?;
    Some(Occurred { at, has_time: time.is_some() })
}

/// Splits `hh:mm:ss[.f…]` from what follows.
fn split_time(text: &str) -> Option<(Option<&str>, &str)> {
    let end = text.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b':' | b'.')).unwrap_or(text.len());
    Some((Some(&text[..end]), &text[end..])).filter(|_| end > 0)
}

fn date(text: &str) -> Option<Date> {
    let [year, month, day] = numbers(text, '-', [4, 2, 2])?;
    Date::new(year as i16, month as i8, day as i8).ok()
}

/// The time of day, and whether it is the midnight that ends the day.
fn time(text: &str) -> Option<(Time, bool)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, nanoseconds(fraction)?),
        None => (text, 0),
    };
    let [hour, minute, second] = numbers(whole, ':', [2, 2, 2])?;
    if hour == 24 {
        return (minute == 0 && second == 0 && fraction == 0).then_some((Time::midnight(), true));
    }
    // RFC 3339 has leap seconds, which no clock here has.
    let second = if second == 60 { 59 } else { second };
    Time::new(hour as i8, minute as i8, second as i8, fraction).ok().map(|time| (time, false))
}

fn nanoseconds(digits: &str) -> Option<i32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}")[..9].parse().ok()
}

/// The offset from UTC in seconds.
fn offset(zone: &str) -> Option<i32> {
    let sign = match zone.bytes().next() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (zone.len() == 1).then_some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let [hours, minutes] = numbers(&zone[1..], ':', [2, 2])?;
    let total = (hours * 60 + minutes) as i32;
    (minutes < 60 && total <= 14 * 60).then_some(sign * total * 60)
}

/// Numbers of exactly these widths with a separator between them.
fn numbers<const N: usize>(text: &str, separator: char, widths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; N];
    for (number, width) in numbers.iter_mut().zip(widths) {
        let digits = parts.next()?;
        if digits.len() != width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = digits.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read() {
        let table = [
            ("2026-04-09T14:30:00Z", "2026-04-09T14:30:00Z", true),
            (" 2026-04-09t14:30:00z\n", "2026-04-09T14:30:00Z", true),
            ("2026-04-09 14:30:00", "2026-04-09T14:30:00Z", true),
            ("2020-10-06T01:48:50.263-07:00", "2020-10-06T08:48:50.263Z", true),
            ("2026-01-01T00:30:00.1234567891+14:00", "2025-12-31T10:30:00.123456789Z", true),
            ("2025-12-31T24:00:00", "2026-01-01T00:00:00Z", true),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z", true),
            ("2015-07-28-07:00", "2015-07-28T07:00:00Z", false),
            ("2015-07-28+02:00", "2015-07-27T22:00:00Z", false),
            ("2015-07-28Z", "2015-07-28T00:00:00Z", false),
            ("2015-07-28", "2015-07-28T00:00:00Z", false),
        ];
        for (text, at, has_time) in table {
            assert_eq!(parse(text), Some(Occurred { at: at.parse().unwrap(), has_time }), "{text}");
        }
    }

    #[test]
    fn garbage_is_not() {
        for text in [
            "",
            "now",
            "2026-04-09T",
            "2026-04-09T14:30Z",
            "2026-4-9T14:30:00Z",
            "2026-02-30T14:30:00Z",
            "2026-04-09T25:00:00Z",
            "2026-04-09T24:00:01Z",
            "2026-04-09T14:30:00.Z",
            "2026-04-09T14:30:00+1:00",
            "2026-04-09T14:30:00+15:00",
            "2026-04-09T14:30:00+01:60",
            "2026-04-09T14:30:00Zx",
            "09.04.2026",
            "-2026-04-09",
            "20260409T143000Z",
            "2026-04-0９",
            "9999-12-31T24:00:00Z",
            "0000-00-00",
            "1775745000",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
