//! A cargo report that other people wrote, read through a plan.
//!
//! It lies outside the repository, in `../shared/corpora/edifact/samples`; without it this test says so
//! and passes. No canonical record holds a cargo report, so no mapping reads it. What is expected are its
//! segments' components as pydifact gives them.

#![allow(clippy::unwrap_used)]

use portolan_contract::cases::{CasePlan, read_all, write_all};
use portolan_edifact::Edifact;
use std::io::Write;
use std::path::Path;

const PLAN: &str = r#"
    records = ["message"]
    lists = ["message/DTM+204"]
    slots = [
        "UNB/S002/0004", "UNB/S002/0008", "UNB/S003/0010", "UNB/S004", "UNB/0020", "UNB/0031", "UNB/0035",
        "message/BGM+101/C002/1000", "message/BGM+101/C106/1004", "message/BGM+101/C106/1056", "message/BGM+101/1225",
        "message/DTM+204/C507/2380", "message/DTM+204/C507/2379",
        "message/LOC+4/C517/3225", "message/LOC+4/C517/3055", "message/LOC+5/C517/3225", "message/LOC+5/C517/3055",
        "message/SG:RFF+ED/RFF/C506/1154",
        "message/SG:CNI/CNI/1490", "message/SG:CNI/CNI/C503/3453",
        "message/SG:CNI/SG:RFF+HS/RFF/C506/1154",
        "message/SG:CNI/SG:RFF+HS/SG:QTY+1/QTY/C186/6060", "message/SG:CNI/SG:RFF+HS/SG:QTY+1/QTY/C186/6411",
        "message/SG:CNI/SG:RFF+HS/SG:QTY+1/FTX+AAA/C108/4440",
        "message/SG:CNI/SG:RFF+HS/SG:GID/GID/1496",
    ]
    [options]
    message = "CUSCAR"
    versions = ["D.99B"]
"#;

const EXPECTED: &str = "AAA676Y AAA676Y AAA336C 040127:0730 200401270003 1 1 WARREL 200401270003 1 9 20040127 102 0700 401 \
    ABC123 95 9034P 95 AAAAAAMLN 1 I 03026200 10 KG GOODS~DESCRIPTION 1";

#[test]
#[allow(clippy::explicit_write, reason = "the harness shows what eprintln says for failed tests alone")]
fn a_cargo_report_is_read_and_written_as_it_stands() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/edifact/samples/CUSCAR_D99B.edi");
    let Ok(body) = std::fs::read(&file) else {
        writeln!(std::io::stderr(), "NOTE: {} is not there, so nothing was compared with it", file.display()).unwrap();
        return;
    };
    let case = CasePlan::parse(PLAN).unwrap();
    let bound = case.bind(&Edifact).unwrap();
    let (records, end) = read_all(bound.as_ref(), &body, &case.limits);
    let head = end.unwrap();
    assert_eq!(records.len(), 1);
    let findings: Vec<&str> = records[0].findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(findings, ["edifact.test"], "the sample's UNB says that it is a test");
    let texts: Vec<String> = records[0].values().iter().map(|v| records[0].text(v).replace(' ', "~")).collect();
    assert_eq!(texts.join(" "), EXPECTED);
    assert_eq!(write_all(bound.as_ref(), &head, &records).unwrap(), body);
}
