//! Runs every case below `cases/`, and the bodies that are too large to keep there.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use portolan_contract::cases::{self, CasePlan};
use portolan_contract::{Format, FormatCode, FormatError, Position, RawRecord};
use portolan_xml::Xml;
use std::path::Path;

#[test]
fn cases() {
    let failed = cases::run(&Xml, &Path::new(env!("CARGO_MANIFEST_DIR")).join("cases"));
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

const PLAN: &str = r#"
    records = ["Msg/Row"]
    slots = ["Msg/Id", "Msg/Row/Name", "Msg/Row/@kind"]
"#;

fn read(body: &[u8]) -> (Vec<RawRecord>, Result<RawRecord, FormatError>) {
    let plan = CasePlan::parse(PLAN).unwrap();
    let bound = Xml.bind(plan.plan, &plan.options).unwrap();
    cases::read_all(bound.as_ref(), body, &plan.limits)
}

#[track_caller]
fn check_refused(body: &str, code: FormatCode, byte: usize) {
    let error = read(body.as_bytes()).1.unwrap_err();
    assert_eq!((error.code, error.at.byte), (code, byte as u64), "{error}");
}

#[test]
fn deep_nesting() {
    let body = format!("<Msg>{}{}</Msg>", "<a>".repeat(10_000), "</a>".repeat(10_000));
    // 128 elements may be open: the root and 127 more, each of three bytes.
    check_refused(&body, FormatCode::DepthExceeded, 5 + 127 * 3);
}

#[test]
fn huge_tokens() {
    let huge = "x".repeat(10 << 20);
    for (body, code) in [
        (format!("<Msg><Row><Name>{huge}</Name></Row></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><Other>{huge}</Other></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><{huge}/></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><Row kind='{huge}'/></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><!--{huge}--></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><?pi {huge}?></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg><![CDATA[{huge}]]></Msg>"), FormatCode::TokenExceeded),
        (format!("<Msg>&{huge};</Msg>"), FormatCode::TokenExceeded),
        (format!("<!DOCTYPE Msg [<!ENTITY a '{huge}'>]><Msg/>"), FormatCode::DoctypeRefused),
    ] {
        let start = body.get(..40).unwrap_or(&body).to_owned();
        let error = read(body.as_bytes()).1.unwrap_err();
        assert_eq!(error.code, code, "{start}: {error}");
        assert!(error.at.byte < 2 << 20, "{start}: told only at byte {}", error.at.byte);
    }
}

#[test]
fn namespace_declarations_are_bounded() {
    let nested: String = (0..100).map(|n| format!("<a xmlns:p{n}='urn:a' xmlns:q{n}='urn:b' xmlns:r{n}='urn:c'>")).collect();
    let error = read(format!("<Msg>{nested}").as_bytes()).1.unwrap_err();
    assert_eq!(error.code, FormatCode::RecordExceeded, "{error}");
}

/// Tokens fall on every place relative to the chunks in which a body is read.
#[test]
fn chunks_do_not_matter() {
    for shift in 0..40 {
        let row = "<Row kind=\"甲&amp;乙\"><Name>张三&#20013;A&lt;<![CDATA[<&]]>&gt;</Name><Other/></Row>\r\n";
        let body = format!("<Msg><Id>{}</Id>{}</Msg>", "中".repeat(shift), row.repeat(2_000));
        let (records, end) = read(body.as_bytes());
        assert!(end.is_ok(), "{:?}", end.err());
        assert_eq!(records.len(), 2_000);
        for (index, record) in records.iter().enumerate() {
            let texts: Vec<&str> = record.values().iter().skip(1).map(|v| record.text(v)).collect();
            assert_eq!(texts, ["甲&乙", "张三中A<<&>"]);
            let start = "<Msg><Id></Id>".len() + shift * 3 + index * row.len();
            assert_eq!(record.at.byte, start as u64);
            assert_eq!(record.values()[2].at.byte, (start + row.find("张").unwrap()) as u64);
        }
    }
}

/// Writes `count` records that hold one text each.
#[track_caller]
fn check_not_written(plan: &str, text: &str, count: usize, code: FormatCode, path: Option<&str>) {
    let plan = CasePlan::parse(plan).unwrap();
    let bound = Xml.bind(plan.plan, &plan.options).unwrap();
    let mut record = RawRecord::default();
    record.push(0, None, text, Position::default());
    let error = cases::write_all(bound.as_ref(), &RawRecord::default(), &vec![record; count]).unwrap_err();
    assert_eq!((error.code, error.path.as_deref()), (code, path), "{error}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let row = r#"records = ["Msg/Row"]
        slots = ["Msg/Row/Name"]"#;
    let attribute = r#"records = ["Msg/Row"]
        slots = ["Msg/Row/@name"]"#;
    let gb2312 = format!("{row}\n[options]\nwrite_charset = 'gb2312'");
    let any_version = format!("{row}\n[options.namespaces]\n'' = ['urn:test:*']");
    let whole = r#"records = ["Msg"]
        slots = ["Msg/Name"]"#;
    check_not_written(row, "a\u{1}", 1, FormatCode::CharacterForbidden, Some("Msg/Row/Name"));
    check_not_written(attribute, "\u{FFFE}", 1, FormatCode::CharacterForbidden, Some("Msg/Row/@name"));
    check_not_written(&gb2312, "朱镕基", 1, FormatCode::CharacterUnmappable, Some("Msg/Row/Name"));
    check_not_written(&any_version, "a", 1, FormatCode::NotThisMessage, None);
    check_not_written(whole, "a", 2, FormatCode::NotThisMessage, None);
    check_not_written(whole, "a", 0, FormatCode::NotThisMessage, None);
}

#[test]
fn media_types() {
    for (charset, expected) in [("utf-8", "utf-8"), ("utf-16", "utf-16"), ("gbk", "gbk"), ("gb18030", "gb18030")] {
        let plan = CasePlan::parse(&format!("{PLAN}\n[options]\nwrite_charset = '{charset}'")).unwrap();
        let bound = Xml.bind(plan.plan, &plan.options).unwrap();
        assert_eq!(bound.media_type(), format!("application/xml; charset={expected}"));
    }
}
