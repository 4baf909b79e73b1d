//! Samples, looked into without a mapping, and the mappings that are drafted from them: the schema compiles, and so does the
//! mapping, unless it is told of what in it a person must decide.
//!
//! An input begins with two bytes, the number of the format in the order of `src/formats.rs`.

use super::chosen;
use super::holds::{Bounds, dribble};
use portolan::formats::formats;
use portolan::mapping::cases::convert;
use portolan::mapping::draft::{Draft, Request, draft};
use portolan::mapping::{Bundle, Canonical, Mapping};
use portolan_contract::{Format, Limits, Outline};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

static FORMATS: LazyLock<Vec<Box<dyn Format>>> = LazyLock::new(formats);

/// Looks into a sample, at once and a few bytes at a time, and drafts a mapping of it.
pub fn check(input: &[u8]) {
    let Some((choice, sample)) = chosen(input, FORMATS.len()) else { return };
    let (format, limits) = (&FORMATS[choice], Limits::default());
    let one = format.outline(Box::new(sample), &limits);
    let other = format.outline(dribble(sample), &limits);
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert_eq!(format!("{one:?}"), format!("{other:?}"), "the outline depends on how the bytes come in");
            one.iter().for_each(|outline| drafted(format.name(), sample, outline));
        }
        (Err(one), Err(other)) => {
            let bounds = if format.name() == "xlsx" { Bounds::of_parts(limits) } else { Bounds::of(sample, limits) };
            bounds.error(&one);
            assert_eq!((one.code, one.at, one.words), (other.code, other.at, other.words));
        }
        (one, other) => panic!("refused or not as the bytes come in: {:?}, {:?}", one.err(), other.err()),
    }
}

fn drafted(format: &str, sample: &[u8], outline: &Outline) {
    if outline.paths.iter().all(|path| path.texts == 0) {
        return;
    }
    let Draft { mapping: text, schema, .. } =
        draft(&Request { name: "fuzz", format, sample: "样本.txt", record: None, outline, canonical: None });
    let (name, schema) = schema.unwrap();
    let canonical = Canonical::compile(&name, &schema).unwrap_or_else(|e| panic!("the drafted schema does not compile: {e:?}\n{schema}"));
    let canonical = Arc::new(canonical);
    let bundle = Bundle { name: "fuzz".to_owned(), mapping: text.clone(), codes: BTreeMap::new(), component: None };
    match Mapping::compile(&bundle, &FORMATS, &|asked| (asked == name).then(|| Arc::clone(&canonical))) {
        Ok(mapping) => drop(convert(&mapping, &jiff::tz::TimeZone::UTC, sample)),
        Err(problems) => {
            assert!(toml::from_str::<toml::Table>(&text).is_ok(), "the draft is no TOML: {problems:?}\n{text}");
            let lines = 1 + text.matches('\n').count();
            assert!(
                problems.iter().all(|problem| !problem.message.is_empty() && (1..=lines).contains(&problem.line)),
                "{problems:?}\n{text}"
            );
        }
    }
}
