//! The words that every module shares: names, ids, digests, findings, verdicts.
//!
//! Nothing here does I/O or derives wire serialization beyond what is stored as evidence.

mod operator;

pub use operator::{Operator, Role};

use crate::amounts::Tally;
use portolan_contract::table::column_letters;
use portolan_contract::{Position, Words};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

/// Characters of a name: partner, flow, mapping, destination.
pub const NAME_CHARS_MAX: usize = 63;

/// A name as it stands in file names and addresses: `a-z`, `0-9`, `-`, at most
/// [`NAME_CHARS_MAX`], beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len());
        let legal = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && !text.starts_with('-');
        if fits && legal {
            Ok(Self(text.into()))
        } else {
            Err(format!("{text:?} is not a name: use a-z, 0-9 and -, at most {NAME_CHARS_MAX}, beginning with a letter or digit"))
        }
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A partner (接入单位).
pub type PartnerId = Name;
/// A flow (交换业务).
pub type FlowId = Name;

/// A destination: one of the places at which a partner receives, written `partner/place`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DestinationId {
    /// The receiving partner.
    pub partner: PartnerId,
    /// Which of its places.
    pub place: Name,
}

impl FromStr for DestinationId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (partner, place) = text.split_once('/').ok_or_else(|| format!("{text:?} is not a destination: write PARTNER/PLACE"))?;
        Ok(Self { partner: partner.parse()?, place: place.parse()? })
    }
}

impl TryFrom<String> for DestinationId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<DestinationId> for String {
    fn from(id: DestinationId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partner, self.place)
    }
}

/// An unguessable id that sorts by time: 48 bits of milliseconds since 1970, then 80 random bits,
/// written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id([u8; 16]);

/// The id of an exchange (交换单).
pub type ExchangeId = Id;
/// The id of a delivery (投递).
pub type DeliveryId = Id;

impl Id {
    /// An id from a time and 80 random bits.
    pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The bytes, as the journal keeps them.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from the bytes that the journal keeps.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 16];
        decode_hex(text, &mut bytes).map(|()| Self(bytes)).ok_or_else(|| "an id is 32 lower-case hexadecimal digits".to_owned())
    }
}

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// A SHA-256 digest (FIPS 180-4), written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }
}

/// Computes a [`Digest`] piece by piece.
pub struct Hasher(aws_lc_rs::digest::Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256))
    }
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes added.
    pub fn finish(self) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.0.finish().as_ref());
        Digest(digest)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes).map(|()| Self(bytes)).ok_or_else(|| "a SHA-256 digest is 64 lower-case hexadecimal digits".to_owned())
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().try_for_each(|b| {
        f.write_char(char::from(DIGITS[usize::from(b >> 4)]))?;
        f.write_char(char::from(DIGITS[usize::from(b & 15)]))
    })
}

fn decode_hex(text: &str, into: &mut [u8]) -> Option<()> {
    let text = text.as_bytes();
    if text.len() != into.len() * 2 {
        return None;
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in into.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The record stands; someone should look.
    Warning,
    /// The record is refused.
    Error,
}

/// Something wrong or doubtful (校验问题), in a record or in the whole body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// The rule's stable id, such as `type.money` or a mapping's own rule.
    pub rule: String,
    /// Record number in the body, counted from 1; `None` for the body as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<u64>,
    /// The part of the body, such as a sheet of a workbook, where the body has parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Where in the body, or in its part.
    pub at: Position,
    /// Path in the source, such as `Document/…/Amt` or a column's heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Path in the canonical record, such as `amount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canonical: Option<String>,
    /// The text found, cut to [`FOUND_CHARS_MAX`] characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What is wrong and what was expected.
    pub words: Words,
}

/// Characters of the offending text that a finding repeats.
pub const FOUND_CHARS_MAX: usize = 80;

impl Finding {
    /// Whether it stands at a place in the body, rather than concerning the body as a whole.
    pub fn is_somewhere(&self) -> bool {
        self.at.line > 0 || self.part.is_some()
    }

