//! `portolan certs`: a development or small private certificate authority on the command line.

use super::authority::{AUTHORITY_DAYS, Authority, CERTIFICATE_DAYS, CertsError, DAYS_MAX, Issued, LIST_DAYS, Names, Usage, Validity};
use crate::domain::Name;
use crate::seams::{Clock, SystemClock};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

const INIT_EXAMPLE: &str = "Example:
  portolan certs init --folder ca --name \"Development CA\"

Then name ca/ca.pem under client_authorities and ca/crl.pem under revocation_lists in portolan.toml.";

const ISSUE_EXAMPLE: &str = "Examples:
  portolan certs issue --folder ca --name gateway --use server --dns gateway.example --ip 127.0.0.1
  portolan certs issue --folder ca --name bank-a --use client --organization \"Bank A\"

The printed key digest is what a partner file lists:
  [[certificate]]
  key_sha256 = \"…\"

A partner that can make its own key should: see `portolan certs sign --help`.";

const SIGN_EXAMPLE: &str = "Example: the partner makes its key and keeps it,
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \\
    -keyout bank-a.key -out bank-a.csr -subj \"/O=Bank A/CN=bank-a\"
and sends bank-a.csr, which you sign:
  portolan certs sign bank-a.csr --folder ca --name bank-a --use client

Signing a newer request under the same name keeps the earlier certificate as NAME.old.pem; it stays
valid until it ends or is revoked, so that the partner can change over without a gap.";

const RENEW_EXAMPLE: &str = "Examples:
  portolan certs renew bank-a --folder ca             same key: partner files need no change
  portolan certs renew bank-a --folder ca --new-key   list both digests until the change is over
  portolan certs renew --folder ca                    the revocation list alone; run it daily";

const REVOKE_EXAMPLE: &str = "Examples:
  portolan certs revoke bank-a --folder ca                        the newest certificate of that name
  portolan certs revoke bank-a.old.pem --folder ca                the certificate in a file
  portolan certs revoke 4f3c0a8e5b1d2c3f4a5b6c7d8e9fa0b1 --folder ca

Copy ca/crl.pem to where the gateway reads it; it takes effect on open connections too.";

/// Make and look after the identities of a development or small private certificate authority.
#[derive(Debug, Subcommand)]
pub enum CertsCommand {
    /// Make a certificate authority in a folder: certificate, key and empty revocation list
    #[command(after_help = INIT_EXAMPLE)]
    Init(Init),
    /// Make a key and a certificate for it
    #[command(after_help = ISSUE_EXAMPLE)]
    Issue(Issue),
    /// Sign a partner's request; its private key never leaves the partner
    #[command(after_help = SIGN_EXAMPLE)]
    Sign(Sign),
    /// Sign an earlier certificate's names again, or the revocation list
    #[command(after_help = RENEW_EXAMPLE)]
    Renew(Renew),
    /// Revoke a certificate and sign the revocation list anew
    #[command(after_help = REVOKE_EXAMPLE)]
    Revoke(Revoke),
}

/// `certs init`.
#[derive(Debug, Args)]
pub struct Init {
    /// The folder to make it in
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// The authority's common name
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// The authority's organization
    #[arg(long, value_name = "TEXT")]
    organization: Option<String>,
    /// Days that the authority is valid
    #[arg(long, default_value_t = AUTHORITY_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// Days until a revocation list is out of date
    #[arg(long, default_value_t = LIST_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    list_days: u32,
}

/// How long a new certificate is valid.
#[derive(Debug, Args)]
pub struct Span {
    /// Days that the certificate is valid from now on
    #[arg(long, default_value_t = CERTIFICATE_DAYS, value_parser = clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX)))]
    days: u32,
    /// Beginning of validity instead of now: 2026-01-31 (UTC) or 2026-01-31T08:00:00+08:00
    #[arg(long, value_name = "TIME", value_parser = time)]
    not_before: Option<Timestamp>,
    /// End of validity instead of --days
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "days")]
    not_after: Option<Timestamp>,
}

/// `certs issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Name of the files, and the common name unless another is given
    #[arg(long, value_name = "NAME")]
    name: Name,
    /// The subject's common name
    #[arg(long, value_name = "TEXT")]
    common_name: Option<String>,
    /// The subject's organization
    #[arg(long, value_name = "TEXT")]
    organization: Option<String>,
    /// A DNS name; may be given again
    #[arg(long, value_name = "NAME")]
    dns: Vec<String>,
    /// An IP address; may be given again
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    /// What the certificate is for
    #[arg(long = "use", value_enum)]
    usage: Usage,
    #[command(flatten)]
    span: Span,
}

