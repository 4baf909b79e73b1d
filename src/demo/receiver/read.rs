//! The bureau's own readers of what it asked for: canonical JSON, the platform income table as CSV,
//! and export inventories as CEB603 XML.
//!
//! They are written by hand, apart from the gateway's adapters and mappings, so that what they read
//! says whether the gateway rendered every field rightly.

mod ceb603;
mod income;

use serde_json::Value;

/// The records of a delivery, each as its canonical record.
///
/// # Errors
/// What is wrong with the media type or the body.
pub fn records(media_type: &str, body: &[u8]) -> Result<Vec<Value>, String> {
    let kind = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" | "application/x-ndjson" => json_records(body),
        "text/csv" => income::records(&text(charset(media_type), body)?),
        "application/xml" | "text/xml" => ceb603::records(&text(charset(media_type), body)?),
        other => Err(format!("{other} is not read here")),
    }
}

/// Values one after the other; an array stands for its elements.
fn json_records(body: &[u8]) -> Result<Vec<Value>, String> {
    let mut records = Vec::new();
    for value in serde_json::Deserializer::from_slice(body).into_iter() {
        match value.map_err(|e| e.to_string())? {
            Value::Array(several) => records.extend(several),
            one => records.push(one),
        }
    }
    Ok(records)
}

/// The `charset` of a media type; UTF-8 where it has none.
fn charset(media_type: &str) -> &str {
    let named = media_type.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    named.map_or("utf-8", |name| name.trim_matches('"'))
}

fn text(charset: &str, body: &[u8]) -> Result<String, String> {
    let encoding = encoding_rs::Encoding::for_label(charset.as_bytes()).ok_or_else(|| format!("{charset} is not a charset"))?;
    match encoding.decode(body) {
        (text, _, false) => Ok(text.into_owned()),
        _ => Err(format!("the body is not {charset}")),
    }
}

/// Sets the member at a path such as `operator.name`.
fn set(record: &mut Value, path: &str, value: Value) {
    let mut at = record;
    for name in path.split('.') {
        at = &mut at[name];
    }
    *at = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::feeds::ceb603::{Ceb603, Charset};
    use crate::demo::feeds::platform_income::PlatformIncome;
    use crate::demo::feeds::{Expected, Feed, Size};

    /// What a feed sends, read by the bureau, is what the feed says of it.
    fn check(media_type: &str, feed: &dyn Feed) {
        let read = records(media_type, &feed.body()).expect("it is read");
        let told: Vec<_> = feed.facts().into_iter().map(|fact| fact.expected).collect();
        assert_eq!(read.into_iter().map(Expected::Accepted).collect::<Vec<_>>(), told, "{media_type}");
    }

    #[test]
    fn feeds_are_read_as_told() {
        let (seed, message, size) = (11, 1, Size::Records(120));
        check("text/csv; charset=GB18030", &PlatformIncome { seed, message, size, wrong: [].into() });
        check("application/xml; charset=utf-8", &Ceb603 { seed, message, size, charset: Charset::Utf8 });
        check("text/xml;charset=\"gb2312\"", &Ceb603 { seed, message, size, charset: Charset::Gb2312 });
    }

    #[test]
    fn json_is_read_as_lines_and_as_an_array() {
        let expected = vec![serde_json::json!({ "a": "1" }), serde_json::json!({ "a": "2" })];
        assert_eq!(records("application/x-ndjson", b"{\"a\":\"1\"}\n{\"a\":\"2\"}\n"), Ok(expected.clone()));
        assert_eq!(records("application/json", b"[{\"a\":\"1\"},{\"a\":\"2\"}]"), Ok(expected));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for (media_type, body) in [
            ("image/png", &b"x"[..]),
            ("application/json", b"{\"a\":"),
            ("text/csv; charset=utf-8", b"\xff"),
            ("text/csv; charset=nothing", b"a"),
            ("text/csv", b"a,\"b\n"),
            ("text/csv", b"no,such,headings\r\n1,2,3\r\n"),
            ("application/xml", b"<CEB603Message>"),
            ("application/xml", b"<CEB603Message></Other>"),
            ("application/xml", b"<Other></Other>"),
        ] {
            assert!(records(media_type, body).is_err(), "{media_type} {body:?}");
        }
    }
}
