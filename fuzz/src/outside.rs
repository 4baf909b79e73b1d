//! What an adapter from outside gives back: the hostile example hands the body's own bytes back as its result, so that an input
//! is what lies in a component's memory. Whatever that is, the host takes no more over than the contract allows.
//!
//! The bytes lie at address 1 MiB, as a result of `read` and then, where they are text, as one of `write` and of `finish`.

use super::folder;
use super::holds::{Bounds, words};
use portolan_contract::cases::read_all;
use portolan_contract::{Bound, FormatCode, FormatError, Limits, Plan, PlanBuilder, Position, RawRecord, Repeat};
use portolan_wasm::{Budget, load};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, LazyLock, OnceLock};

/// How a body begins whose rest the component gives back; the rest begins at a multiple of eight.
const VERBATIM: &[u8; 8] = b"verbatim";
/// Bytes that may be written for no text, and those for each byte of text, as the host has them.
const WRITTEN_BYTES_MAX: usize = 3 * (64 << 10);
const WRITTEN_RATIO_MAX: usize = 16;
/// The Python with the compiler that builds the example, where it is not the one of `make tools` in the usual folder.
pub static PYTHON: OnceLock<PathBuf> = OnceLock::new();

static BOUND: LazyLock<Arc<dyn Bound>> = LazyLock::new(|| {
    let format = load("hostile", &hostile(), Budget::default()).unwrap_or_else(|message| panic!("{message}"));
    format.bind(plan(), &toml::Table::new()).unwrap_or_else(|error| panic!("{error}"))
});

/// The hostile example, by its own build command.
fn hostile() -> Vec<u8> {
    let built = tempfile::tempdir().unwrap();
    let module = built.path().join("hostile.wasm");
    let mut build = Command::new(folder("adapters/wit/examples/build"));
    build.arg("hostile").arg(&module).env("WIT_TOOL", "cp").envs(PYTHON.get().map(|python| ("PYTHON", python)));
    let output = build.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    portolan_wit::component(&fs::read(&module).unwrap()).unwrap()
}

/// Values outside the records and in them, once, the first or many of them, and a list within a list.
fn plan() -> Arc<Plan> {
    let mut builder = PlanBuilder::new();
    builder.anchor("record").unwrap();
    builder.slot("sender", Repeat::Once, false).unwrap();
    builder.slot("total", Repeat::Once, true).unwrap();
    builder.slot("record/word", Repeat::Once, false).unwrap();
    builder.slot("record/words", Repeat::List, false).unwrap();
    builder.list("record/line").unwrap();
    builder.slot("record/line/text", Repeat::First, false).unwrap();
    builder.list("record/line/part").unwrap();
    builder.slot("record/line/part/text", Repeat::Once, false).unwrap();
    Arc::new(builder.build().unwrap())
}

/// Reads a body that is the result of reading it, and writes a record that is the result of writing it.
pub fn check(input: &[u8]) {
    let body = [VERBATIM.as_slice(), input].concat();
    let limits = Limits { record_values_max: 1_000, record_bytes_max: 64 << 10, token_bytes_max: 16 << 10, ..Limits::default() };
    let (records, end) = read_all(BOUND.as_ref(), &body, &limits);
    let bounds = Bounds::of(&body, limits);
    records.iter().chain(&end).for_each(|record| {
        bounds.record(record);
        assert!(record.items().len() <= limits.record_values_max);
    });
    assert!(records.len() <= body.len(), "more records than bytes");
    if let Err(error) = &end {
        bounds.error(error);
    }
    if let Ok(text) = std::str::from_utf8(&body) {
        match written(text) {
            Ok(written) => assert!(written.len() <= WRITTEN_BYTES_MAX + WRITTEN_RATIO_MAX * body.len(), "{} bytes", written.len()),
            Err(error) => {
                words(&error.words);
                assert!(error.code != FormatCode::Io && error.at == Position::default(), "{error}");
            }
        }
    }
}

fn written(text: &str) -> Result<Vec<u8>, FormatError> {
    let mut written = Vec::new();
    let mut record = RawRecord::default();
    record.push(2, None, text, Position::default());
    let mut writer = BOUND.writer(Box::new(&mut written), &RawRecord::default())?;
    writer.write(&record)?;
    writer.finish()?;
    Ok(written)
}
