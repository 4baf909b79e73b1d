//! What a scenario says. One TOML file each; unknown keys are refused.
//!
//! In paths, header values, body text and expected text, `{run}` is a word that is new in every
//! play, and `{STEP.exchange}` the exchange id that the earlier step of that name was answered. In
//! header values `{sha256}` is the Base64 of the body's SHA-256.

use crate::body::Body;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// One scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without its ending.
    #[serde(skip)]
    pub name: String,
    /// What happens and what is expected, in a line.
    pub title: String,
    /// The requirements that it shows.
    pub shows: Vec<String>,
    /// The protocols to play it with; both unless it says otherwise.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
    /// What is done, in order.
    pub step: Vec<Step>,
}

/// An HTTP version.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http1,
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
}

/// A request and what is expected of its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A name by which later steps may speak of it.
    #[serde(default)]
    pub name: String,
    /// Files of the gateway's configuration and their new texts, put there before the request; an
    /// empty text is the file as it was at first. What the gateway makes of them is awaited.
    #[serde(default)]
    pub change: BTreeMap<String, String>,
    /// The step whose line was held: the body is sent on it as it stands, and the answer awaited.
    #[serde(default)]
    pub resume: String,
    /// Who calls.
    #[serde(default = "bank")]
    pub identity: String,
    /// The one TLS version to offer; 1.3 and 1.2 unless it says otherwise.
    pub tls: Option<TlsVersion>,
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// The address, from its slash on.
    #[serde(default)]
    pub path: String,
    /// Header fields; `Host` and `Content-Length` are added.
    #[serde(default)]
    pub headers: BTreeMap<String, Values>,
    /// The body.
    #[serde(default)]
    pub body: Body,
    /// Whether the body's length is left unsaid.
    #[serde(default)]
    pub chunked: bool,
    /// For HTTP/1.1: these lines as they stand instead of method, path and headers, the body as it
    /// stands after them.
    #[serde(default)]
    pub raw_head: Vec<String>,
    /// For a raw request: what follows its last byte.
    #[serde(default)]
    pub then: Then,
    /// How often it is sent until it is answered with the expected status.
    #[serde(default = "once")]
    pub attempts_max: u32,
    /// What is expected.
    pub expect: Expect,
}

/// The value of a header field, or several fields of one name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Values {
    /// One.
    One(String),
    /// One that is a text several times.
    Long {
        /// The text.
        text: String,
        /// How often it is repeated.
        times: usize,
    },
    /// Several.
    Many(Vec<String>),
}

/// A TLS version, or none of them.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    #[serde(rename = "1.2")]
    Tls12,
    /// 1.3.
    #[serde(rename = "1.3")]
    Tls13,
    /// Bytes without TLS.
    #[serde(rename = "none")]
    Plain,
}

/// What follows the last byte of a raw request.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// Nothing: the line stays open and the answer is awaited.
    #[default]
    Wait,
    /// The sending side is closed and the answer is awaited.
    HalfClose,
    /// The line is cut; nobody is there for an answer.
    Cut,
    /// The line stays open to the end of the scenario; no answer is awaited.
    Hold,
}

/// What is expected of an answer. What is absent is not looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The status.
    pub status: Option<u16>,
    /// The problem's code.
    pub code: Option<String>,
    /// Whose fault it is.
    pub party: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: Option<bool>,
    /// Header fields; `*` is any value, `*TEXT*` any with that text in it.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Members of the JSON body, by JSON Pointer (RFC 6901).
    #[serde(default)]
    pub json: BTreeMap<String, toml::Value>,
    /// JSON Pointers at which there must be nothing.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Every finding, in order, as far as its members are given here.
    pub findings: Option<Vec<BTreeMap<String, toml::Value>>>,
    /// Text that must occur in the body.
    #[serde(default)]
    pub contains: Vec<String>,
    /// How many exchanges of the caller the journal gained.
    pub journaled: Option<usize>,
    /// The step whose receipt this answer must repeat byte for byte.
    pub receipt_of: Option<String>,
    /// The TLS alert that ends the connection instead of an answer, by its name in RFC 8446.
    pub alert: Option<String>,
    /// The connection ends without an answer, or none is awaited.
    #[serde(default)]
    pub silence: bool,
}

impl Scenario {
    /// The protocols to play it with. Bytes as they stand are HTTP/1.1.
    pub fn protocols(&self) -> &[Protocol] {
        match (self.protocols.is_empty(), self.step.iter().any(|s| !s.raw_head.is_empty())) {
            (false, _) => &self.protocols,
            (true, true) => &[Protocol::Http1],
            (true, false) => &[Protocol::Http1, Protocol::Http2],
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
        })
    }
}

fn bank() -> String {
    "bank".to_owned()
}

fn post() -> String {
    "POST".to_owned()
}

fn once() -> u32 {
    1
}
