//! The synthetic feeds through the gateway's mappings: what comes out is what the feeds say of
//! themselves, and what is rendered for the receiver is read by its own readers as the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of a test fail by panicking")]

use jiff::tz::TimeZone;
use portolan::demo::feeds::camt054::Camt054;
use portolan::demo::feeds::ceb603::{Ceb603, Charset};
use portolan::demo::feeds::platform_income::{PlatformIncome, Wrong};
use portolan::demo::feeds::{Expected, Feed, Size};
use portolan::demo::receiver::read;
use portolan::domain::Finding;
use portolan::mapping::Library;
use portolan::mapping::cases::{convert, write_body};
use serde_json::Value;

const RECORDS: u64 = 1_000;

#[test]
fn feeds_come_out_as_told() {
    let library = Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let (seed, message, size) = (17, 3, Size::Records(RECORDS));
    let wrong = [(12, Wrong::ThirdDecimal), (700, Wrong::ImpossiblePeriod), (RECORDS, Wrong::FullWidthDigits)];
    let check = |feed: &dyn Feed, from: &str, to: &str| check(&library, feed, from, to);
    check(&Camt054 { seed, message, size }, "camt054", "payment-confirmation-json");
    check(&PlatformIncome { seed, message, size, wrong: wrong.into() }, "cn-platform-income", "cn-platform-income");
    check(&Ceb603 { seed, message, size, charset: Charset::Utf8 }, "ceb603", "ceb603");
    check(&Ceb603 { seed, message, size, charset: Charset::Gb2312 }, "ceb603", "customs-declaration-json");
}

fn check(library: &Library, feed: &dyn Feed, from: &str, to: &str) {
    let mapping = |name: &str| library.mapping(name).unwrap_or_else(|| panic!("there is no mapping {name}"));
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for fact in feed.facts() {
        match fact.expected {
            Expected::Accepted(canonical) => accepted.push(canonical),
            Expected::Refused(cell) => refused.push((Some(fact.record), cell.row, cell.column.to_owned(), cell.found)),
        }
    }

    let converted = convert(mapping(from), &zone, &feed.body()).unwrap_or_else(|e| panic!("{from}: {e}"));
    assert_same(from, &converted.records, &accepted);
    assert_eq!(converted.findings.iter().map(place).collect::<Vec<_>>(), refused, "{from}");

    let rendered = write_body(mapping(to), &zone, &converted.records).unwrap_or_else(|e| panic!("{to}: {e}"));
    let media_type = mapping(to).format.media_type();
    let read = read::records(&media_type, &rendered).unwrap_or_else(|e| panic!("{to}: {e}"));
    assert_same(to, &read, &accepted);
}

fn place(finding: &Finding) -> (Option<u64>, u64, String, String) {
    let column = finding.source.clone().unwrap_or_default();
    (finding.record, finding.at.line, column, finding.found.clone().unwrap_or_default())
}

/// One by one, so that a failure shows one record and not a thousand.
fn assert_same(name: &str, found: &[Value], expected: &[Value]) {
    for (number, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found, expected, "{name}, record {number}");
    }
    assert_eq!(found.len(), expected.len(), "{name}");
}