    /// The place as a spreadsheet or an editor shows it, in Chinese or English: `收入!C17` for a cell
    /// of a sheet.
    pub fn place(&self, zh: bool) -> String {
        let (spot, heading) = (self.spot(zh), self.source.as_deref());
        match (heading, self.at.column > 0 && !self.in_sheet(), zh) {
            (None, ..) => spot,
            (Some(heading), true, true) => format!("{spot}，{heading} 列"),
            (Some(heading), true, false) => format!("{spot}, column {heading}"),
            (Some(source), false, true) => format!("{spot}，{source}"),
            (Some(source), false, false) => format!("{spot}, {source}"),
        }
    }

    /// The place without the path or heading.
    pub fn spot(&self, zh: bool) -> String {
        spot(self.part.as_deref(), self.at, self.source.is_some(), zh)
    }

    /// Whether the part is a sheet.
    pub fn in_sheet(&self) -> bool {
        is_in_sheet(self.part.as_deref(), self.at)
    }
}

/// A place in a body, or in a part of it, as a spreadsheet or an editor shows it; `named` where a heading or
/// path stands beside it.
pub fn spot(part: Option<&str>, at: Position, named: bool, zh: bool) -> String {
    let Position { line, byte, column } = at;
    let in_sheet = is_in_sheet(part, at);
    // A heading says more than a column's number; a body as a whole has neither.
    let number = Some(column).filter(|column| *column > 0 && !named);
    let within = match (column > 0 || in_sheet, number, zh) {
        (true, None, true) => format!("第 {line} 行"),
        (true, None, false) => format!("row {line}"),
        (true, Some(column), true) => format!("第 {line} 行，{column} 列"),
        (true, Some(column), false) => format!("row {line}, column {column}"),
        (false, _, true) => format!("第 {line} 行，字节 {byte}"),
        (false, _, false) => format!("line {line}, byte {byte}"),
    };
    match (part, zh) {
        (None, _) => within,
        // The start of a part is no place within it.
        (Some(part), _) if line == 0 || (line == 1 && byte == 0 && column == 0) => part.to_owned(),
        (Some(part), _) if in_sheet && column > 0 => format!("{}!{}{line}", sheet_reference(part), column_letters(column)),
        (Some(part), true) => format!("{part}：{within}"),
        (Some(part), false) => format!("{part}: {within}"),
    }
}

/// Whether a part is a sheet: its cells have no offset in bytes. The very first byte of another kind of
/// table is a cell `A1` as well.
fn is_in_sheet(part: Option<&str>, at: Position) -> bool {
    part.is_some() && at.byte == 0 && (at.column > 0 || at.line > 1)
}

/// A sheet's name as formulas write it: in apostrophes unless it is one plain word.
fn sheet_reference(name: &str) -> Cow<'_, str> {
    let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_') && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain { Cow::Borrowed(name) } else { Cow::Owned(format!("'{}'", name.replace('\'', "''"))) }
}

/// What became of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every record (已接收).
    Accepted,
    /// Some records (部分接收).
    InPart,
    /// None (退回).
    Refused,
}

impl Outcome {
    /// The word on the wire and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::InPart => "in-part",
            Self::Refused => "refused",
        }
    }

    /// The word for people.
    pub fn words(self) -> Words {
        match self {
            Self::Accepted => Words::new("已接收", "accepted"),
            Self::InPart => Words::new("部分接收", "accepted in part"),
            Self::Refused => Words::new("退回", "refused"),
        }
    }
}

/// How many records there were and what became of them. `accepted + refused = records`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records found in the body.
    pub records: u64,
    /// Records taken in, those known before included.
    pub accepted: u64,
    /// Records refused.
    pub refused: u64,
    /// Findings that are warnings.
    pub warnings: u64,
    /// Accepted records that were known by their business key and are not delivered again.
    pub repeated: u64,
}

/// Bytes of a body or of canonical records: in memory while small, else in a spool file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// In memory, and inline in the journal.
    Inline(bytes::Bytes),
    /// In a file that the journal takes over; made durable before the commit.
    File {
        /// Where it lies.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
    },
}

