//! The fault catalogue: every way in which a request, an exchange or a delivery can fail.
//!
//! A code is stable for ever. It says whose fault it is, whether a repeat can help and, in one
//! exhaustive match, which HTTP status it has. Its page is `codes/CODE.md`, in English and Chinese.

pub mod catalogue;
pub mod problem;

pub use catalogue::FaultCode;

use crate::domain::{ExchangeId, Finding};
use std::fmt;

/// Whose fault it is (责任方).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The partner that sent (报送方).
    Sender,
    /// The gateway (网关).
    Gateway,
    /// The partner that receives (接收方).
    Receiver,
}

impl Party {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Gateway => "gateway",
            Self::Receiver => "receiver",
        }
    }

    /// What people call it, in Chinese.
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Sender => "报送方",
            Self::Gateway => "网关",
            Self::Receiver => "接收方",
        }
    }
}

impl std::str::FromStr for Party {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Self::Sender, Self::Gateway, Self::Receiver];
        all.into_iter().find(|party| party.as_str() == text).ok_or_else(|| format!("{text:?} is no party"))
    }
}

/// Whether the same request may succeed later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not as it is: something must be changed first.
    Never,
    /// Later, with the same bytes.
    Later,
    /// After so many seconds, with the same bytes.
    AfterSeconds(u64),
}

/// Any error below, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why something failed: who, what, and whether to try again.
#[derive(Debug)]
pub struct Fault {
    /// The stable code.
    pub code: FaultCode,
    /// What was found in this case, in both languages; empty where the code says it all.
    pub detail: portolan_contract::Words,
    /// When to try again, where it is more precise than the code's own answer.
    pub retry: Retry,
    /// Findings in the body.
    pub findings: Vec<Finding>,
    /// The exchange, once there is one.
    pub exchange: Option<ExchangeId>,
    /// What failed below; logged, never sent.
    pub source: Option<BoxError>,
}

impl Fault {
    /// A fault of this code, with the code's own answer about retrying.
    pub fn new(code: FaultCode) -> Self {
        let retry = code.retry();
        Self { code, detail: portolan_contract::Words::default(), retry, findings: Vec::new(), exchange: None, source: None }
    }

    /// The same fault, saying what was found in this case.
    #[must_use]
    pub fn detail(mut self, zh: impl Into<String>, en: impl Into<String>) -> Self {
        self.detail = portolan_contract::Words::new(zh, en);
        self
    }

    /// The same fault, to be tried again after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry = Retry::AfterSeconds(seconds);
        self
    }

    /// The same fault, with what failed below.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, if self.detail.en.is_empty() { self.code.title().1 } else { &self.detail.en })
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}
