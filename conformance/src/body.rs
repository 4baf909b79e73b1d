//! How a body is made: parts of text, files and bytes, then a charset, a content coding and damage.

use crate::BoxError;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use std::io::Write;
use std::path::Path;

/// A body in the making. The steps are taken in the order of the members.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Body {
    /// What it is put together from, in order.
    pub parts: Vec<Part>,
    /// Pairs of a text in the parts and what stands there instead; each text must occur once.
    pub replace: Vec<[String; 2]>,
    /// The charset of its text, as WHATWG Encoding names it; UTF-8 unless it says otherwise.
    pub charset: Option<String>,
    /// Bytes put in the place of a text after the charset: the text, and the bytes in hexadecimal.
    pub splice: Vec<[String; 2]>,
    /// `gzip` or `zstd`.
    pub coding: Option<String>,
    /// All but the first so many bytes are cut off.
    pub truncate_at: Option<usize>,
    /// The byte at this offset is inverted; a negative one counts from the end.
    pub invert_at: Option<isize>,
}

/// A part of a body: exactly one of `text` and `file`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Part {
    /// Text as it stands.
    pub text: Option<String>,
    /// A file in the folder `bodies`.
    pub file: Option<String>,
    /// How often it is repeated.
    pub times: Option<usize>,
}

impl Body {
    /// The body's bytes. `fill` puts words in the place of a text's placeholders.
    ///
    /// # Errors
    /// When a file is missing or what is to be replaced is not there.
    pub fn bytes(&self, folder: &Path, fill: impl Fn(&str) -> String) -> Result<Vec<u8>, BoxError> {
        let mut text = String::new();
        for part in &self.parts {
            text += &part.text(folder, &fill)?;
        }
        for [old, new] in &self.replace {
            let (old, new) = (fill(old), fill(new));
            if text.matches(&old).count() != 1 {
                return Err(format!("{old:?} does not occur exactly once in the body").into());
            }
            text = text.replacen(&old, &new, 1);
        }
        let mut bytes = encode(text, self.charset.as_deref())?;
        for [marker, hex] in &self.splice {
            bytes = splice(&bytes, marker.as_bytes(), &from_hex(hex)?)?;
        }
        bytes = compress(bytes, self.coding.as_deref())?;
        if let Some(length) = self.truncate_at {
            bytes.truncate(length);
        }
        if let Some(at) = self.invert_at {
            let at = if at < 0 { bytes.len().checked_add_signed(at) } else { usize::try_from(at).ok() };
            let byte = at.and_then(|at| bytes.get_mut(at)).ok_or("the body has no byte to invert there")?;
            *byte = !*byte;
        }
        Ok(bytes)
    }
}

impl Part {
    fn text(&self, folder: &Path, fill: &impl Fn(&str) -> String) -> Result<String, BoxError> {
        let text = match (&self.text, &self.file) {
            (Some(text), None) => fill(text),
            (None, Some(file)) => {
                let path = folder.join("bodies").join(file);
                fill(&std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?)
            }
            _ => return Err("a part of a body has one of `text` and `file`".into()),
        };
        Ok(match self.times {
            Some(times) => text.repeat(times),
            None => text,
        })
    }
}

fn encode(text: String, charset: Option<&str>) -> Result<Vec<u8>, BoxError> {
    match charset {
        None => Ok(text.into_bytes()),
        // The library encodes UTF-16 as UTF-8, as the WHATWG wants of browsers.
        Some("utf-16le") => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        Some(label) => {
            let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| format!("{label:?} is no charset"))?;
            match encoding.encode(&text) {
                (_, _, true) => Err(format!("the body has a character that {label} has not").into()),
                (bytes, _, false) => Ok(bytes.into_owned()),
            }
        }
    }
}

fn splice(bytes: &[u8], marker: &[u8], new: &[u8]) -> Result<Vec<u8>, BoxError> {
    let at = bytes.windows(marker.len()).position(|w| w == marker).ok_or("the text to splice at does not occur in the body")?;
    let (before, after) = bytes.split_at(at);
    Ok([before, new, after.get(marker.len()..).unwrap_or_default()].concat())
}

fn compress(bytes: Vec<u8>, coding: Option<&str>) -> Result<Vec<u8>, BoxError> {
    match coding {
        None => Ok(bytes),
        Some("gzip") => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&bytes)?;
            Ok(encoder.finish()?)
        }
        Some("zstd") => Ok(zstd::stream::encode_all(bytes.as_slice(), 0)?),
        Some(other) => Err(format!("there is no coding {other:?}; use gzip or zstd").into()),
    }
}

fn from_hex(text: &str) -> Result<Vec<u8>, BoxError> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair)?, 16).map_err(BoxError::from));
    pairs.collect()
}
