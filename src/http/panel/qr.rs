//! A text as a QR code (ISO/IEC 18004), for a page to draw: dark on white in either shade, since most cameras read no other.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Modules of white around the code (ISO/IEC 18004 §5.3.8).
const QUIET: usize = 4;

/// What a page draws.
pub(super) struct Qr {
    /// Modules of a side, the white ones around included.
    pub(super) side: usize,
    /// The path of the dark modules, a run of them at a time.
    pub(super) path: String,
}

impl Qr {
    /// None of a text that is longer than any code holds.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, row) in colors.chunks(width).enumerate() {
            let mut x = QUIET;
            for run in row.chunk_by(PartialEq::eq) {
                let length = run.len();
                if run[0] == Color::Dark {
                    // Writing into a string does not fail.
                    let _ = write!(path, "M{x} {}h{length}v1h-{length}z", y + QUIET);
                }
                x += length;
            }
        }
        Some(Self { side: width + 2 * QUIET, path })
    }
}
