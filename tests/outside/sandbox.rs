//! What a component may not do, and that the next body never notices.

use crate::built::{hostile, mappings, stanza};
use portolan::mapping::Library;
use portolan_contract::{Bound, FormatCode, FormatError, Found, Limits, Plan, PlanBuilder, Position, RawRecord, Repeat};
use portolan_wasm::{Budget, load};
use std::collections::BTreeMap;
use std::sync::Arc;

fn plan() -> Arc<Plan> {
    let mut builder = PlanBuilder::new();
    builder.anchor("record").unwrap();
    builder.slot("record/word", Repeat::Once, false).unwrap();
    Arc::new(builder.build().unwrap())
}

fn bound(budget: Budget) -> Arc<dyn Bound> {
    let format = load("hostile", hostile(), budget).unwrap();
    format.bind(plan(), &toml::Table::new()).unwrap_or_else(|error| panic!("{error}"))
}

/// The words of a body's records.
fn read(bound: &dyn Bound, body: &str) -> Result<Vec<String>, FormatError> {
    let mut reader = bound.reader(Box::new(body.as_bytes()), &Limits::default())?;
    let mut words = Vec::new();
    loop {
        match reader.read()? {
            Found::Record(record) => words.extend(record.values().iter().map(|value| record.text(value).to_owned())),
            Found::End(_) => return Ok(words),
        }
    }
}

fn write(bound: &dyn Bound, word: &str) -> Result<Vec<u8>, FormatError> {
    let mut written = Vec::new();
    let mut record = RawRecord::default();
    record.push(0, None, word, Position::default());
    let mut writer = bound.writer(Box::new(&mut written), &RawRecord::default())?;
    writer.write(&record)?;
    writer.finish()?;
    Ok(written)
}

#[track_caller]
fn check_failed(misdeed: &str, outcome: Result<impl std::fmt::Debug, FormatError>, said: &str) {
    let error = outcome.expect_err(misdeed);
    assert_eq!(error.code, FormatCode::AdapterFailed, "{misdeed}: {error}");
    assert!(error.words.en.starts_with("the adapter hostile failed: ") && error.words.en.contains(said), "{misdeed}: {error}");
    assert!(error.words.zh.starts_with("外部格式适配器 hostile 失败："), "{misdeed}: {}", error.words.zh);
}

#[test]
fn each_misdeed_ends_its_body_alone() {
    type Said = BTreeMap<String, String>;
    let misdeeds: BTreeMap<String, Said> = toml::from_str(include_str!("misdeeds.toml")).unwrap();
    let bound = bound(Budget::default());
    for (misdeed, said) in &misdeeds["reading"] {
        check_failed(misdeed, read(&*bound, misdeed), said);
        assert_eq!(read(&*bound, "good").unwrap(), ["good"], "after {misdeed}");
    }
    for (misdeed, said) in &misdeeds["writing"] {
        check_failed(misdeed, write(&*bound, misdeed), said);
        assert_eq!(write(&*bound, "good").unwrap(), b"good", "after {misdeed}");
    }
}

#[test]
fn a_call_that_uses_no_fuel_is_ended_by_time() {
    let bound = bound(Budget { call_fuel: u64::MAX, call_ms_max: 100, ..Budget::default() });
    check_failed("fill", read(&*bound, "fill"), "more than 100 ms");
    check_failed("loop", read(&*bound, "loop"), "more than 100 ms");
    assert_eq!(read(&*bound, "good").unwrap(), ["good"]);
}

#[test]
fn fuel_ends_the_same_body_at_the_same_place() {
    let bound = bound(Budget::default());
    let body = format!("{}loop", "\n".repeat(40_000));
    let places: Vec<Position> = (0..3).map(|_| read(&*bound, &body).unwrap_err().at).collect();
    // The third piece of 16 KiB, in which the body ends.
    assert_eq!(places, [Position { line: 32_769, byte: 32_768, column: 0 }; 3]);
}

