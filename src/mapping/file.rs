//! A mapping file as it is written: `mappings/NAME/mapping.toml`.
//!
//! Source paths are segments joined by `/`. A path is relative to the record (or, inside a list,
//! to the list's item); one that begins with `/` is relative to `body.root`. The last segment may
//! be `@name` (an attribute), `#` (the ordinal of the element within its group, from 1) or `##`
//! (its serial number in the body). A segment `Name[path=text]` is the one of several elements in
//! which `text` stands at `path`; `{/path}` for the text means what stands there, which an earlier
//! entry must write. A path that begins with `//` is relative to the root of the envelope, where a
//! container is one. Canonical paths are names joined by `.`.
//!
//! The order of the entries is the order in which a writer writes. Where two entries write the same
//! place, the first that has a value does.

use super::balance::Balances;
use portolan_contract::{Charset, Repeat, Words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use toml::Spanned;

/// Bytes of one mapping file.
pub const MAPPING_BYTES_MAX: u64 = 4 << 20;

/// A whole mapping file. The four that every file has are options here, so that each that is missing is named.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MappingFile {
    /// What the mapping is, in both languages.
    pub title: Option<Words>,
    /// The canonical record, `NAME.vN`.
    pub canonical: Option<Spanned<String>>,
    /// Which ways the mapping goes.
    pub direction: Direction,
    /// Where a rule, a layout or a code comes from, or what could not be verified.
    pub source: Option<String>,
    /// Another mapping of the library, or a file of tables that several share (`rules/NAME`), whose tables this one has too,
    /// before its own; what that extends comes first. Title, canonical record, direction and source are given here again.
    pub extends: Option<String>,
    /// What the document stands in, the outermost first.
    pub container: Vec<Spanned<ContainerEntry>>,
    /// The format's name, with the format's own options beside it.
    pub format: Option<Spanned<toml::Table>>,
    /// The XML Schemas that a body must be valid against; in containers, each document by itself.
    pub xsd: Option<Spanned<XsdEntry>>,
    /// The shape of a body.
    pub body: Option<Spanned<BodyEntry>>,
    /// Values, in the order of writing.
    pub field: Vec<Spanned<FieldEntry>>,
    /// Lists of items inside a record.
    pub list: Vec<Spanned<ListEntry>>,
    /// Fixed texts.
    pub constant: Vec<Spanned<ConstantEntry>>,
    /// Canonical values that are computed from others; read-only by nature.
    pub computed: Vec<Spanned<ComputedEntry>>,
    /// Business rules over one record.
    pub rule: Vec<Spanned<RuleEntry>>,
    /// Sums and counts over groups of records.
    pub check: Vec<Spanned<CheckEntry>>,
    /// What the failure of rules and checks means here, whatever their own entries say.
    pub severity: Vec<Spanned<SeverityEntry>>,
    /// What a business answer to a body repeats of it.
    pub answer: Vec<Spanned<AnswerEntry>>,
}

/// `[xsd]`: the standard's own schemas, which the operator supplies. See `src/xsd.rs` for what the validator
/// does not support.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XsdEntry {
    /// Namespace → file in the mapping's folder; the namespace of a schema without one is empty.
    pub files: BTreeMap<String, PathBuf>,
    /// The mapping's file: told by the library, not by the file itself.
    #[serde(skip)]
    pub file: PathBuf,
    /// Where the table stands in it.
    #[serde(skip)]
    pub line: usize,
    /// What a body that is not valid means: an error refuses it whole.
    #[serde(default)]
    pub severity: CheckSeverity,
}

/// `[[container]]`: what a document stands in.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ContainerEntry {
    /// A file that is compressed with gzip.
    Gzip {},
    /// A file that is compressed with zstd.
    Zstd {},
    /// A zip archive.
    Zip {
        /// Patterns (`*`, `?`) of the members that are read; without `/` for the last step of a path.
        #[serde(default = "every")]
        members: Vec<String>,
        /// Patterns of the members that are passed over, whatever `members` says. What fits neither is a fault.
        #[serde(default)]
        ignore: Vec<String>,
        /// How many members may be read; their records are one body.
        #[serde(default = "many")]
        members_max: usize,
        /// The charset of names that are not marked as UTF-8, and of the one that is written.
        #[serde(default)]
        names: Charset,
        /// The name of the member that is written.
        #[serde(default)]
        write: Option<String>,
    },
    /// The body of a form (multipart/form-data) or of a mixed message (multipart/mixed); both are read, whichever is written.
    Multipart {
        /// As for zip: file names, and names of fields that are no files.
        #[serde(default = "every")]
        members: Vec<String>,
        /// As for zip.
        #[serde(default)]
        ignore: Vec<String>,
        /// As for zip.
        #[serde(default = "many")]
        members_max: usize,
        /// The name of the file that is written.
        #[serde(default)]
        write: Option<String>,
        /// The field of the form that the file is written into; without it a mixed message is written.
        #[serde(default)]
        field: Option<String>,
    },
    /// An XML document with the document within in base64.
    XmlBase64 {
        /// The path of the element that holds it, the root first.
        path: String,
        /// The envelope's namespace; any unless given.
        #[serde(default)]
        namespace: Option<String>,
    },
}

