//! Every container that is written, taken apart by a program that is not ours (`containers.py`).
//!
//! The income table is written bare and in each container of `containers.toml`, from the same generated records. In the container
//! it must be read by us as the records that it was written from, and elsewhere there must be the bytes of the bare table in it.

use crate::limits::Limits;
use crate::records::Maker;
use crate::{BODIES, SEED, read_here, reader, tools};
use jiff::tz::TimeZone;
use portolan::mapping::{Library, Mapping, cases};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    written: Vec<Written>,
}

/// A container as a mapping has it, and the media type of what is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    container: String,
    media_type: String,
}

#[test]
fn every_written_container_is_opened_elsewhere() {
    let cases: Cases = toml::from_str(&std::fs::read_to_string(reader::folder().join("containers.toml")).unwrap()).unwrap();
    let bare = mapping("");
    let mut failures = Vec::new();
    for Written { container, media_type } in &cases.written {
        failures.extend(check(&bare, container, media_type).err().map(|message| format!("{container}: {message}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check(bare: &Mapping, container: &str, media_type: &str) -> Result<(), String> {
    let mapping = mapping(container);
    // What a boundary is called is the writer's affair.
    let told = mapping.format.media_type();
    let (kind, boundary) = told.split_once("; boundary=").map_or((told.as_str(), None), |(kind, boundary)| (kind, Some(boundary)));
    if kind != media_type {
        return Err(format!("its media type is {told}"));
    }
    let (limits, zone) = (Limits::default(), TimeZone::get("Asia/Shanghai").map_err(|e| e.to_string())?);
    let mut maker = Maker::new(bare, &limits, &zone, SEED);
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut documents = Vec::new();
    for number in 0..BODIES {
        let records = maker.body(number)?;
        let body = cases::write_body(&mapping, &zone, &records)?;
        read_here(&mapping, &zone, &records, &body)?;
        std::fs::write(folder.path().join(format!("{number:04}")), body).map_err(|e| e.to_string())?;
        documents.push(cases::write_body(bare, &zone, &records)?);
    }
    take_apart(container, boundary.unwrap_or_default(), folder.path())?;
    for (number, document) in documents.iter().enumerate() {
        let within = std::fs::read(folder.path().join(format!("{number:04}.document"))).map_err(|e| e.to_string())?;
        if within != *document {
            return Err(format!("body {number:04} holds other bytes elsewhere: {:?}", String::from_utf8_lossy(&within)));
        }
    }
    Ok(())
}

/// Leaves beside each body the document in it, with one start of the script.
fn take_apart(container: &str, boundary: &str, folder: &Path) -> Result<(), String> {
    let entries: toml::Table = toml::from_str(&format!("[[container]]\n{container}")).map_err(|e| e.to_string())?;
    let entries = serde_json::to_string(&entries["container"]).map_err(|e| e.to_string())?;
    let script = reader::folder().join("containers.py");
    let output = Command::new(tools::python()).arg(script).arg(folder).arg(entries).arg(boundary).output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(format!("the script failed: {}", String::from_utf8_lossy(&output.stderr))) }
}

/// The mapping of the income table in a container, or bare.
fn mapping(container: &str) -> Arc<Mapping> {
    let folder = tempfile::tempdir().unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/cn-platform-income/mapping.toml");
    let container = if container.is_empty() { String::new() } else { format!("\n[[container]]\n{container}") };
    std::fs::create_dir(folder.path().join("contained")).unwrap();
    std::fs::write(folder.path().join("contained/mapping.toml"), std::fs::read_to_string(table).unwrap() + &container).unwrap();
    let library = Library::load(&[folder.path().to_owned()]).unwrap_or_else(|problems| panic!("{problems:?}"));
    Arc::clone(library.mapping("contained").unwrap())
}
