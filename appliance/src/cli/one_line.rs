//! Each event of the log is one line, whatever stands in it: nobody writes a second one by a name with a line break.

use std::io::{self, Write};

/// Hands on each event, which comes in one piece and ends with a line break, with all others in it escaped.
pub(super) struct OneLine<W>(pub(super) W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&escaped(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Escape stays, for the colours of a terminal; in what is logged the subscriber escapes it itself.
fn escaped(event: &[u8]) -> Vec<u8> {
    let (line, end) = event.strip_suffix(b"\n").map_or((event, &b""[..]), |line| (line, b"\n"));
    let mut out = Vec::with_capacity(event.len());
    for byte in line {
        match byte {
            0x1b | b'\t' => out.push(*byte),
            0x00..=0x1f | 0x7f => out.extend(byte.escape_ascii()),
            _ => out.push(*byte),
        }
    }
    out.extend_from_slice(end);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_an_event_makes_no_second_line() {
        let mut out = Vec::new();
        let forged = "INFO asked by kim\n2026-01-01T00:00:00Z INFO signed in as root\r\0\u{7f} 가\n";
        OneLine(&mut out).write_all(forged.as_bytes()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "INFO asked by kim\\n2026-01-01T00:00:00Z INFO signed in as root\\r\\x00\\x7f 가\n");
    }

    #[test]
    fn what_the_subscriber_writes_of_a_forged_value_is_one_line() {
        let lines = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let sink = lines.clone();
        struct Sink(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let writer = move || OneLine(Sink(sink.clone()));
        let subscriber = tracing_subscriber::fmt().with_writer(writer).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(name = %"kim\nINFO forged", "asked by {}", "lee\r\nERROR forged \u{1b}[31m");
        });
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.ends_with('\n') && !text.contains('\u{1b}'), "{text}");
        let stamp = text.split_whitespace().next().unwrap();
        assert!(stamp.ends_with('Z') && stamp.parse::<jiff::Timestamp>().is_ok(), "UTC: {stamp}");
    }
}
