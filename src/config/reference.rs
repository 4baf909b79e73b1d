//! The reference documentation of the configuration, generated from the raw types.

use super::load::reconciliation::{KEY_PARTS_MAX, LEGS_MAX, RECONCILIATIONS_MAX};
use super::load::{
    CERTIFICATES_PER_PARTNER_MAX, DESTINATIONS_PER_PARTNER_MAX, FILES_PER_FOLDER_MAX, MAPPINGS_PER_SENDER_MAX, TEXT_CHARS_MAX,
};
use super::page::FILE_BYTES_MAX;
use super::raw::{RawFlow, RawGateway, RawOperator, RawPartner, RawQuery, RawReconciliation};
use crate::domain::{DESTINATIONS_PER_FLOW_MAX, NAME_CHARS_MAX};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The reference as Markdown: every table and key of every file, with its type, default and meaning.
pub fn reference() -> String {
    let files = [
        ("portolan.toml", describe::<RawGateway>(), include_str!("../../docs/example/portolan.toml")),
        ("partners/NAME.toml", describe::<RawPartner>(), include_str!("../../docs/example/partners/bank.toml")),
        ("flows/NAME.toml", describe::<RawFlow>(), include_str!("../../docs/example/flows/payment-confirmation.toml")),
        ("queries/NAME.toml", describe::<RawQuery>(), include_str!("../../docs/example/queries/taxpayer-credit.toml")),
        (
            "reconciliations/NAME.toml",
            describe::<RawReconciliation>(),
            include_str!("../../docs/example/reconciliations/announced-payments.toml"),
        ),
        ("operators/NAME.toml", describe::<RawOperator>(), include_str!("../../docs/example/operators/night-duty.toml")),
    ];
    let files: String =
        files.iter().map(|(name, tables, example)| format!("\n## `{name}`\n\n{tables}\n### Example\n\n```toml\n{example}```\n")).collect();
    format!("{INTRODUCTION}{files}\n{}", limits())
}

const INTRODUCTION: &str = "\
# Configuration

<!-- Generated from src/config/raw.rs: edit the comments there, then run `PORTOLAN_BLESS=1 cargo test --test config`. -->

A configuration is a folder of TOML files. Paths in them are relative to the folder. A key that is not listed here is
refused, and so is the whole configuration with any problem in it; `portolan check` names every problem with file and line.
A running gateway takes a changed folder up by itself, or at SIGHUP; a bad one leaves the old one in place.

```text
portolan.toml          the gateway itself
partners/NAME.toml     one file for each partner; the file's name is the partner's name
flows/NAME.toml        one file for each flow; the file's name is the flow's name
queries/NAME.toml      one file for each query service; the file's name is the service's name
reconciliations/NAME.toml  one file for each reconciliation; the file's name is its name
operators/NAME.toml    one file for each operator; the file's name is the operator's name
calendars/NAME/YEAR.toml   holidays and make-up working days of a year, over those that ship with the program
mappings/              your own mappings and canonical schemas, before the built-in ones
```
";

fn limits() -> String {
    format!(
        "## Limits of the configuration itself\n\n\
         | what | at most |\n|---|---|\n\
         | characters of a name (`a-z`, `0-9`, `-`) | {NAME_CHARS_MAX} |\n\
         | characters of a title, subject or alternative name | {TEXT_CHARS_MAX} |\n\
         | bytes of one file | {FILE_BYTES_MAX} |\n\
         | partners, and as many flows, queries and operators | {FILES_PER_FOLDER_MAX} |\n\
         | certificates of a partner, and of an operator | {CERTIFICATES_PER_PARTNER_MAX} |\n\
         | destinations of a partner | {DESTINATIONS_PER_PARTNER_MAX} |\n\
         | mappings of a sender | {MAPPINGS_PER_SENDER_MAX} |\n\
         | routes of a flow | {DESTINATIONS_PER_FLOW_MAX} |\n\
         | reconciliations; legs of one; parts of a key | {RECONCILIATIONS_MAX}; {LEGS_MAX}; {KEY_PARTS_MAX} |\n"
    )
}

