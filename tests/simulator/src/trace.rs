//! The box's own log lines, put into the trace at their simulated time.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::book::Book;

/// From here on every warning of the box is a line of the trace.
pub(crate) fn listen(book: &Book) {
    let log = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::WARN)
        .with_writer(Lines(book.clone()))
        .finish();
    // One process lives one seed, so nobody else has set it.
    let _ = tracing::subscriber::set_global_default(log);
}

struct Lines(Book);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(self.0.clone())
    }
}

struct Line(Book);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.tell(format!("box: {}", String::from_utf8_lossy(bytes).trim()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