impl Stored {
    /// Length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// One accepted record in the index that stands beside the canonical NDJSON. 48 bytes on disk,
/// big-endian, in the order of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRow {
    /// Record number in the body, counted from 1.
    pub record: u64,
    /// Offset of the record's line in the canonical NDJSON.
    pub offset: u64,
    /// Length of the line in bytes, its line feed included.
    pub length: u32,
    /// Line in the body as it was sent.
    pub source_line: u32,
    /// One bit for each of the verdict's destinations that the record goes to.
    pub destinations: u64,
    /// The first 16 bytes of the SHA-256 of the record's business key; all zero where it has none.
    pub key: [u8; 16],
}

/// Destinations that one flow may route to: the bits of [`IndexRow::destinations`].
pub const DESTINATIONS_PER_FLOW_MAX: usize = 64;

impl IndexRow {
    /// Bytes of one row.
    pub const BYTES: usize = 48;

    /// The row as it is stored.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut row = [0; Self::BYTES];
        row[..8].copy_from_slice(&self.record.to_be_bytes());
        row[8..16].copy_from_slice(&self.offset.to_be_bytes());
        row[16..20].copy_from_slice(&self.length.to_be_bytes());
        row[20..24].copy_from_slice(&self.source_line.to_be_bytes());
        row[24..32].copy_from_slice(&self.destinations.to_be_bytes());
        row[32..].copy_from_slice(&self.key);
        row
    }

    /// The row from its stored form.
    pub fn from_bytes(row: &[u8; Self::BYTES]) -> Self {
        let eight = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&row[at..at + 8]);
            u64::from_be_bytes(bytes)
        };
        let mut key = [0; 16];
        key.copy_from_slice(&row[32..]);
        let pair = eight(16);
        Self {
            record: eight(0),
            offset: eight(8),
            length: (pair >> 32) as u32,
            source_line: (pair & 0xFFFF_FFFF) as u32,
            destinations: eight(24),
            key,
        }
    }
}

/// The texts that a delivery is rendered with, pinned by digest when an exchange is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The mapping that read the body.
    pub mapping: Digest,
    /// The canonical schema.
    pub schema: Digest,
    /// The flow.
    pub flow: Digest,
}

/// A stretch of rows of the index that goes to one destination as one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Index into [`Verdict::destinations`]; the bit of [`IndexRow::destinations`].
    pub destination: u8,
    /// First row of the index, counted from 0.
    pub first_row: u64,
    /// Number of rows spanned; rows without the destination's bit are passed over.
    pub rows: u64,
    /// Deliveries to one destination with the same order key go one after the other.
    pub order_key: Option<String>,
    /// Which of its message's ids, as bits in the order of the mapping's, an earlier delivery to the destination has too: it
    /// goes on with that message, and they become ids of its own.
    pub repeated_ids: u32,
}

/// Where records of a flow go, and the mapping that renders them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The destination.
    pub to: DestinationId,
    /// The digest of the mapping's text.
    pub mapping: Digest,
}

/// A business answer (业务回执) as it goes over the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessAnswer {
    /// Its media type.
    pub media_type: Arc<str>,
    /// Its bytes.
    pub bytes: bytes::Bytes,
}

/// What translation made of a body: everything that the journal needs of it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Accepted, in part or refused.
    pub outcome: Outcome,
    /// Numbers of records.
    pub counts: Counts,
    /// Why the body was refused whole, where it was.
    pub fault: Option<crate::fault::FaultCode>,
    /// Findings, capped per record and per body.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub findings_left_out: u64,
    /// The message id that the mapping found.
    pub message_id: Option<String>,
    /// Digest of the body after content decoding.
    pub decoded_digest: Digest,
    /// Digest of the canonical NDJSON.
    pub canonical_digest: Digest,
    /// Canonical NDJSON of the accepted records.
    pub canonical: Stored,
    /// One [`IndexRow`] for each line of it.
    pub index: Stored,
    /// Destinations of the flow, in the order of the bits.
    pub destinations: Vec<Routed>,
    /// The deliveries to queue.
    pub chunks: Vec<Chunk>,
    /// What it was read and checked with.
    pub pins: Pins,
    /// The amounts of its records.
    pub tally: Tally,
    /// How often values stood in its first accepted records.
    pub profile: crate::profile::Profile,
}
