//! A gateway's operators' listener, as the commands of operators call it.

use super::call::{Access, Caller, Reply, told};
use super::terminal::{Language, speaks_chinese};
use crate::http::query::percent_encoded;
use crate::ops::access::REASON;
use crate::ops::guard::CLIENT;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderValue};
use portolan_contract::Words;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// Characters of others' texts that a table shows.
const TEXT_CHARS_SHOWN: usize = 200;

/// The listener, and the language of its answers.
pub struct Desk {
    caller: Caller,
    /// Whether Chinese is spoken.
    pub zh: bool,
}

/// A refusal of the gateway.
#[derive(Debug, Deserialize)]
struct Problem {
    code: String,
    words: Words,
}

impl Desk {
    /// The listener that the arguments name.
    ///
    /// # Errors
    /// What is wrong with the address or with a file.
    pub fn new(access: &Access, language: Option<Language>) -> Result<Self, String> {
        Ok(Self { caller: access.caller()?, zh: speaks_chinese(language) })
    }

    /// Looks at something.
    ///
    /// # Errors
    /// Why there is no answer, in words.
    pub async fn get(&self, path: &str) -> Result<Value, String> {
        let reply = self.caller.call(Method::GET, path, &self.headers(), None).await.map_err(|e| told(&e))?;
        self.answered(&reply)
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// Why nothing was changed, in words.
    pub async fn change(&self, path: &str, reason: &str, fields: &Map<String, Value>) -> Result<Value, String> {
        let mut headers = self.headers();
        let reason = HeaderValue::from_str(&percent_encoded(reason)).map_err(|e| format!("the reason cannot be sent: {e}"))?;
        headers.insert(REASON, reason);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let body = serde_json::to_vec(fields).map_err(|e| e.to_string())?;
        let reply = self.caller.call_with(Method::POST, path, &headers, Bytes::from(body)).await.map_err(|e| told(&e))?;
        self.answered(&reply)
    }

    /// Chinese or English.
    pub fn say<'t>(&self, chinese: &'t str, english: &'t str) -> &'t str {
        if self.zh { chinese } else { english }
    }

    /// The fields of every call: the language of its answer, and that no browser was made to send it.
    fn headers(&self) -> HeaderMap {
        let language = HeaderValue::from_static(if self.zh { "zh" } else { "en" });
        HeaderMap::from_iter([(ACCEPT_LANGUAGE, language), (CLIENT, HeaderValue::from_static("portolan"))])
    }

    fn answered(&self, reply: &Reply) -> Result<Value, String> {
        if !matches!(reply.status, 200 | 202) {
            return Err(self.refusal(reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| format!("not an answer of this gateway: {error}"))
    }

    /// The gateway's refusal, as it said it.
    fn refusal(&self, reply: &Reply) -> String {
        match serde_json::from_slice::<Problem>(&reply.body) {
            Ok(Problem { code, words }) => {
                format!("{}\n    HTTP {} · portolan explain {code}", if self.zh { &words.zh } else { &words.en }, reply.status)
            }
            Err(_) => format!("HTTP {}, and no answer of this gateway: is this its operators' listener?", reply.status),
        }
    }
}

/// Runs a command to its end on this thread.
pub fn run(command: impl Future<Output = Result<u8, String>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return super::terminal::fail(&error.to_string()),
    };
    match runtime.block_on(command) {
        Ok(code) => ExitCode::from(code),
        Err(message) => super::terminal::fail(&message),
    }
}

/// Text of others on one line: it may hold what steers a terminal.
pub fn plain(text: &str) -> String {
    text.chars().take(TEXT_CHARS_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