#[test]
fn limits_hold_whatever_the_component_thinks_of_them() {
    let bound = bound(Budget::default());
    let limits = Limits { token_bytes_max: 3, ..Limits::default() };
    let mut reader = bound.reader(Box::new("good".as_bytes()), &limits).unwrap();
    assert_eq!(reader.read().err().map(|error| error.code), Some(FormatCode::TokenExceeded));
    let limits = Limits { record_bytes_max: 3, ..Limits::default() };
    let mut reader = bound.reader(Box::new("good".as_bytes()), &limits).unwrap();
    assert_eq!(reader.read().err().map(|error| error.code), Some(FormatCode::RecordExceeded));
}

#[track_caller]
fn check_refused(component: &[u8], budget: Budget, said: &str) {
    let message = load("odd", component, budget).err().expect("it is refused");
    assert!(message.contains(said), "{message}");
}

#[test]
fn what_is_no_adapter_is_refused() {
    // By the binary format of components: nothing in it; and one that imports a function `ask`.
    let empty = b"\0asm\x0d\0\x01\0";
    let asks = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a\x08\x01\0\x03ask\x01\0";
    check_refused(b"", Budget::default(), "not a component");
    check_refused(b"no component", Budget::default(), "not a component");
    check_refused(empty, Budget::default(), "portolan:adapter/format@1.0.0");
    check_refused(asks, Budget::default(), "ask");
    check_refused(&vec![0; 5 << 20], Budget::default(), "more than 4194304");
    // One that needs more memory than it may have starts for no mapping.
    let format = load("hostile", hostile(), Budget { memory_bytes_max: 65_536, ..Budget::default() }).unwrap();
    let error = format.bind(plan(), &toml::Table::new()).err().expect("it cannot start");
    assert!(error.message.contains("more than 65536 bytes of memory"), "{error}");
}

#[test]
fn each_problem_of_a_folder_is_told_with_its_file() {
    let folder = mappings();
    let adapters = folder.path().join("adapters");
    for (file, bytes) in [("json.wasm", stanza()), ("Odd Name.wasm", stanza()), ("broken.wasm", b"broken")] {
        std::fs::write(adapters.join(file), bytes).unwrap();
    }
    let problems = Library::load(&[folder.path().to_owned()]).err().expect("there are problems");
    let mut told: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.file.file_name().unwrap().display(), problem.message)).collect();
    told.sort();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].starts_with("Odd Name.wasm: an adapter's file is NAME.wasm"), "{told:#?}");
    assert!(told[1].starts_with("broken.wasm: not a component built against adapters/wit"), "{told:#?}");
    assert!(told[2].starts_with("json.wasm: \"json\" is the name of a format that is built in"), "{told:#?}");
}

#[test]
fn options_and_paths_that_the_adapter_does_not_know_are_told_with_their_line() {
    let folder = mappings();
    let file = folder.path().join("stanza-payments/mapping.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let cases = [
        ("name = \"stanza\"", "name = \"stanza\"\ncolour = 3", "[format] colour: there is one option, separator"),
        ("name = \"stanza\"", "name = \"stanza\"\nseparator = \"==\"", "[format] separator: one ASCII character"),
        ("path = \"payer\"", "path = \"payer/name\"", "paths are NAME and record/NAME"),
        ("name = \"stanza\"", "name = \"paragraphs\"", "unknown format \"paragraphs\"; there are xml, "),
    ];
    for (from, to, said) in cases {
        std::fs::write(&file, good.replace(from, to)).unwrap();
        let problems = Library::load(&[folder.path().to_owned()]).err().expect(said);
        assert!(problems.iter().any(|problem| problem.message.contains(said) && problem.line > 0), "{said}: {problems:#?}");
    }
}

#[test]
fn a_pinned_mapping_keeps_its_adapter() {
    let folder = mappings();
    let library = Library::load(&[folder.path().to_owned()]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let mapping = Arc::clone(library.mapping("hostile").unwrap());
    // Gone with everything in it.
    folder.close().unwrap();
    let again = Library::pinned(&mapping.text, &mapping.canonical.text).unwrap();
    assert_eq!(again.digest, mapping.digest);
    assert_eq!(read(&*again.format, "good").unwrap(), ["good"]);
    // What ships pins no component.
    assert!(!library.mapping("camt054").unwrap().text.contains("component"));
}
