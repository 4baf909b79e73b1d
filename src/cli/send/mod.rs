//! `portolan send`: a file pushed as a partner, over mutual TLS.
//!
//! What is sent is prepared first: compressed if asked for, and hashed, since the digest and the
//! key go before the body. An attempt that came to nothing is repeated with the same bytes and the
//! same key, at most [`ATTEMPTS_MAX`] times, so that the file is taken in once at most.

mod answer;
mod prepare;

use super::call::{self, Access, Caller, Reply, Upload, told};
use super::exit;
use super::terminal::{Language, byte_bar, fail, speaks_chinese};
use crate::coding::Coding;
use crate::delivery::push::TransportError;
use crate::domain::{ExchangeId, FlowId};
use crate::schedule::Period;
use answer::Answer;
use clap::ValueEnum;
use hyper::Method;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use prepare::Prepared;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What `--help` says.
pub const ABOUT: &str = "\
Send a file to a gateway as a partner, over mutual TLS

Streams the file with its digest, waits for the verdict, and saves what comes back beside the file: the signed receipt as \
FILE.receipt.json, and the findings as FILE.report.csv, which a spreadsheet opens. A broken line is tried again with the \
same key, so that nothing is taken in twice; sending the same file again later gives the same receipt.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  portolan send --url https://gateway.example:8443 --flow payment-confirmation \\
    --cert bank.pem --key bank.key --ca gateway-ca.pem camt054-20260701.xml

  portolan send … --validate camt054-20260701.xml      check alone: nothing is kept
  portolan send … --corrects 0197c3… corrected.csv     only the rows that were refused, put right
  portolan send … --language zh income.csv             findings in Chinese
  portolan send … --empty-period 2026Q3                there is nothing for the period (本期无数据)

Exit codes: 0 accepted, 3 accepted in part (see the report), 1 refused or failed.";

/// Attempts in all.
const ATTEMPTS_MAX: u32 = 6;
/// The wait after the first attempt; doubled after each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait that is waited for.
const WAIT_MAX: Duration = Duration::from_secs(10 * 60);

/// `portolan send`.
#[derive(Debug, clap::Args)]
pub struct Send {
    #[command(flatten)]
    access: Access,
    /// The flow to send under
    #[arg(long, value_name = "NAME")]
    flow: FlowId,
    /// The mapping of the file's format, where the flow takes several from you
    #[arg(long, value_name = "NAME")]
    mapping: Option<String>,
    /// The media type of the file; by its name unless given
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The key by which a repeat is known; the file's SHA-256 unless given
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// The exchange whose refused records this file corrects
    #[arg(long, value_name = "ID")]
    corrects: Option<ExchangeId>,
    /// Declare instead of sending a file that there is nothing for this period, such as 2026Q3, 2026-07 or 2026-07-15
    #[arg(long, value_name = "PERIOD", conflicts_with_all = ["file", "corrects", "compress"])]
    empty_period: Option<Period>,
    /// Only check: the gateway keeps nothing and there is no receipt
    #[arg(long)]
    validate: bool,
    /// Compress while sending; a FILE.gz or FILE.zst is sent as it is
    #[arg(long, value_name = "CODING", default_value = "none")]
    compress: Compress,
    /// The language of findings; by the locale unless given
    #[arg(long, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// The file to send
    #[arg(value_name = "FILE", required_unless_present = "empty_period")]
    file: Option<PathBuf>,
}

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compress {
    /// Not at all
    None,
    /// gzip
    Gzip,
    /// Zstandard
    Zstd,
}

impl Send {
    /// The file; of a declaration the name beside which its receipt is saved.
    fn name(&self) -> PathBuf {
        let declared = || self.empty_period.map(|period| PathBuf::from(format!("{}-{period}-empty", self.flow)));
        self.file.clone().or_else(declared).unwrap_or_default()
    }

    fn zh(&self) -> bool {
        speaks_chinese(self.language)
    }
}

/// Runs it.
pub fn run(args: &Send) -> ExitCode {
    match send(args) {
        Ok(code) => ExitCode::from(code),
        Err(message) => fail(&message),
    }
}

