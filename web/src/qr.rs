//! A QR code as a path of an inline SVG: nothing is loaded, and nothing is stored.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, as its standard asks.
const QUIET: usize = 4;

/// What the template needs to draw one.
#[derive(Debug)]
pub(crate) struct QrView {
    /// Modules from edge to edge.
    pub(crate) size: usize,
    /// The dark modules, one run of a row after another.
    pub(crate) path: String,
}

impl QrView {
    /// `None` for a text that is too long for any QR code.
    pub(crate) fn of(text: &str) -> Option<QrView> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let width = code.width();
        let colors = code.into_colors();
        let mut path = String::new();
        for (y, row) in colors.chunks(width).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|left, right| left == right) {
                if run[0] == Color::Dark {
                    path += &format!("M{} {}h{}v1h-{}z", x + QUIET, y + QUIET, run.len(), run.len());
                }
                x += run.len();
            }
        }
        Some(QrView { size: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::QrView;

    /// What a camera would read off the drawing.
    pub(crate) fn scanned(size: usize, path: &str) -> String {
        const SCALE: usize = 4;
        let mut dark = vec![false; size * size];
        for run in path.split('z').filter(|run| !run.is_empty()) {
            let numbers: Vec<usize> = run
                .split(|symbol: char| !symbol.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect();
            let (x, y, length) = (numbers[0], numbers[1], numbers[2]);
            dark[y * size + x..y * size + x + length].fill(true);
        }
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(size * SCALE, size * SCALE, |x, y| {
            if dark[y / SCALE * size + x / SCALE] { 0 } else { 255 }
        });
        image.detect_grids()[0].decode().expect("readable").1
    }

    #[test]
    fn a_drawn_code_is_read_as_what_it_was_made_from() {
        for text in ["otpauth://totp/Harbor%20Hospital:kim?secret=ABC", "한글도 읽힙니다"] {
            let qr = QrView::of(text).unwrap();
            assert_eq!(scanned(qr.size, &qr.path), text);
        }
        assert!(QrView::of(&"x".repeat(5000)).is_none());
    }
}
