//! Bodies looked into without a plan.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use portolan_contract::{Format, FormatCode, Limits, Outline};
use portolan_xml::Xml;

fn outline(body: &str) -> Outline {
    Xml.outline(Box::new(body.as_bytes()), &Limits::default()).unwrap().unwrap()
}

#[test]
fn names_are_those_of_a_mapping_whatever_prefixes_a_body_uses() {
    let body = "<m:Msg xmlns:m='urn:m' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:schemaLocation='urn:m m.xsd'>\
                <Row xmlns='urn:m' no='1'><a:Id xmlns:a='urn:a'>A &amp; B</a:Id></Row>\
                <m:Row no='2'><b:Id xmlns:b='urn:a'><![CDATA[C]]></b:Id><Free/></m:Row></m:Msg>";
    let outline = outline(body);
    let told: Vec<_> = outline.paths.iter().map(|path| (path.path.as_str(), path.times)).collect();
    assert_eq!(told, [("Msg", 1), ("Msg/Row", 2), ("Msg/Row/@no", 2), ("Msg/Row/a:Id", 2), ("Msg/Row/ns2:Free", 1)]);
    let texts: Vec<_> = outline.paths[3].samples.iter().map(|sample| sample.text.as_str()).collect();
    assert_eq!(texts, ["A & B", "C"]);
    let namespaces = outline.options["namespaces"].as_table().unwrap();
    let accepted = |prefix: &str| namespaces[prefix][0].as_str().unwrap();
    assert_eq!((accepted(""), accepted("a"), accepted("ns2")), ("urn:m", "urn:a", ""));
}

#[test]
fn what_no_reader_would_read_has_no_outline() {
    let cases = [
        ("<a><b></a>", FormatCode::Syntax),
        ("<a><b>", FormatCode::Truncated),
        ("", FormatCode::Truncated),
        ("<!DOCTYPE a><a/>", FormatCode::DoctypeRefused),
        ("<a>&x;</a>", FormatCode::EntityRefused),
    ];
    for (body, code) in cases {
        let error = Xml.outline(Box::new(body.as_bytes()), &Limits::default()).unwrap_err();
        assert_eq!(error.code, code, "{body}: {error}");
    }
}