fn every() -> Vec<String> {
    vec!["*".to_owned()]
}

fn many() -> usize {
    usize::MAX
}

/// Which ways a mapping, or one entry of it, goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// From the format to the canonical record alone.
    Read,
    /// From the canonical record to the format alone.
    Write,
}

impl Direction {
    /// Whether it reads.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// Whether it writes.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// `[body]`: where records stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BodyEntry {
    /// The path from the top to what encloses everything else: the XML root and below, `$` for JSON.
    #[serde(default)]
    pub root: String,
    /// The path of one record below the root; empty where the root itself is the record.
    #[serde(default)]
    pub record: String,
    /// Paths that make a record where none of the ones before did within them.
    #[serde(default)]
    pub record_else: Vec<String>,
    /// The path of the message id, by which repeats are known.
    #[serde(default)]
    pub message_id: Option<Spanned<String>>,
    /// Fewest records of a body (default 1).
    #[serde(default = "one")]
    pub records_min: u64,
    /// Most records that the format allows in one body; a delivery is cut accordingly.
    #[serde(default)]
    pub records_max: Option<u64>,
    /// Most records of a body that is written, where one that is read may hold more; as `records_max` unless given.
    #[serde(default)]
    pub written_records_max: Option<u64>,
    /// Canonical paths that a record must have to be written: the format does not do without them. A path into a list is one
    /// that each of its items must have.
    #[serde(default)]
    pub required: Vec<String>,
    /// Writing opens a new one of these for every record.
    #[serde(default)]
    pub per_record: Option<String>,
    /// Below the root, the innermost element around the records that stands once in a body: records that differ in what it
    /// holds do not stand in one. Unless given, that is the root itself.
    #[serde(default)]
    pub once: Option<String>,
}

fn one() -> u64 {
    1
}

/// One path, or several of which the first that is present counts (and the first is written).
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Paths {
    /// The paths as a slice.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(path) => std::slice::from_ref(path),
            Self::Several(paths) => paths,
        }
    }
}

/// `[[field]]`: one value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldEntry {
    /// The canonical path.
    pub to: String,
    /// The source path or paths.
    pub path: Paths,
    /// What the text means.
    #[serde(default, rename = "type")]
    pub kind: Kind,
    /// For `money`: where the currency stands; for `decimal` too, where it stands in the source.
    #[serde(default)]
    pub currency: Option<Currency>,
    /// Source code → canonical code; a source code that ends with `*` stands for all that begin so, and
    /// is not written. For a mapping that goes both ways no canonical code may occur twice.
    #[serde(default)]
    pub codes: Option<BTreeMap<String, String>>,
    /// A file of codes in the same form, relative to the mapping's folder.
    #[serde(default)]
    pub codes_file: Option<String>,
    /// The source code that is written for canonical codes that the list does not have; such an entry writes alone.
    #[serde(default)]
    pub codes_else: Option<String>,
    /// Canonical code → the source code that is written for it, where several are written as one; such an entry writes alone.
    #[serde(default)]
    pub codes_written: BTreeMap<String, String>,
    /// The layout of a date, time or tax period in the source, where it is not the standard one:
    /// `strftime` letters such as `%Y%m%d`, or for a tax period `quarter`, `month`, `year`, `range` or
    /// `year-end` (the last day of a year). Of several letters' layouts with `|` between them any is
    /// read and the first is written.
    #[serde(default)]
    pub layout: Option<String>,
    /// The canonical value where the source has none.
    #[serde(default)]
    pub default: Option<String>,
    /// Texts that mean that there is no value, such as `NOTPROVIDED`.
    #[serde(default)]
    pub absent: Vec<String>,
    /// What several values in the same place mean; `list` makes a canonical array.
    #[serde(default)]
    pub repeat: Repeat,
    /// For a value outside the records: it stands after them.
    #[serde(default)]
    pub after: bool,
    /// Removes white space around the text. Types other than text always do.
    #[serde(default)]
    pub trim: bool,
    /// What a failed check digit or code check means (default: error).
    #[serde(default)]
    pub check: CheckSeverity,
    /// The check holds only where another canonical value of the record is the given one.
    #[serde(default)]
    pub check_if: Option<CheckIf>,
    /// Which ways this entry goes.
    #[serde(default)]
    pub direction: Direction,
    /// The format has room for this many values of a `list`; a record with more cannot be written.
    #[serde(default)]
    pub items_max: Option<usize>,
    /// A receiver knows the message by this value, which the format has room for in so many characters: a longer one is made
    /// to fit. Where a message takes several deliveries, a number follows it in all but the first: see
    /// `src/mapping/numbered.rs`.
    #[serde(default)]
    pub numbered_max: Option<usize>,
    /// Canonical paths of the same record or item without which the format has no room for this value: a record without
    /// them cannot be written. What a record must always have stands in `body.required`.
    #[serde(default)]
    pub needs: Vec<String>,
}

