//! Server-sent events: bytes as they come from a socket, events as they are meant.
//!
//! Source of the format: the HTML standard, section 9.2 "Server-sent events".

use std::mem;

/// Takes bytes in any cut and gives back whole events.
#[derive(Debug)]
pub struct Decoder {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_return: bool,
    is_first_line: bool,
    max_event_bytes: usize,
}

/// The mark of UTF-8 that some senders put before everything; it is no part of the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An event grew over the decoder's limit: the sender is not to be trusted further.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is longer than {max_event_bytes} bytes")]
pub struct TooLong {
    pub max_event_bytes: usize,
}

impl Decoder {
    pub fn new(max_event_bytes: usize) -> Self {
        Decoder {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            after_return: false,
            is_first_line: true,
            max_event_bytes,
        }
    }

    /// Adds bytes and appends the `data` of each event that they complete to `events`.
    ///
    /// # Errors
    /// When an event passes the limit; the decoder is then of no further use.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Vec<u8>>) -> Result<(), TooLong> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            if mem::take(&mut self.after_return) && first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let end = rest.iter().position(|&b| b == b'\n' || b == b'\r');
            self.line.extend_from_slice(&rest[..end.unwrap_or(rest.len())]);
            if self.line.len() + self.data.len() > self.max_event_bytes {
                return Err(TooLong { max_event_bytes: self.max_event_bytes });
            }
            let Some(end) = end else { return Ok(()) };
            self.after_return = rest[end] == b'\r';
            rest = &rest[end + 1..];
            self.end_line(events);
        }
        Ok(())
    }

    /// Appends what stands without its empty line at the end of the stream. The standard has it dropped, because it may
    /// be half of an event; who can tell a whole one by itself need not lose the last word of a careless sender.
    pub fn end(&mut self, events: &mut Vec<Vec<u8>>) {
        if !self.line.is_empty() {
            self.end_line(events);
        }
        self.end_line(events);
    }

    fn end_line(&mut self, events: &mut Vec<Vec<u8>>) {
        if mem::take(&mut self.is_first_line) && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        if self.line.is_empty() {
            if mem::take(&mut self.has_data) {
                events.push(mem::take(&mut self.data));
            }
        } else if let Some(value) = self.line.strip_prefix(b"data:") {
            if mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        self.line.clear();
    }
}

/// One event of the wire: `data: …` and the empty line that ends it.
pub fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 8);
    for line in data.split(|&b| b == b'\n') {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(pieces: &[&[u8]]) -> Vec<String> {
        let (mut decoder, mut events) = (Decoder::new(1024), Vec::new());
        for piece in pieces {
            decoder.push(piece, &mut events).expect("within the limit");
        }
        events.into_iter().map(|e| String::from_utf8(e).expect("text")).collect()
    }

    #[test]
    fn events_are_whole_wherever_the_bytes_are_cut() {
        let wire = "data: {\"a\":1}\n\n: a comment\nevent: x\ndata: 한글\r\ndata:two\r\n\r\ndata: [DONE]\n\n"
            .as_bytes();
        let whole = decode(&[wire]);
        assert_eq!(whole, ["{\"a\":1}", "한글\ntwo", "[DONE]"]);
        for cut in 0..wire.len() {
            assert_eq!(decode(&[&wire[..cut], &wire[cut..]]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn an_event_without_its_empty_line_has_not_come_yet() {
        assert!(decode(&[b"data: half\n"]).is_empty());
    }

    #[test]
    fn what_stands_at_the_end_of_the_stream_can_be_had() {
        for wire in ["data: one\n\ndata: last", "data: one\n\ndata: last\n", "data: one\n\ndata: last\n\n"] {
            let (mut decoder, mut events) = (Decoder::new(1024), Vec::new());
            decoder.push(wire.as_bytes(), &mut events).expect("within the limit");
            decoder.end(&mut events);
            assert_eq!(events, [b"one".to_vec(), b"last".to_vec()], "{wire:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_does_not_swallow_the_first_event() {
        let wire = "\u{feff}data: first\n\ndata: second\n\n".as_bytes();
        for cut in 0..wire.len() {
            assert_eq!(decode(&[&wire[..cut], &wire[cut..]]), ["first", "second"], "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let (mut decoder, mut events) = (Decoder::new(16), Vec::new());
        assert!(decoder.push(&[b'x'; 17], &mut events).is_err());
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        assert_eq!(decode(&[&encode(b"one\ntwo")]), ["one\ntwo"]);
    }
}
