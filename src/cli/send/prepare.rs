//! What is sent: the file, or a compressed copy of it, with its length and digest.

use crate::cli::terminal::byte_bar;
use crate::coding::Coding;
use crate::domain::{Digest, Hasher};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// Bytes read at a time.
const BUFFER_BYTES: usize = 256 * 1024;
/// Level of zstd: its own default.
const ZSTD_LEVEL: i32 = 3;

/// A body ready to be sent, as often as it takes.
pub struct Prepared {
    /// Where its bytes lie.
    pub path: PathBuf,
    /// How many they are.
    pub bytes: u64,
    /// Their digest.
    pub digest: Digest,
    /// The digest of the file that was given.
    pub file_digest: Digest,
    /// How the bytes are coded.
    pub coding: Coding,
    /// Removes a compressed copy in the end.
    _copy: Option<TempPath>,
}

/// Hashes a file and compresses it if asked to. A file that is compressed already, by its name, is
/// taken as it is.
///
/// # Errors
/// Those of the file system.
pub fn prepare(file: &Path, compress: Coding) -> io::Result<Prepared> {
    let mut input = File::open(file)?;
    if !input.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "only a regular file can be sent, since it may have to be sent twice"));
    }
    let bytes = input.metadata()?.len();
    let given = coding_of(file);
    let bar = byte_bar(Some(bytes), if compress == Coding::Identity { "hashing" } else { "compressing" });
    let mut reader = bar.wrap_read(&mut input);
    let prepared = match (given, compress) {
        (Coding::Identity, Coding::Gzip | Coding::Zstd) => compressed(&mut reader, compress)?,
        _ => {
            let mut hashed = Hashed { inner: io::sink(), hasher: Hasher::default(), bytes: 0 };
            copy(&mut reader, &mut hashed, &mut Hasher::default())?;
            let digest = hashed.hasher.finish();
            Prepared { path: file.to_owned(), bytes: hashed.bytes, digest, file_digest: digest, coding: given, _copy: None }
        }
    };
    bar.finish_and_clear();
    Ok(prepared)
}

/// An empty body, for a declaration that there is nothing.
///
/// # Errors
/// Those of the file system.
pub fn nothing() -> io::Result<Prepared> {
    let path = tempfile::NamedTempFile::new()?.into_temp_path();
    let digest = Digest::of(b"");
    Ok(Prepared { path: path.to_path_buf(), bytes: 0, digest, file_digest: digest, coding: Coding::Identity, _copy: Some(path) })
}

/// The media type that a file's name tells, its compression left aside.
pub fn media_type(file: &Path) -> &'static str {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    match Path::new(name).extension().and_then(|e| e.to_str()) {
        Some("xml") => "application/xml",
        Some("json") => "application/json",
        Some("ndjson" | "jsonl") => "application/x-ndjson",
        Some("csv") => "text/csv",
        _ => "application/octet-stream",
    }
}

fn coding_of(file: &Path) -> Coding {
    match file.extension().and_then(|e| e.to_str()) {
        Some("gz") => Coding::Gzip,
        Some("zst") => Coding::Zstd,
        _ => Coding::Identity,
    }
}

fn compressed(input: &mut impl Read, coding: Coding) -> io::Result<Prepared> {
    let (file, path) = tempfile::NamedTempFile::new()?.into_parts();
    let mut output = Hashed { inner: BufWriter::new(file), hasher: Hasher::default(), bytes: 0 };
    let mut whole = Hasher::default();
    if coding == Coding::Zstd {
        let mut encoder = zstd::stream::write::Encoder::new(&mut output, ZSTD_LEVEL)?;
        copy(input, &mut encoder, &mut whole)?;
        encoder.finish()?;
    } else {
        // No name and no time go into the header, so that the same file gives the same bytes again.
        let mut encoder = GzEncoder::new(&mut output, Compression::default());
        copy(input, &mut encoder, &mut whole)?;
        encoder.finish()?;
    }
    output.flush()?;
    Ok(Prepared {
        path: path.to_path_buf(),
        bytes: output.bytes,
        digest: output.hasher.finish(),
        file_digest: whole.finish(),
        coding,
        _copy: Some(path),
    })
}

fn copy(input: &mut impl Read, output: &mut impl Write, hasher: &mut Hasher) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = input.read(&mut buffer)?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            return Ok(());
        }
        hasher.update(piece);
        output.write_all(piece)?;
    }
}

/// Hashes and counts what passes.
struct Hashed<W> {
    inner: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_copies_decode_to_the_file() {
        let text = b"<a>\xe7\xa8\x8e</a>\n".repeat(5000);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("feed.xml");
        std::fs::write(&file, &text).unwrap();
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let prepared = prepare(&file, coding).unwrap();
            let sent = std::fs::read(&prepared.path).unwrap();
            assert_eq!((prepared.coding, prepared.bytes, prepared.digest), (coding, sent.len() as u64, Digest::of(&sent)));
            assert_eq!(prepared.file_digest, Digest::of(&text));
            let limits = crate::coding::DecodeLimits { decoded_bytes_max: 1 << 30, expansion_ratio_max: 10_000 };
            let mut decoded = Vec::new();
            crate::coding::decode(coding, Box::new(&*sent), sent.len() as u64, limits).unwrap().read_to_end(&mut decoded).unwrap();
            assert!(decoded == text, "{coding:?}");
            assert_eq!(prepare(&file, coding).unwrap().digest, prepared.digest, "{coding:?}: again");
        }
    }

    #[test]
    fn names_tell_media_types() {
        let cases = [
            ("a.xml", "application/xml"),
            ("a.XML", "application/xml"),
            ("a.csv.gz", "text/csv"),
            ("a.ndjson.zst", "application/x-ndjson"),
            ("a.json", "application/json"),
            ("a", "application/octet-stream"),
        ];
        cases.into_iter().for_each(|(name, expected)| assert_eq!(media_type(Path::new(name)), expected, "{name}"));
    }
}
