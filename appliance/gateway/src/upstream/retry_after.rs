//! How long an upstream asks to be left alone.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, header};

use crate::clock;

/// Nothing sensible asks for more; what it is held to is decided elsewhere.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads `retry-after-ms`, which OpenAI and Azure send beside it, and `Retry-After` as seconds or as a date. A date is
/// held against the one that the upstream itself gives: the box's clock may be wrong.
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok().filter(|number| *number >= 0.0);
    let seconds = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST).min(LONGEST);
    if let Some(pause) = number("retry-after-ms").map(|ms| ms / 1000.0).or_else(|| number("retry-after")) {
        return Some(seconds(pause));
    }
    let date = |name: &str| httpdate::parse_http_date(text(name)?).ok()?.duration_since(UNIX_EPOCH).ok();
    let until = date(header::RETRY_AFTER.as_str())?;
    let now = date(header::DATE.as_str())
        .unwrap_or_else(|| Duration::from_millis(u64::try_from(clock::unix_ms()).unwrap_or_default()));
    Some(until.saturating_sub(now).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause(headers: &[(&'static str, &'static str)]) -> Option<f64> {
        let headers =
            headers.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect();
        of(&headers).map(|pause| pause.as_secs_f64())
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nonsense_is_no_time() {
        let (later, now) = ("Wed, 21 Oct 2026 07:28:07 GMT", "Wed, 21 Oct 2026 07:28:00 GMT");
        let table: [(&[_], Option<f64>); 12] = [
            (&[], None),
            (&[("retry-after", "2")], Some(2.0)),
            (&[("retry-after", " 0.5 ")], Some(0.5)),
            (&[("retry-after", "2"), ("retry-after-ms", "1500")], Some(1.5)),
            (&[("retry-after", "-3")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "99999999999999999999999")], Some(86_400.0)),
            (&[("retry-after", "inf")], Some(86_400.0)),
            (&[("retry-after", later), ("date", now)], Some(7.0)),
            (&[("retry-after", now), ("date", later)], Some(0.0)),
            (&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], Some(0.0)),
        ];
        for (headers, expected) in table {
            assert_eq!(pause(headers), expected, "{headers:?}");
        }
    }
}
