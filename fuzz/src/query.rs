//! What callers write beside bodies: query strings, names, ids and digests. What is read is written the same again.

use portolan::coding::Coding;
use portolan::domain::{Digest, Id, Name};
use portolan::http::query::{parse_query, percent_decoded, percent_encoded};
use std::fmt::Display;
use std::str::FromStr;

/// A text as a query string, and as each of the things that callers name.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    for (name, value) in parse_query(&text) {
        let written = format!("{}={}", percent_encoded(&name), percent_encoded(&value));
        assert_eq!(parse_query(&written), [(name, value)], "{written}");
    }
    assert_eq!(percent_decoded(&percent_encoded(&text)), text.as_bytes());
    if let Some(coding) = Coding::from_header(&text) {
        assert_eq!(Coding::from_header(coding.as_str()), Some(coding));
    }
    stays::<Name>(&text);
    stays::<Id>(&text);
    stays::<Digest>(&text);
}

fn stays<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        let written = read.to_string();
        assert!(written.parse::<T>().is_ok_and(|again| again == read), "{text:?} is written as {written:?}");
    }
}
