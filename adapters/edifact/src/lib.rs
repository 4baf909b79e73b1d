//! UN/EDIFACT: interchanges of batch messages, ISO 9735 in syntax versions 1 to 4.
//!
//! A mapping names the message and the directory versions of it that it reads. Which segments stand
//! in which groups is a definition held as data (`definitions/`, or the mapping's own in the option
//! `definition`); the form is described in [`definition`]. Source paths follow the definition:
//! `UNB/S002/0004`, `message/SG:NAD+EX/NAD/C082/3039`; see [`chart`].
//!
//! Wire format: UNA or the usual service characters; one interchange in a body, UNB to UNZ, with or
//! without functional groups; line ends may stand between segments. The charset is that of the level
//! in UNB, unless the mapping names one. Counts and references of UNT, UNE and UNZ must agree, and so
//! must the number of line items (LIN) in CNT, and no two messages of a group may have one reference (0062). Each record of an interchange that is a test by its own word (0035 in UNB)
//! has the finding `edifact.test`, a doubt.
//! Not read: interactive messages (UIB), secured ones (USH), and in level UNOX other sets than ASCII and
//! GB/T 2312. What elements may hold (`an..35`) is checked both ways where the definition says it, as those
//! that ship do.
//!
//! Limits: a segment counts as a token, its components as the columns of a row.

mod cell;
mod chart;
mod cursor;
mod definition;
mod envelope;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
mod oracle;
mod outline;
mod read;
mod segments;
mod service;
mod write;

use chart::Chart;
use definition::Definitions;
use portolan_contract::{
    Bound, Charset, Format, FormatCode, FormatError, Limits, NodeId, OptionsError, Outline, Plan, Position, RawRecord, ReadRecords,
    WriteRecords,
};
use serde::Deserialize;
use service::{Level, ServiceCharacters};
use std::io::{Read, Write};
use std::sync::Arc;

/// The definitions that ship, service segments first.
const DEFINITIONS: &[&str] = &[
    include_str!("../definitions/service.def"),
    include_str!("../definitions/segments.def"),
    include_str!("../definitions/names.def"),
    include_str!("../definitions/CUSDEC.def"),
    include_str!("../definitions/CUSRES.def"),
    include_str!("../definitions/CUSCAR.def"),
    include_str!("../definitions/PAYMUL.def"),
    include_str!("../definitions/CREADV.def"),
    include_str!("../definitions/DEBADV.def"),
    include_str!("../definitions/FINSTA.def"),
    include_str!("../definitions/INVOIC.def"),
    include_str!("../definitions/CONTRL.def"),
    include_str!("../definitions/APERAK.def"),
];

/// Directory versions that one mapping may name.
const VERSIONS_MAX: usize = 16;

/// The format named `edifact`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edifact;

/// The mapping's `[format]` options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The message, such as `CUSDEC`.
    message: String,
    /// Its directory versions that are read, such as `D.99B`.
    versions: Vec<String>,
    /// The version that is written; the first of `versions` unless given.
    write_version: Option<String>,
    /// A definition of the mapping's own, in the form of `definitions/`.
    definition: Option<String>,
    /// Reads in this charset, whatever level UNB names; the level's repertoire is then not checked.
    charset: Option<Charset>,
    /// The charset of what is written; that of the level in `write_syntax` unless given.
    write_charset: Option<Charset>,
    /// Syntax identifier and version of what is written, such as `UNOC:3`.
    #[serde(default = "usual_syntax")]
    write_syntax: String,
    /// The association assigned code (0057) that is written.
    association: Option<String>,
    /// Written in a UNA: component, element, decimal mark, release, repetition, terminator. Without
    /// it the usual ones are written, and no UNA.
    service_characters: Option<String>,
    /// What follows each segment that is written: `none`, `lf` or `crlf`.
    #[serde(default)]
    line_ending: LineEnding,
}

