//! Bodies that must be valid against an XML Schema of the operator's, over the wire.

use crate::line::{Answer, post};
use crate::world::{Gateway, World, eventually, gateway_file};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const CANONICAL: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Notice", "x-title-zh": "通知", "type": "object", "additionalProperties": false, "required": ["id"],
  "x-portolan": {"key": [["id"]]},
  "properties": {"id": {"title": "Id", "x-title-zh": "标识", "type": "string"}}
}"#;
const MAPPING: &str = r#"
title = { zh = "通知", en = "Notices" }
canonical = "notice.v1"
[format]
name = "xml"
namespaces = { "" = ["urn:notice:*"] }
write_namespaces = { "" = "urn:notice:2" }
[xsd]
files = { "urn:notice:1" = "one.xsd", "urn:notice:2" = "two.xsd" }
[body]
root = "Notices"
record = "Notice"
[[field]]
to = "id"
path = "Id"
"#;

/// The notices in the parts of a form.
const FORM: &str = r#"
title = { zh = "表单中的通知", en = "Notices in a form" }
canonical = "notice.v1"
direction = "read"
extends = "notice"
[[container]]
kind = "multipart"
members = ["*.xml"]
ignore = ["*.txt"]
"#;

/// A schema of the notices: at most so many characters in an id.
fn schema(version: u8, id_chars_max: u8) -> String {
    format!(
        r#"<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:notice:{version}" elementFormDefault="qualified">
  <xs:element name="Notices"><xs:complexType><xs:sequence>
    <xs:element name="Notice" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="Id"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="{id_chars_max}"/></xs:restriction></xs:simpleType></xs:element>
      <xs:element name="Urgent" type="xs:boolean" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"#
    )
}

fn world() -> World {
    let world = World::new();
    world.write("conf/mappings/canonical/notice.v1.schema.json", CANONICAL);
    world.write("conf/mappings/notice/mapping.toml", MAPPING);
    world.write("conf/mappings/notice/one.xsd", &schema(1, 3));
    world.write("conf/mappings/notice/two.xsd", &schema(2, 5));
    world.flow("notices", "notice.v1", &["bank"], "notice", "");
    world.write("conf/mappings/notices-form/mapping.toml", FORM);
    world.flow("forms", "notice.v1", &["bank"], "notices-form", "");
    world
}

fn notices(version: u8, inner: &str) -> String {
    format!("<Notices xmlns=\"urn:notice:{version}\">\n{inner}\n</Notices>")
}

/// Line, element, rule and a part of what is said, of each finding.
#[track_caller]
fn check(body: &str, answer: &Answer, expected: &[(u64, &str, &str, &str)]) {
    assert_eq!((answer.status, answer.code().as_str()), (422, "syntax.schema"), "{answer:?}");
    let problem = answer.json();
    let found: Vec<_> = problem["findings"].as_array().unwrap().iter().collect();
    assert_eq!(found.len(), expected.len(), "{problem}");
    for (finding, (line, element, rule, said)) in found.iter().zip(expected) {
        assert_eq!((finding["line"].as_u64(), finding["source"].as_str()), (Some(*line), Some(*element)), "{finding}");
        let start: usize = body.split_inclusive('\n').take(*line as usize - 1).map(str::len).sum();
        assert_eq!(finding["byte"].as_u64(), Some(start as u64), "the first byte of the line: {finding}");
        assert_eq!(finding["rule"], *rule, "{finding}");
        assert!(finding["message_en"].as_str().unwrap().contains(said), "{finding}");
        assert!(finding["message_zh"].as_str().unwrap().starts_with("不符合 XML Schema"), "{finding}");
    }
}

#[tokio::test]
async fn a_body_must_be_valid_against_the_schema_of_its_namespace() {
    let world = world();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let mut ask = async |body: &str| bank.ask(&post("notices", body, "")).await.unwrap();
    ask(&notices(1, "<Notice><Id>abc</Id></Notice>")).await.exchange();
    // Characters are counted, not bytes, and the second version allows more of them.
    ask(&notices(2, "<Notice><Id>通知一二三</Id><Urgent>true</Urgent></Notice>")).await.exchange();
    // What no mapping asks for is checked too, and every finding is told.
    let wrong = notices(1, "<Notice><Id>abcd</Id></Notice>\n<Notice><Id>e</Id><Urgent>soon</Urgent></Notice>");
    check(&wrong, &ask(&wrong).await, &[(2, "Id", "xsd.length", "at most 3"), (3, "Urgent", "xsd.type", "xs:boolean")]);
    // A namespace without a schema is not passed over.
    let unknown = notices(3, "<Notice><Id>a</Id></Notice>");
    check(&unknown, &ask(&unknown).await, &[(1, "Notices", "xsd.undeclared", "do not declare")]);
    // What the adapter refuses, such as a DTD, never comes to the validator.
    let hostile = format!("<!DOCTYPE Notices SYSTEM \"/etc/hostname\">{}", notices(1, "<Notice><Id>a</Id></Notice>"));
    assert_eq!(ask(&hostile).await.code(), "syntax.doctype");
    // More than are read are left, and the body is refused all the same.
    let many = notices(1, &"<Notice><Id>abcd</Id></Notice>\n".repeat(20_000));
    let answer = ask(&many).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "syntax.schema"));
    assert_eq!(answer.json()["findings"].as_array().unwrap().len(), portolan::xsd::FINDINGS_MAX);
}