fn send(args: &Send) -> Result<u8, String> {
    let caller = args.access.caller()?;
    let coding = match args.compress {
        Compress::None => Coding::Identity,
        Compress::Gzip => Coding::Gzip,
        Compress::Zstd => Coding::Zstd,
    };
    let file = args.name();
    let prepared = match args.empty_period {
        Some(_) => prepare::nothing(),
        None => prepare::prepare(&file, coding),
    };
    let prepared = prepared.map_err(|e| format!("{}: {e}", file.display()))?;
    let headers = headers(args, &prepared)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let reply = push(args, &caller, &prepared, &headers).await?;
        let answer = Answer::read(&reply)?;
        answer::conclude(&answer, &reply, &caller, &file, args.zh()).await
    })
}

/// The header fields of the submission, the same for every attempt.
fn headers(args: &Send, prepared: &Prepared) -> Result<HeaderMap, String> {
    let usual = || {
        args.empty_period.map_or_else(|| prepared.file_digest.to_string(), |period| format!("{}/{}", args.flow, period.empty_message_id()))
    };
    let key = args.idempotency_key.clone().unwrap_or_else(usual);
    let name = args.name();
    let content_type = args.content_type.as_deref().unwrap_or_else(|| prepare::media_type(&name));
    let mut fields = vec![
        (CONTENT_TYPE, content_type.to_owned()),
        (HeaderName::from_static("content-digest"), call::content_digest(prepared.digest)),
        (HeaderName::from_static("accept"), "application/json".to_owned()),
        (HeaderName::from_static("accept-language"), if args.zh() { "zh" } else { "en" }.to_owned()),
    ];
    if !args.validate {
        fields.push((HeaderName::from_static("idempotency-key"), key));
    }
    if let Some(period) = args.empty_period {
        fields.push((HeaderName::from_static("portolan-empty-period"), period.to_string()));
        fields.push((CONTENT_LENGTH, "0".to_owned()));
    }
    if prepared.coding != Coding::Identity {
        fields.push((CONTENT_ENCODING, prepared.coding.as_str().to_owned()));
    }
    if let Some(id) = args.corrects {
        fields.push((HeaderName::from_static("portolan-corrects"), id.to_string()));
    }
    fields
        .into_iter()
        .map(|(name, text)| match HeaderValue::from_str(&text) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(format!("{text:?} cannot stand in the header field {name}")),
        })
        .collect()
}

/// Submits until there is an answer that a repeat would not change.
async fn push(args: &Send, caller: &Caller, prepared: &Prepared, headers: &HeaderMap) -> Result<Reply, String> {
    let mut path = format!("/v1/flows/{}/exchanges", args.flow);
    let query = [args.validate.then(|| "mode=validate".to_owned()), args.mapping.as_ref().map(|name| format!("mapping={name}"))];
    for (n, pair) in query.into_iter().flatten().enumerate() {
        path += &format!("{}{pair}", if n == 0 { '?' } else { '&' });
    }
    let mut wait = FIRST_WAIT;
    for attempt in 1.. {
        let bar = byte_bar(Some(prepared.bytes), "sending");
        let upload = Upload { path: &prepared.path, bytes: prepared.bytes, bar: bar.clone() };
        let sent = caller.call(Method::POST, &path, headers, Some(upload)).await;
        bar.finish_and_clear();
        let (reason, asked) = match sent {
            Ok(reply) => match reply.again() {
                None => return Ok(reply),
                Some(asked) if attempt == ATTEMPTS_MAX || asked > WAIT_MAX => return Ok(reply),
                Some(asked) => (format!("the gateway answered {}", reply.status), asked),
            },
            Err(error) => {
                let lasting = matches!(error, TransportError::Untrusted(_) | TransportError::Unusable(_));
                if lasting || attempt == ATTEMPTS_MAX {
                    return Err(told(&error));
                }
                (told(&error), Duration::ZERO)
            }
        };
        let pause = wait.max(asked);
        eprintln!("{reason}; trying again in {} s with the same key", pause.as_secs());
        tokio::time::sleep(pause).await;
        wait *= 2;
    }
    Err("no attempt was made".to_owned())
}

/// Whether an exit code says that something was taken in.
fn code_of(outcome: crate::domain::Outcome) -> u8 {
    use crate::domain::Outcome;
    match outcome {
        Outcome::Accepted => exit::GOOD,
        Outcome::InPart => exit::IN_PART,
        Outcome::Refused => exit::FAILED,
    }
}