/// `certs sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The request: PKCS#10 as PEM
    #[arg(value_name = "CSR.pem")]
    request: PathBuf,
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Name of the file
    #[arg(long, value_name = "NAME")]
    name: Name,
    /// What the certificate is for, whatever the request says
    #[arg(long = "use", value_enum, default_value = "client")]
    usage: Usage,
    #[command(flatten)]
    span: Span,
}

/// `certs renew`.
#[derive(Debug, Args)]
pub struct Renew {
    /// Whose certificate; without it, the revocation list alone
    #[arg(value_name = "NAME")]
    name: Option<Name>,
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Make a new key too
    #[arg(long, requires = "name")]
    new_key: bool,
    #[command(flatten)]
    span: Span,
}

/// `certs revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// Serial number, name, or PEM file of the certificate
    #[arg(value_name = "SERIAL|NAME|FILE")]
    which: String,
    /// The authority's folder
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
}

/// Does what the command asks and prints what came of it.
///
/// # Errors
/// Those of [`Authority`].
pub fn run(command: CertsCommand) -> Result<(), CertsError> {
    let text = perform(command, &SystemClock)?;
    // The work is done; a reader that went away changes nothing about it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

fn perform(command: CertsCommand, clock: &dyn Clock) -> Result<String, CertsError> {
    match command {
        CertsCommand::Init(init) => {
            let names = Names { common_name: init.name, organization: init.organization, alternative: Vec::new() };
            let validity = Validity::days(clock.now(), init.days);
            let authority = Authority::create(&init.folder, &names, validity, init.list_days, clock)?;
            Ok(format!(
                "authority   {}\ncertificate {}\nlist        {}\nkey sha256  {}\nvalid until {}\n",
                authority.summary().subject,
                authority.certificate_file().display(),
                authority.list_file().display(),
                authority.summary().key_sha256,
                authority.summary().not_after,
            ))
        }
        CertsCommand::Issue(issue) => {
            let alternative = issue.dns.into_iter().chain(issue.ip.iter().map(IpAddr::to_string)).collect();
            let common_name = issue.common_name.unwrap_or_else(|| issue.name.to_string());
            let names = Names { common_name, organization: issue.organization, alternative };
            let validity = validity(&issue.span, clock);
            Authority::open(&issue.folder)?.issue(&issue.name, &names, issue.usage, validity, clock).map(|issued| told(&issued))
        }
        CertsCommand::Sign(sign) => {
            let validity = validity(&sign.span, clock);
            Authority::open(&sign.folder)?.sign(&sign.name, &sign.request, sign.usage, validity, clock).map(|issued| told(&issued))
        }
        CertsCommand::Renew(renew) => {
            let mut authority = Authority::open(&renew.folder)?;
            let Some(name) = renew.name else {
                authority.renew_list(clock)?;
                return Ok(format!("list        {}\n", authority.list_file().display()));
            };
            authority.renew(&name, renew.new_key, validity(&renew.span, clock), clock).map(|issued| told(&issued))
        }
        CertsCommand::Revoke(revoke) => {
            let mut authority = Authority::open(&revoke.folder)?;
            let serial = authority.revoke(&revoke.which, clock)?;
            let mut text = format!("revoked     {serial}\nlist        {}\n", authority.list_file().display());
            for other in authority.valid_beside(&serial, clock) {
                text +=
                    &format!("still valid {other}, of the same name: revoke it too, unless its key is another and still its partner's\n");
            }
            Ok(text)
        }
    }
}

fn told(issued: &Issued) -> String {
    let summary = &issued.summary;
    let mut text = format!("certificate {}\n", issued.chain.display());
    if let Some(key) = &issued.key {
        text += &format!("key         {}\n", key.display());
    }
    text += &format!("subject     {}\n", summary.subject);
    if !summary.alternative_names.is_empty() {
        text += &format!("names       {}\n", summary.alternative_names.join(", "));
    }
    text + &format!("serial      {}\nkey sha256  {}\nvalid until {}\n", summary.serial, summary.key_sha256, summary.not_after)
}

fn validity(span: &Span, clock: &dyn Clock) -> Validity {
    let usual = Validity::days(clock.now(), span.days);
    Validity { not_before: span.not_before.unwrap_or(usual.not_before), not_after: span.not_after.unwrap_or(usual.not_after) }
}

fn time(text: &str) -> Result<Timestamp, String> {
    let date = || text.parse::<Date>().and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)));
    text.parse().or_else(|_| date()).map_err(|e| format!("{e}; write 2026-01-31 or 2026-01-31T08:00:00+08:00"))
}
