//! What pages load: scripts, style sheets and the icon, all embedded in the program.
//!
//! `GET /assets/NAME?v=DIGEST` answers the file, to be kept by the browser for good: the digest in the address is
//! another one when the file is. Where they come from is in `assets/README.md`.

use crate::domain::Digest;
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Response};
use crate::ops::access::Ask;
use crate::ops::view::OpsView;
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

macro_rules! asset {
    ($name:literal, $media_type:expr) => {
        Asset { name: $name, media_type: $media_type, bytes: include_bytes!(concat!("assets/", $name)) }
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

static ASSETS: [Asset; 6] = [
    asset!("console.css", STYLE),
    asset!("console.js", SCRIPT),
    asset!("htmx.min.js", SCRIPT),
    asset!("icon.svg", "image/svg+xml"),
    asset!("uPlot.iife.min.js", SCRIPT),
    asset!("uPlot.min.css", STYLE),
];

/// The digests of the files, in their order.
static DIGESTS: LazyLock<Vec<String>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| Digest::of(asset.bytes).to_string().chars().take(16).collect()).collect());

/// The address of a file.
pub fn address(name: &str) -> String {
    let digest = ASSETS.iter().position(|asset| asset.name == name).and_then(|place| DIGESTS.get(place));
    format!("/assets/{name}?v={}", digest.map_or("", String::as_str))
}

/// A file.
///
/// # Errors
/// A name that is none.
pub async fn file(_view: &OpsView, ask: Ask<'_>) -> Result<Response, Fault> {
    let asset = ASSETS.iter().find(|asset| asset.name == ask.segment(0)).ok_or_else(|| Fault::new(FaultCode::PathUnknown))?;
    let mut response = http::answer(StatusCode::OK, asset.media_type, asset.bytes);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}
