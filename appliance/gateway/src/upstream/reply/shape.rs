//! What an answer is, by its first bytes.

/// The shapes that an answer with status 200 may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Events,
    Json,
    Page,
}

/// How lines of an event stream begin.
const FIELDS: [&[u8]; 5] = [b"data", b"event", b"id", b"retry", b":"];

impl Shape {
    /// `None` while the bytes are too few to tell. `is_called_page`: a type above them says that they are a web page.
    pub(super) fn of(head: &[u8], is_called_page: bool) -> Option<Shape> {
        let start = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head).trim_ascii_start();
        match start.first()? {
            b'{' | b'[' => Some(Shape::Json),
            b'<' => Some(Shape::Page),
            _ if !is_called_page || FIELDS.iter().any(|field| start.starts_with(field)) => {
                Some(Shape::Events)
            }
            _ if FIELDS.iter().any(|field| field.starts_with(start)) => None,
            _ => Some(Shape::Page),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_say_more_than_the_type_above_them() {
        let table: [(&str, bool, Option<Shape>); 10] = [
            ("", false, None),
            ("\r\n", false, None),
            ("data: {}", true, Some(Shape::Events)),
            ("da", true, None),
            ("da", false, Some(Shape::Events)),
            (": waiting", true, Some(Shape::Events)),
            ("\u{feff}\n {\"id\"", true, Some(Shape::Json)),
            ("[{", false, Some(Shape::Json)),
            ("\n<!doctype html>", false, Some(Shape::Page)),
            ("Sign in to the network", true, Some(Shape::Page)),
        ];
        for (head, is_called_page, expected) in table {
            assert_eq!(Shape::of(head.as_bytes(), is_called_page), expected, "{head:?} {is_called_page}");
        }
    }
}
