//! The wall clock, for what is written down and shown. What is measured uses the runtime's clock.

/// Milliseconds since 1970, by whatever clock the box has.
pub(crate) fn unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