fn describe<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    let mut tables = Tables { text: String::new(), seen: Vec::new() };
    let root = schema.as_value();
    tables.text = format!("{}\n", meaning(root));
    tables.write("", root);
    tables.text
}

/// The tables of one file. A table that occurs again is described where it stood first.
struct Tables {
    text: String,
    /// The properties of each table described, and its heading.
    seen: Vec<(Value, String)>,
}

impl Tables {
    /// Writes the table at a path and, after it, those inside it.
    fn write(&mut self, path: &str, table: &Value) {
        let Some(keys) = table["properties"].as_object() else { return };
        self.text += "\n| key | value | default | meaning |\n|---|---|---|---|\n";
        let mut inner = Vec::new();
        // In the order of their names, whatever order other crates make serde_json keep.
        for (key, schema) in keys.iter().collect::<BTreeMap<_, _>>() {
            let value = match table_of(schema) {
                Some((part, nested)) => {
                    let heading = part.heading(&join(path, key));
                    let first = self.seen.iter().find(|(properties, _)| *properties == nested["properties"]);
                    let place = first.map_or(heading.clone(), |(_, place)| place.clone());
                    if first.is_none() {
                        self.seen.push((nested["properties"].clone(), heading.clone()));
                        inner.push((part.path(&join(path, key)), heading, nested));
                    }
                    format!("{}, see `{place}`", part.words())
                }
                None => type_words(schema),
            };
            self.text += &format!("| `{key}` | {value} | {} | {} |\n", default_words(schema), cell(&meaning(schema)));
        }
        for (path, heading, nested) in inner {
            self.text += &format!("\n### `{heading}`\n\n{}\n", meaning(nested));
            self.write(&path, nested);
        }
    }
}

/// How a table is nested in another.
#[derive(Clone, Copy)]
enum Part {
    One,
    Listed,
    Named,
}

impl Part {
    fn path(self, path: &str) -> String {
        match self {
            Self::One | Self::Listed => path.to_owned(),
            Self::Named => format!("{path}.NAME"),
        }
    }

    fn heading(self, path: &str) -> String {
        match self {
            Self::One | Self::Named => format!("[{}]", self.path(path)),
            Self::Listed => format!("[[{path}]]"),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::One => "table",
            Self::Listed => "list of tables",
            Self::Named => "tables by name",
        }
    }
}

/// The table that a key holds, if it holds one.
fn table_of(schema: &Value) -> Option<(Part, &Value)> {
    let places = [(Part::One, schema), (Part::Listed, &schema["items"]), (Part::Named, &schema["additionalProperties"])];
    places.into_iter().find(|(_, nested)| nested["properties"].is_object())
}

fn type_words(schema: &Value) -> String {
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(choice).collect::<Vec<_>>().join(" or ");
    }
    let kinds = schema["type"].as_array().map_or(std::slice::from_ref(&schema["type"]), Vec::as_slice);
    match kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null") {
        Some("array") => format!("list of: {}", type_words(&schema["items"])),
        Some("string") => "text".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => schema["minimum"].as_u64().map_or("whole number".to_owned(), |least| format!("whole number, from {least}")),
        other => other.unwrap_or("any").to_owned(),
    }
}

/// One of several forms that a value may have, as it is written.
fn choice(schema: &Value) -> String {
    match schema["properties"].as_object().and_then(|keys| keys.keys().next()) {
        Some(key) => format!("`{{ {key} = \"…\" }}`"),
        None => format!("`{}`", schema["const"]),
    }
}

fn default_words(schema: &Value) -> String {
    if schema["x-required"] == Value::Bool(true) {
        return "required".to_owned();
    }
    match &schema["default"] {
        Value::Null | Value::Object(Map { .. }) => "—".to_owned(),
        Value::Array(items) if items.is_empty() => "—".to_owned(),
        Value::Array(items) => format!("`[{}]`", items.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
        value => format!("`{value}`"),
    }
}

fn meaning(schema: &Value) -> String {
    let own = schema["description"].as_str().unwrap_or_default().to_owned();
    let choices = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
    choices.iter().fold(own, |text, one| format!("{text} {}: {}", choice(one), one["description"].as_str().unwrap_or_default()))
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
