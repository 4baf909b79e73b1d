//! Every character of Unicode in GB 18030, compared with CPython, and read again.
//!
//! `gb18030.py` tells CPython's bytes, which are those of the 2000 edition;
//! `cases/text/gb18030-editions.tsv` lists the characters that a later edition moved (code point,
//! bytes in the edition of 2022, edition and reason). Each of these must differ from what CPython
//! says, or its row is no longer needed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use portolan_contract::{Charset, FormatCode, TextInput, TextOutput};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::process::Command;

const EDITIONS: &str = include_str!("../cases/text/gb18030-editions.tsv");

#[test]
fn every_character_is_written_as_another_program_writes_it_and_read_again() {
    let moved = moved();
    let mut told = cpython();
    let (mut body, mut text) = (Vec::new(), String::new());
    for character in '\0'..=char::MAX {
        let other = told.next().unwrap();
        let expected = moved.get(&character).unwrap_or(&other);
        let written = encoded(&character.to_string(), Charset::Gb18030).unwrap();
        assert_eq!(written, *expected, "U+{:04X}", u32::from(character));
        assert_eq!(moved.contains_key(&character), *expected != other, "U+{:04X} need not be listed", u32::from(character));
        if character != '\0' {
            body.extend(written);
            text.push(character);
        }
    }
    assert!(told.next().is_none());
    for charset in [Charset::Gb18030, Charset::Gbk, Charset::Gb2312] {
        assert!(decoded(&body, charset) == text, "what is declared as {charset:?} is read as GB 18030");
    }
}

/// GBK and GB/T 2312 write fewer characters, all of the basic plane, and those as GB 18030 does.
#[test]
fn a_part_writes_what_the_whole_does() {
    let mut held = BTreeMap::new();
    for character in ('\0'..='\u{FFFF}').map(String::from) {
        let whole = encoded(&character, Charset::Gb18030).unwrap();
        for charset in [Charset::Gbk, Charset::Gb2312] {
            match encoded(&character, charset) {
                Ok(bytes) => {
                    assert_eq!(bytes, whole, "{character:?} in {charset:?}");
                    *held.entry(charset.label()).or_insert(0_u32) += 1;
                }
                Err(code) => assert_eq!(code, FormatCode::CharacterUnmappable, "{character:?} in {charset:?}"),
            }
        }
        assert!(whole.len() < 4 || encoded(&character, Charset::Gbk).is_err(), "{character:?} has four bytes");
    }
    // ASCII with 7445 characters (GB/T 2312-1980), and with the two-byte sequences but A2E3, the euro sign (GB 18030).
    assert_eq!(held, BTreeMap::from([("GB2312", 128 + 7_445), ("GBK", 128 + 23_940 - 1)]));
}

fn moved() -> BTreeMap<char, Vec<u8>> {
    let row = |line: &str| {
        let [code, hex, _] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        (char::from_u32(u32::from_str_radix(&code[2..], 16).unwrap()).unwrap(), bytes.collect())
    };
    EDITIONS.lines().map(row).collect()
}

/// What CPython writes for each character, in order.
fn cpython() -> impl Iterator<Item = Vec<u8>> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gb18030.py");
    let output = Command::new("python3").arg(program).output().unwrap_or_else(|e| panic!("python3 is needed (make tools): {e}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (told, mut at) = (output.stdout, 0);
    std::iter::from_fn(move || {
        let length = usize::from(*told.get(at)?);
        at += 1 + length;
        Some(told[at - length..at].to_vec())
    })
}

fn encoded(text: &str, charset: Charset) -> Result<Vec<u8>, FormatCode> {
    let mut body = Vec::new();
    let mut output = TextOutput::new(Box::new(&mut body as &mut dyn Write), charset);
    output.write(text).and_then(|()| output.finish()).map_err(|e| e.code)?;
    drop(output);
    Ok(body)
}

fn decoded(body: &[u8], charset: Charset) -> String {
    let mut text = String::new();
    TextInput::new(Box::new(body), charset, usize::MAX).unwrap().read_to_string(&mut text).unwrap();
    text
}
