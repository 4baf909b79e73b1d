//! `portolan verify`: what a receipt proves, offline.

use super::exit;
use super::terminal::{Paint, byte_bar, fail, thousands};
use crate::domain::{Digest, Hasher};
use crate::receipt::{Jwks, Mismatch, Verified, verify};
use crate::statement::{self, STATEMENT_BYTES_MAX, Statement};
use portolan_contract::Words;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `--help` says.
pub const ABOUT: &str = "\
Prove offline what a receipt or a daily statement says

Checks the signature with the gateway's published keys, that the evidence leads to the signed root, and, with the file, \
that these very bytes arrived. Of a daily statement (日对账单) the signature is checked, and with its workbook that the \
workbook is the one it names. Nothing of the gateway is asked. Keep the keys from a moment when you trusted the gateway: \
keys that come together with a receipt prove nothing.";

/// What `--help` shows last.
pub const EXAMPLE: &str = "\
Examples:
  curl --cert bank.pem --key bank.key --cacert ca.pem https://gateway.example:8443/.well-known/jwks.json -o jwks.json
  portolan verify feed.xml.receipt.json feed.xml --jwks jwks.json
  portolan verify feed.xml.receipt.json --jwks jwks.json                  the receipt alone
  portolan verify feed.xml.receipt.json feed.xml.gz --jwks jwks.json --encoded
  portolan verify bank-a_payments_20260701_statement.json bank-a_payments_20260701_statement.xlsx --jwks jwks.json

Exit codes: 0 proven, 1 not proven.";

/// Bytes of a key set.
const JWKS_BYTES_MAX: u64 = 1 << 20;
/// What a file proves that was received as it is.
const THESE_BYTES: &str = "exactly these bytes arrived · 收到的正是这些字节";
/// Bytes of a file read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// `portolan verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The receipt or daily statement, as it was saved
    receipt: PathBuf,
    /// The file that was sent, or the statement's workbook
    file: Option<PathBuf>,
    /// The gateway's keys, from /.well-known/jwks.json
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// The file is exactly what went over the line, its compression included
    #[arg(long, requires = "file")]
    encoded: bool,
}

/// Runs it.
pub fn run(args: &Verify) -> ExitCode {
    match prove(args) {
        Ok(Ok(text)) => super::print(&text),
        Ok(Err(mismatches)) => {
            println!("{}", Paint::stdout().red("NOT PROVEN · 未能证明"));
            mismatches.iter().for_each(|words| println!("    {}\n    {}", words.zh, words.en));
            ExitCode::from(exit::FAILED)
        }
        Err(message) => fail(&message),
    }
}

/// Reads a key set.
///
/// # Errors
/// Why it cannot be read, with the file's name.
pub fn read_jwks(path: &Path) -> Result<Jwks, String> {
    let bytes = read_capped(path, JWKS_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8 text", path.display()))?;
    Jwks::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
}

fn read_capped(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!("{}: {error}", path.display())),
        Ok(_) if bytes.len() as u64 > bytes_max => Err(format!("{}: more than {bytes_max} bytes", path.display())),
        Ok(_) => Ok(bytes),
    }
}

/// What is proven, or all that does not match.
///
/// # Errors
/// A file that cannot be read.
fn prove(args: &Verify) -> Result<Result<String, Vec<Words>>, String> {
    let keys = read_jwks(&args.jwks)?;
    let receipt = read_capped(&args.receipt, STATEMENT_BYTES_MAX as u64)?;
    if statement::is_statement(&receipt) {
        return of_statement(&receipt, &keys, args.file.as_deref());
    }
    let body = args.file.as_deref().filter(|_| args.encoded).map(open).transpose()?;
    let verified = match verify(&receipt, &keys, body) {
        Ok(verified) => verified,
        Err(error) => return Ok(Err(error.mismatches.iter().map(Mismatch::words).collect())),
    };
    let of_file = match &args.file {
        None => Ok("not looked at; name it to prove its bytes · 未核对报文文件"),
        Some(_) if args.encoded => Ok(THESE_BYTES),
        Some(file) => compare(file, &verified)?,
    };
    Ok(of_file.map(|of_file| told(&verified, of_file)).map_err(|words| vec![words]))
}