/// What a failed check means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckSeverity {
    /// The record is refused.
    #[default]
    Error,
    /// The record stands.
    Warning,
    /// Nothing is checked.
    Off,
}

/// A condition on another canonical value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckIf {
    /// Its canonical path.
    pub field: String,
    /// The text that it must be.
    pub is: String,
    /// It holds too where there is no such value.
    #[serde(default)]
    pub or_absent: bool,
}

/// Where the currency of an amount stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Currency {
    /// Always this ISO 4217 code; the canonical record must have it in the schema or as `default`.
    Fixed(String),
    /// In the source.
    From {
        /// The canonical path of the currency, which all that fill it must agree in; with `/` before
        /// it that of the record, where the amount is in a list.
        to: String,
        /// The source path, relative to the amount's own path (such as `@Ccy`), or from the root with `/`.
        path: String,
    },
    /// Always this code, which also fills a canonical path.
    FixedTo {
        /// The canonical path of the currency.
        to: String,
        /// The code.
        is: String,
    },
}

/// What a text means. Canonical forms are given in brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Any text [as it stands].
    #[default]
    Text,
    /// A whole number [JSON integer].
    Integer,
    /// A plain decimal number [text without superfluous leading zeros].
    Decimal,
    /// A rate as a part of one, such as `0.13` [the rate in per cent as text, `13`].
    Fraction,
    /// An amount with as many decimals as its currency has [text with exactly those decimals].
    Money,
    /// `true`, `false`, `1`, `0`, `Y`, `N`, `是`, `否` [JSON boolean].
    Boolean,
    /// A day, ISO 8601 or in the entry's layout [`YYYY-MM-DD`].
    Date,
    /// A moment, ISO 8601 or in the entry's layout; without an offset it is in the flow's zone [RFC 3339 with offset].
    DateTime,
    /// The day for which the treasury counts a message; not when it came in [`YYYY-MM-DD`].
    WorkDate,
    /// A tax period 所属期: `2026Q3`, `2026-07`, `2026`, or start and end [`YYYY-MM-DD/YYYY-MM-DD`].
    TaxPeriod,
    /// A tax office code: 11 digits, the first six a GB/T 2260 division.
    TaxOffice,
    /// A GB/T 2260 division: 6 digits with a province that exists.
    Division,
    /// Unified social credit code, GB 32100-2015.
    Uscc,
    /// Resident identity number, GB 11643-1999.
    ResidentId,
    /// Taxpayer number: 18 characters (a unified social credit code), or the older 15, 17 and 20.
    TaxpayerNumber,
    /// IBAN, ISO 13616.
    Iban,
    /// BIC, ISO 9362.
    Bic,
    /// LEI, ISO 17442.
    Lei,
    /// UETR: a UUID of version 4, RFC 9562.
    Uetr,
    /// HS code, 6 to 10 digits.
    HsCode,
    /// Currency, ISO 4217.
    Currency,
    /// Country, ISO 3166-1 alpha-2.
    Country,
}