fn usual_syntax() -> String {
    "UNOC:3".to_owned()
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LineEnding {
    #[default]
    None,
    Lf,
    Crlf,
}

/// How interchanges are written.
struct Writing {
    charset: Charset,
    identifier: String,
    level: Level,
    version: u8,
    association: Option<String>,
    characters: ServiceCharacters,
    una: Option<String>,
    line_ending: &'static str,
}

impl Writing {
    fn new(options: &Options) -> Result<Self, OptionsError> {
        let refused = || {
            let message = format!("{:?} is not a syntax identifier and a version such as UNOC:3 or UNOW:4", options.write_syntax);
            OptionsError::new("write_syntax", message)
        };
        let (identifier, version) = options.write_syntax.split_once(':').ok_or_else(refused)?;
        let level = Level::from_identifier(identifier).ok_or_else(refused)?;
        let version = version.parse().ok().filter(|v| (1..=4).contains(v)).ok_or_else(refused)?;
        let charset = match options.write_charset {
            Some(charset) => charset,
            None => level.charset().map_err(|(_, en)| OptionsError::new("write_syntax", en))?,
        };
        let characters = ServiceCharacters::from_option(options.service_characters.as_deref())?;
        Ok(Self {
            charset,
            identifier: identifier.to_owned(),
            level,
            version,
            association: options.association.clone(),
            characters: characters.in_version(version),
            una: options.service_characters.clone(),
            line_ending: match options.line_ending {
                LineEnding::None => "",
                LineEnding::Lf => "\n",
                LineEnding::Crlf => "\r\n",
            },
        })
    }

    /// Whether a character that is not of ASCII, or not of level A or B, may be written all the same:
    /// where the charset, and not the level, says what there is.
    fn holds_beyond(&self, character: char) -> bool {
        !character.is_ascii() && (self.level.holds(b'#') || self.charset != Charset::Utf8)
    }
}

struct BoundEdifact {
    plan: Arc<Plan>,
    /// The plan in the order of the version that is written.
    write_plan: Arc<Plan>,
    charts: Vec<Chart>,
    /// Index in `charts` of the version that is written.
    write_version: usize,
    /// Nodes of the segments around messages, as in [`chart::AROUND`].
    around: [Option<NodeId>; 4],
    charset: Option<Charset>,
    writing: Writing,
}

impl Format for Edifact {
    fn name(&self) -> &'static str {
        "edifact"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        let charts = charts(&plan, &options)?;
        chart::check(&plan, &charts)?;
        let written = options.write_version.as_ref().or(options.versions.first());
        let write_version = charts
            .iter()
            .position(|chart| Some(&chart.definition.version) == written)
            .ok_or_else(|| OptionsError::new("write_version", format!("it is one of `versions`: {}", options.versions.join(", "))))?;
        let write_plan = Arc::new(ordered(&plan, charts.get(write_version)));
        let around = chart::AROUND.map(|tag| plan.child(0, tag));
        let writing = Writing::new(&options)?;
        Ok(Arc::new(BoundEdifact { plan, write_plan, charts, write_version, around, charset: options.charset, writing }))
    }

    fn doubts(&self) -> &'static [&'static str] {
        &[read::TEST]
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        let definitions =
            shipped().map_err(|error| FormatError::new(FormatCode::NotThisMessage, Position::default(), error.clone(), error))?;
        outline::outline(input, &definitions, limits).map(Some)
    }
}

/// The definitions that ship.
fn shipped() -> Result<Definitions<'static>, String> {
    let mut definitions = Definitions::default();
    DEFINITIONS.iter().try_for_each(|text| definitions.read(text))?;
    Ok(definitions)
}

fn charts(plan: &Plan, options: &Options) -> Result<Vec<Chart>, OptionsError> {
    let mut definitions = shipped().map_err(|e| OptionsError::new("", e))?;
    if let Some(text) = &options.definition {
        definitions.read(text).map_err(|e| OptionsError::new("definition", e))?;
    }
    if options.versions.is_empty() || options.versions.len() > VERSIONS_MAX {
        return Err(OptionsError::new("versions", format!("1 to {VERSIONS_MAX} versions such as D.99B are expected")));
    }
    let chart = |version: &String| Chart::new(plan, &definitions, &options.message, version).map_err(|e| OptionsError::new("message", e));
    options.versions.iter().map(chart).collect()
}

/// A plan whose nodes stand in the order of the definition.
fn ordered(plan: &Plan, chart: Option<&Chart>) -> Plan {
    let mut ordered = plan.clone();
    let order = chart.map_or(&[][..], |chart| chart.order.as_slice());
    for node in &mut ordered.nodes {
        node.children.sort_by_key(|&child| order.get(child as usize).copied().unwrap_or(usize::MAX));
    }
    ordered
}

impl BoundEdifact {
    fn write_chart(&self) -> &Chart {
        &self.charts[self.write_version]
    }
}

impl Bound for BoundEdifact {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(input, self, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        Ok(Box::new(write::Writer::new(output, self, head)?))
    }

    fn media_type(&self) -> String {
        // RFC 1767.
        format!("application/edifact; charset={}", self.writing.charset.label().to_ascii_lowercase())
    }
}
