//! The static files, compiled in; their addresses carry their hash, so that browsers may keep them for good.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use sha2::{Digest, Sha256};

use crate::error_page::{Failed, Fault};
use crate::posted::Path;
use crate::visit::Visit;

struct Asset {
    name: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 4] = [
    Asset {
        name: "portal.css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("../static/portal.css"),
    },
    Asset { name: "chat.js", content_type: JAVASCRIPT, bytes: include_bytes!("../static/chat.js") },
    Asset {
        name: "htmx.min.js",
        content_type: JAVASCRIPT,
        bytes: include_bytes!("../static/vendor/htmx.min.js"),
    },
    Asset {
        name: "icon.svg",
        content_type: "image/svg+xml; charset=utf-8",
        bytes: include_bytes!("../static/icon.svg"),
    },
];

static ADDRESSES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let address = |asset: &Asset| format!("/static/{}/{}", &hex_digest(asset.bytes)[..16], asset.name);
    ASSETS.iter().map(address).collect()
});

/// The address of a static file, for templates. An unknown name gives an address that is not found.
pub(crate) fn address(name: &str) -> &'static str {
    let place = ASSETS.iter().position(|asset| asset.name == name);
    place.map_or("/static/none", |place| ADDRESSES[place].as_str())
}

/// `GET /static/{hash}/{name}`.
pub(crate) async fn show(
    visit: Visit,
    Path((hash, name)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let wanted = format!("/static/{hash}/{name}");
    let Some(place) = ADDRESSES.iter().position(|address| *address == wanted) else {
        return Err(visit.fail(Fault::NotFound));
    };
    let asset = &ASSETS[place];
    let headers =
        [(CONTENT_TYPE, asset.content_type), (CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, asset.bytes).into_response())
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn htmx_is_the_file_that_its_readme_names() {
        let readme = include_str!("../static/vendor/README.md");
        let htmx = ASSETS.iter().find(|asset| asset.name == "htmx.min.js").expect("htmx is an asset");
        assert!(readme.contains(&hex_digest(htmx.bytes)));
    }
}