/// What a statement proves, and whether a workbook is its own.
fn of_statement(text: &[u8], keys: &Jwks, workbook: Option<&Path>) -> Result<Result<String, Vec<Words>>, String> {
    let found = workbook.map(|path| Ok::<_, String>(Digest::of(&read_capped(path, STATEMENT_BYTES_MAX as u64)?))).transpose()?;
    let told = |(statement, kid): (Statement, String)| {
        let Statement { day, partner, flow, provisional, signed_at, lines, .. } = statement;
        let standing = if provisional { "the day was not over · 当日尚未结束" } else { "final · 已结束" };
        let file = if found.is_some() {
            "exactly this workbook · 正是此工作簿"
        } else {
            "not looked at; name it to prove it · 未核对工作簿"
        };
        let records = |measure: &str| {
            let own = lines.iter().filter(|line| line.measure == measure && line.basis == "received");
            thousands(own.map(|line| line.records).sum())
        };
        listed(&[
            ("statement", format!("{day} of {partner} under {flow}, {standing}")),
            ("sent", format!("{} records, of which {} accepted, {} refused", records("sent"), records("accepted"), records("refused"))),
            ("delivered", format!("{} records", records("delivered"))),
            ("workbook", file.to_owned()),
            ("signed", format!("{signed_at} with the key {kid}")),
        ])
    };
    Ok(statement::verify(text, keys, found).map(told).map_err(|mismatches| mismatches.iter().map(Mismatch::words).collect()))
}

fn open(path: &Path) -> Result<impl Read, String> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let bar = byte_bar(file.metadata().ok().map(|about| about.len()), "hashing");
    Ok(io::BufReader::with_capacity(BUFFER_BYTES, bar.wrap_read(file)))
}

/// Compares a file with the body as it arrived, and with what it decoded to.
fn compare(path: &Path, verified: &Verified) -> Result<Result<&'static str, Words>, String> {
    let mut hasher = Hasher::default();
    let mut input = open(path)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = input.read(&mut buffer).map_err(|error| format!("{}: {error}", path.display()))?;
        match buffer.get(..read) {
            Some(piece) if read > 0 => hasher.update(piece),
            _ => break,
        }
    }
    let (found, leaf) = (hasher.finish(), &verified.leaf);
    Ok(match (found == leaf.body.sha256, found == leaf.decoded_sha256) {
        (true, _) => Ok(THESE_BYTES),
        (false, true) => Ok("what arrived was compressed and decodes to exactly these bytes · 收到的是压缩报文，解压后正是这些字节"),
        (false, false) => Err(Mismatch::BodyDigest { receipt: leaf.decoded_sha256, found }.words()),
    })
}

fn told(verified: &Verified, of_file: &str) -> String {
    let Verified { leaf, head, kid } = verified;
    let counts = leaf.counts;
    let mut lines = vec![
        ("exchange", leaf.exchange.to_string()),
        ("from", format!("{} under {}", leaf.partner, leaf.flow)),
        ("received", leaf.received_at.clone()),
        ("verdict", {
            let words = leaf.outcome.words();
            let fault = leaf.fault.as_ref().map_or(String::new(), |fault| format!(" ({fault})"));
            format!("{} · {}{fault}", words.en, words.zh)
        }),
        ("records", {
            let [records, accepted, refused] = [counts.records, counts.accepted, counts.refused].map(thousands);
            format!("{records}, of which {accepted} accepted, {refused} refused")
        }),
        ("body", format!("{} bytes, SHA-256 {}", thousands(leaf.body.bytes), leaf.body.sha256)),
        ("file", of_file.to_owned()),
        ("signed", format!("{} with the key {kid}", head.signed_at)),
        ("place", format!("epoch {}, index {}, batch {}", leaf.epoch, leaf.index, head.batch)),
    ];
    if let Some(message_id) = &leaf.message_id {
        lines.insert(2, ("message id", message_id.clone()));
    }
    listed(&lines)
}

fn listed(lines: &[(&str, String)]) -> String {
    let paint = Paint::stdout();
    let lines: String = lines.iter().map(|(name, text)| format!("    {} {text}\n", paint.dim(&format!("{name:10}")))).collect();
    format!("{}\n{lines}", paint.green("PROVEN · 已证明"))
}
