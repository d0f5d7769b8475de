//! The static files, compiled in. Their addresses carry a version, so that browsers keep them until they change.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const FILES: [(&str, &str, &str); 3] = [
    ("waypost.css", "text/css; charset=utf-8", include_str!("../../../web/static/waypost.css")),
    ("waypost.js", "text/javascript; charset=utf-8", include_str!("../../../web/static/waypost.js")),
    ("icon.svg", "image/svg+xml", include_str!("../../../web/static/icon.svg")),
];

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, text) in FILES {
        hash.update(text);
    }
    HEXLOWER.encode(&hash.finalize()[..6])
});

/// Changes with every static file.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// One file.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    let Some((_, kind, text)) = FILES.iter().find(|(file, ..)| *file == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fields = [(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (fields, *text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_stay_small() {
        for (name, _, text) in FILES {
            let limit = if name == "waypost.css" { 24 * 1024 } else { 16 * 1024 };
            assert!(text.len() <= limit, "{name} has {} octets", text.len());
        }
    }
}
