//! What an operator or a caller writes that is no body: mappings, schemas, expressions, query strings.

use portolan::coding::{Coding, DecodeError, DecodeLimits, decode};
use portolan::domain::{Digest, Id, Name};
use portolan::formats::formats;
use portolan::http::query::{parse_query, percent_decoded, percent_encoded};
use portolan::mapping::cases::convert;
use portolan::mapping::library::Library;
use portolan::mapping::rules::{Expression, Runner};
use portolan::mapping::{Bundle, Canonical, Mapping};
use portolan_contract::Format;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::{Arc, LazyLock};

use crate::holds::Dribble;

/// Bytes that a compressed body may become.
const DECODE_LIMITS: DecodeLimits = DecodeLimits { decoded_bytes_max: 4 << 20, expansion_ratio_max: 100 };

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::load(&[]).unwrap_or_else(|problems| panic!("{problems:?}")));
static FORMATS: LazyLock<Vec<Box<dyn Format>>> = LazyLock::new(formats);

/// A mapping's text, or after a first byte that is odd a canonical schema's.
pub fn compile(input: &[u8]) {
    let Some((&kind, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    if kind % 2 == 1 {
        match Canonical::compile("fuzz.v1", text) {
            Ok(canonical) => {
                canonical.business_key(&json!({"a": [1, {"b": "c"}]}));
            }
            Err(message) => assert!(!message.is_empty()),
        }
        return;
    }
    let bundle = Bundle { name: "fuzz".to_owned(), mapping: text.to_owned(), codes: BTreeMap::new() };
    match Mapping::compile(&bundle, &FORMATS, &|name| LIBRARY.canonical(name).cloned()) {
        Ok(mapping) => used(&mapping, &bundle),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            let lines = 1 + text.matches('\n').count();
            problems.iter().for_each(|p| assert!(!p.message.is_empty() && p.line <= lines, "line {} of {lines}: {}", p.line, p.message));
        }
    }
}

/// A mapping that compiles does so again from what is pinned of it, and reads whatever comes.
fn used(mapping: &Mapping, bundle: &Bundle) {
    let pinned = Library::pinned(&serde_json::to_string(bundle).unwrap(), &mapping.canonical.text);
    assert!(pinned.is_ok(), "what is pinned does not compile: {:?}", pinned.err());
    if mapping.direction.reads() {
        for body in ["", "{}", "<a/>", "a,b\n1,2\n"] {
            if let Err(error) = convert(mapping, &jiff::tz::TimeZone::UTC, body.as_bytes()) {
                crate::holds::words(&error.words);
            }
        }
    }
}

static RECORD: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "amount": "12.30", "currency": "CNY", "name": "税务", "count": 3, "reversal": true, "none": null,
        "account": {"iban": "DE02120300000000202051", "number": "1"},
        "lines": [{"amount": "1.00", "code": "A"}, {"amount": "-2.5", "code": "B"}],
    })
});

/// An expression; one that compiles gives the same each time.
pub fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let decimals: BTreeSet<String> = ["amount", "lines.amount"].into_iter().map(str::to_owned).collect();
    match Expression::compile(text, &decimals) {
        Err(message) => assert!(!message.is_empty()),
        Ok(expression) => {
            let one = expression.value(&Runner::new(), &RECORD);
            assert_eq!(one, expression.value(&Runner::new(), &RECORD), "{text}");
        }
    }
}

/// A query string and what callers name things by.
pub fn query(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for (name, value) in parse_query(&text) {
        let written = format!("{}={}", percent_encoded(&name), percent_encoded(&value));
        assert_eq!(parse_query(&written), [(name, value)], "{written}");
    }
    assert_eq!(percent_decoded(&percent_encoded(&text)), text.as_bytes());
    if let Some(coding) = Coding::from_header(&text) {
        assert_eq!(Coding::from_header(coding.as_str()), Some(coding));
    }
    if let Ok(name) = text.parse::<Name>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(id) = text.parse::<Id>() {
        assert_eq!(id.to_string().parse::<Id>().ok(), Some(id));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>().ok(), Some(digest));
    }
}

/// A compressed body: gzip, or after a first byte that is odd zstd.
pub fn coding(input: &[u8]) {
    let Some((&kind, body)) = input.split_first() else { return };
    let coding = if kind % 2 == 1 { Coding::Zstd } else { Coding::Gzip };
    let decoded = |input: Box<dyn Read + Send>| {
        let mut out = Vec::new();
        let mut decoder = decode(coding, input, body.len() as u64, DECODE_LIMITS).unwrap();
        let error = decoder.read_to_end(&mut out).err();
        assert!(out.len() as u64 <= DECODE_LIMITS.decoded_bytes_max, "{} bytes", out.len());
        let known = error.as_ref().map(|e| e.get_ref().and_then(|e| e.downcast_ref::<DecodeError>()).copied());
        assert!(known != Some(None), "a body is at fault, and it is not said: {error:?}");
        (out, known)
    };
    let (one, other) = (decoded(Box::new(std::io::Cursor::new(body.to_vec()))), decoded(Box::new(Owned::new(body))));
    assert_eq!(one.1, other.1, "refused or not as the bytes come in");
    if one.1.is_none() {
        assert_eq!(one.0, other.0);
    }
}

/// A [`Dribble`] that owns its bytes.
struct Owned(Vec<u8>, usize);

impl Owned {
    fn new(body: &[u8]) -> Self {
        Self(body.to_vec(), 0)
    }
}

impl Read for Owned {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let read = Dribble::new(&self.0[self.1..]).read(out)?;
        self.1 += read;
        Ok(read)
    }
}