impl fmt::Display for Kind {
    /// As mapping files name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// `[[list]]`: items inside a record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListEntry {
    /// The canonical path of the array.
    pub to: String,
    /// The source path of one item. With a choice at its end that says `!=`, the elements that other
    /// entries choose are no items.
    pub path: String,
    /// The format has room for this many items; a record with more cannot be written.
    #[serde(default)]
    pub items_max: Option<usize>,
    /// An item in which there is no value is none.
    #[serde(default)]
    pub skip_empty: bool,
    /// Values of an item; paths are relative to it.
    #[serde(default)]
    pub field: Vec<Spanned<FieldEntry>>,
    /// Lists within an item.
    #[serde(default)]
    pub list: Vec<Spanned<ListEntry>>,
    /// Fixed texts of an item.
    #[serde(default)]
    pub constant: Vec<Spanned<ConstantEntry>>,
}

/// `[[constant]]`: a fixed text that is written wherever its parent is; for a path that a field has
/// too, where the record has no value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantEntry {
    /// The source path.
    pub path: String,
    /// The text. Without one nothing is written: the path only has its place in the order of writing.
    #[serde(default)]
    pub value: Option<String>,
    /// A record that has another text there, such as the number of another message, is refused when it is read.
    #[serde(default)]
    pub checked: bool,
}

/// `[[answer]]`: a text of the body that a business answer to it repeats, such as the reference of its
/// interchange. One within the record names a refused record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerEntry {
    /// The name in `message` of `exchange-answer.v1`, or in one of its `refused` for a path within the record.
    pub to: String,
    /// The source path.
    pub path: String,
}

/// `[[computed]]`: a canonical value from a CEL expression over `record`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComputedEntry {
    /// The canonical path.
    pub to: String,
    /// The expression.
    pub cel: String,
}

/// `[[rule]]`: a business rule; `cel` must be true.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleEntry {
    /// Stable id.
    pub id: String,
    /// A CEL expression over `record` that is true for a good record.
    pub cel: String,
    /// What a failure means.
    #[serde(default)]
    pub severity: CheckSeverity,
    /// The canonical path to point at.
    #[serde(default)]
    pub field: Option<String>,
    /// What is wrong and what is expected.
    pub words: Words,
}

/// `[[severity]]`: rules and checks of a mapping that is extended, and doubts of the format itself, and what their failure means
/// here. Of several entries that name one the last counts. The doubts are `edifact.test`, an interchange that says that it is a
/// test, and `xlsx.percent` and `xlsx.currency`, a cell that shows a percentage or a currency other than the yuan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeverityEntry {
    /// Their ids.
    pub of: Vec<String>,
    /// What their failure means.
    pub is: CheckSeverity,
}

/// `[[check]]`: a sum or a count over the records of a group must equal a value of that group.
/// Where no field writes that value, it is computed when a body is written, and stands where this
/// entry does among the others.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckEntry {
    /// Stable id.
    pub id: String,
    /// The group's source path; absent = the whole body.
    #[serde(default)]
    pub within: Option<String>,
    /// The canonical path to add up; absent = the records are counted.
    #[serde(default)]
    pub sum: Option<String>,
    /// Two canonical paths: a record in which they differ counts against the sum, such as a debit
    /// within an entry of credits. Where one of them is missing they do not differ.
    #[serde(default)]
    pub against: Option<[String; 2]>,
    /// The source path of an element around the records: of those in the same one the first alone counts, so that entries
    /// are counted and not their transactions. Such a check is never computed when a body is written.
    #[serde(default)]
    pub once: Option<String>,
    /// Records in which another canonical value is not the given one count for nothing, such as entries that are not booked.
    #[serde(default)]
    pub only: Option<CheckIf>,
    /// The source path of the expected value, outside the record; absent for `balance`.
    #[serde(default)]
    pub equals: Option<String>,
    /// Instead of `equals`: two balances, of which the second must be the first with the sum. They are canonical objects with
    /// `amount`, `currency` and `credit_debit`, and so is what `sum` names here; a debit counts against. A body in which they do
    /// not add up is never written, whatever `severity` says of one that is read; where a balance is missing nothing is compared.
    #[serde(default)]
    pub balance: Option<Balances>,
    /// It stands after the records; for the whole body alone.
    #[serde(default)]
    pub after: bool,
    /// Canonical path and source path that must be the same in all records for the sum to mean
    /// something: the currencies of the parts and of the whole.
    #[serde(default)]
    pub comparable: Option<Comparable>,
    /// What a failure means.
    #[serde(default)]
    pub severity: CheckSeverity,
    /// What is wrong and what is expected.
    pub words: Words,
}

/// Two values that must agree before a sum is compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparable {
    /// A canonical path in each record.
    pub field: String,
    /// A source path in the group.
    pub path: String,
}