/// Parts of a form, by their names.
fn form(parts: &[(&str, &str)]) -> String {
    let part = |(name, document): &(&str, &str)| {
        format!("--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{document}\r\n")
    };
    parts.iter().map(part).collect::<String>() + "--line--\r\n"
}

#[tokio::test]
async fn each_document_of_a_container_must_be_valid() {
    let world = world();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let mut ask = async |body: &str| bank.ask(&post("forms", body, "")).await.unwrap();
    let (one, two) = (notices(1, "<Notice><Id>abc</Id></Notice>"), notices(2, "<Notice><Id>abcde</Id></Notice>"));
    ask(&form(&[("one.xml", &one), ("note.txt", "no XML"), ("two.xml", &two)])).await.exchange();
    let wrong = notices(2, "<Notice><Id>abcdef</Id></Notice>\n<Notice><Id>e</Id><Urgent>soon</Urgent></Notice>");
    let answer = ask(&form(&[("one.xml", &one), ("wrong.xml", &wrong), ("two.xml", &two)])).await;
    check(&wrong, &answer, &[(2, "Id", "xsd.length", "at most 5"), (3, "Urgent", "xsd.type", "xs:boolean")]);
    for finding in answer.json()["findings"].as_array().unwrap() {
        assert_eq!(finding["part"], "wrong.xml", "{finding}");
    }
    // What one document has too many of is not read in the next.
    let many = notices(1, &"<Notice><Id>abcd</Id></Notice>\n".repeat(20_000));
    let answer = ask(&form(&[("many.xml", &many), ("wrong.xml", &wrong)])).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "syntax.schema"));
    let problem = answer.json();
    let findings = problem["findings"].as_array().unwrap();
    assert!(findings.len() == portolan::xsd::FINDINGS_MAX && findings.iter().all(|finding| finding["part"] == "many.xml"), "{problem}");
}

#[tokio::test]
async fn a_schema_that_cannot_be_used_keeps_the_old_configuration() {
    let world = world();
    let gateway = world.serve().await;
    let newer = schema(1, 3).replace("<xs:element name=\"Urgent\"", "<xs:assert test=\"true()\"/><xs:element name=\"Urgent\"");
    let fetching = schema(1, 3).replace(
        "<xs:element name=\"Notices\">",
        "<xs:import namespace=\"urn:elsewhere\" schemaLocation=\"http://127.0.0.1:9/elsewhere.xsd\"/><xs:element xmlns:e=\"urn:elsewhere\" name=\"E\" type=\"e:T\"/><xs:element name=\"Notices\">",
    );
    for (number, (text, said)) in [(newer.as_str(), "assert"), (&fetching, "T"), ("<no schema", "one.xsd")].into_iter().enumerate() {
        world.write("conf/mappings/notice/one.xsd", text);
        gateway.signal("HUP");
        let refused = gateway.logs("is refused and the old one stays", number + 1).await;
        let told = refused["message"].as_str().unwrap();
        assert!(told.contains("[xsd] of the mapping notice") && told.contains(said), "{told}");
        assert!(!told.contains("portolan-xsd-") && !told.contains('^'), "the place of our copies is nobody's business: {told}");
    }
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("notices", &notices(1, "<Notice><Id>abc</Id></Notice>"), "")).await.unwrap().exchange();
}

#[tokio::test]
async fn the_end_waits_for_no_validator_that_does_not_end() {
    let world = world();
    let file = gateway_file("127.0.0.1:0", "").replace("shutdown_timeout_ms = 600000", "shutdown_timeout_ms = 500");
    world.write("conf/portolan.toml", &file);
    // Says nothing to a body with this word, and does not end.
    let (started, validator) = (world.path("validating"), world.path("bin/xmllint"));
    let started = started.display();
    world.write(
        "bin/xmllint",
        &format!("#!/bin/sh\ncase \"$(cat)\" in *HANG*) echo $$ > {started}.part; mv {started}.part {started}; exec sleep 600;; esac\n"),
    );
    std::fs::set_permissions(&validator, std::fs::Permissions::from_mode(0o755)).unwrap();
    let system = std::env::var("PATH").unwrap();
    let path = format!("{}:{system}", world.path("bin").display());
    let faked = world.start_with(|command| {
        command.env("PATH", path);
    });
    let mut gateway = Gateway::up(faked).await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.send(&post("notices", &notices(1, "<Notice><Id>HANG</Id></Notice>"), "")).await.unwrap();
    let read = async || std::fs::read_to_string(world.path("validating")).ok();
    let pid = eventually("the body is validated", read).await;
    gateway.signal("TERM");
    let ended = gateway.ended().await;
    Command::new("kill").arg(pid.trim()).status().unwrap();
    assert!(ended.success(), "{ended}");
}
