//! The files of a draft as people find them: a mapping with what is behind each guess, and a schema with
//! titles to fill in.

use super::Request;
use super::shape::{Group, List, Shape, Value};
use crate::mapping::file::Kind;
use serde_json::json;
use std::fmt::Write;

/// Paths that a comment lists.
const LISTED_MAX: usize = 20;

/// The text of `mapping.toml`.
pub fn mapping(request: &Request<'_>, canonical: &str, shape: &Shape) -> String {
    let mut text = format!(
        "# A draft from {}. Everything in it is a guess; what is behind a guess stands before it.\n\
         # Look at each entry, then take its comment away. Cases beside it show that it is right.\n\
         title = {{ zh = \"待填写：{}\", en = \"Fill in: {}\" }}\ncanonical = {}\n\n[format]\nname = {}\n",
        comment(request.sample),
        request.name,
        request.name,
        quoted(canonical),
        quoted(request.format)
    );
    let is_tables = |value: &toml::Value| value.as_array().is_some_and(|items| items.iter().any(toml::Value::is_table));
    for (name, value) in request.outline.options.iter().filter(|(_, value)| !is_tables(value)) {
        let _ = writeln!(text, "{name} = {}", inline(value));
    }
    for (name, value) in request.outline.options.iter().filter(|(_, value)| is_tables(value)) {
        value.as_array().into_iter().flatten().for_each(|item| option_table(&mut text, name, item));
    }
    text.push_str("\n[body]\n");
    let _ = writeln!(text, "# guess: {} {} of {}", shape.records, plural(shape.records, "record"), comment(&shape.record_path));
    note(&mut text, "other paths that repeat", &shape.others);
    if !shape.root.is_empty() {
        let _ = writeln!(text, "root = {}", quoted(&shape.root));
    }
    if !shape.record_at.is_empty() {
        let _ = writeln!(text, "record = {}", quoted(&shape.record_at));
    }
    if let Some(path) = &shape.message_id {
        let _ = writeln!(text, "# guess: by its name\nmessage_id = {}", quoted(path));
    }
    group(&mut text, &shape.record, "");
    if !shape.left_out.is_empty() || request.outline.left_out > 0 || request.outline.unnamed > 0 {
        text.push('\n');
    }
    note(&mut text, "left out", &shape.left_out);
    if request.outline.left_out > 0 {
        let _ = writeln!(text, "# left out: {} more, for which the outline had no room", request.outline.left_out);
    }
    if request.outline.unnamed > 0 {
        let _ = writeln!(text, "# left out: {} with an empty name, which no path can name", request.outline.unnamed);
    }
    text
}

/// The text of the canonical schema.
pub fn schema(name: &str, sample: &str, shape: &Shape) -> String {
    let mut decimals = Vec::new();
    decimals_of(&shape.record, "", &mut decimals);
    let mut text = format!(
        "{{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"$id\": {},\n  \"$comment\": {},\n  \
         \"title\": \"Fill in\",\n  \"x-title-zh\": \"待填写\",\n  \"x-portolan\": {},\n  \"type\": \"object\",\n",
        json!(format!("urn:portolan:canonical:{name}")),
        json!(format!("A draft from {sample}: titles are to be filled in, and x-portolan.key says what makes two records the same fact.")),
        json!({ "key": [], "decimal": decimals })
    );
    members(&mut text, &shape.record, "  ");
    text.push_str("}\n");
    text
}

fn group(text: &mut String, group: &Group, table: &str) {
    for value in &group.values {
        self::value(text, value, table);
    }
    for list in &group.lists {
        let List { to, path, evidence, item, .. } = list;
        let name = format!("{table}list");
        let _ = write!(text, "\n# guess: {}\n[[{name}]]\nto = {}\npath = {}\n", comment(evidence), quoted(to), quoted(path));
        self::group(text, item, &format!("{name}."));
    }
}

fn value(text: &mut String, value: &Value, table: &str) {
    let what = match (value.guess.kind, value.guess.coded) {
        (Kind::Text, true) => "a code".to_owned(),
        (kind, _) => kind.to_string(),
    };
    let sometimes = if value.always { "" } else { "; not in every record" };
    let _ = write!(text, "\n# guess: {what}; {}{sometimes}\n[[{table}field]]\n", comment(&value.evidence));
    let _ = write!(text, "to = {}\npath = {}\n", quoted(&value.to), quoted(&value.path));
    if value.guess.kind != Kind::Text {
        let _ = writeln!(text, "type = {}", quoted(&value.guess.kind.to_string()));
    }
    if let Some((path, to)) = &value.currency {
        let _ = writeln!(text, "currency = {{ to = {}, path = {} }}", quoted(to), quoted(path));
    }
    if let Some(layout) = &value.guess.layout {
        let _ = writeln!(text, "layout = {}", quoted(layout));
    }
    if !value.codes.is_empty() {
        let codes: Vec<String> = value.codes.iter().map(|code| format!("{} = {}", quoted(code), quoted(code))).collect();
        if !value.expected.is_empty() {
            let _ = writeln!(text, "# to choose: which of these each code means: {}", comment(&value.expected.join(", ")));
        }
        let _ = writeln!(text, "codes = {{ {} }}", codes.join(", "));
    }
    if value.repeats {
        text.push_str("repeat = \"list\"\n");
    }
    if value.after {
        text.push_str("after = true\n");
    }
}

/// `properties` and `required` of an object.
fn members(text: &mut String, group: &Group, indent: &str) {
    let always: Vec<&str> = group.values.iter().filter(|value| value.always && !value.after).map(|value| value.to.as_str()).collect();
    let _ = write!(text, "{indent}\"additionalProperties\": false,\n{indent}\"required\": {},\n{indent}\"properties\": {{", json!(always));
    let mut first = true;
    let mut property = |text: &mut String, name: &str, source: &str| {
        let comma = if std::mem::replace(&mut first, false) { "" } else { "," };
        let (en, zh) = (json!(format!("Fill in: {source}")), json!(format!("待填写：{source}")));
        let _ = write!(text, "{comma}\n{indent}  {}: {{\"title\": {en}, \"x-title-zh\": {zh}, ", json!(name));
    };
    for value in &group.values {
        property(text, &value.to, &value.path);
        let one = type_of(value);
        let _ = write!(text, "{}}}", if value.repeats { format!("\"type\": \"array\", \"items\": {{{one}}}") } else { one });
        if let Some((_, to)) = &value.currency {
            property(text, to, &format!("currency of {}", value.path));
            text.push_str("\"type\": \"string\", \"pattern\": \"^[A-Z]{3}$\"}");
        }
    }
    for list in &group.lists {
        property(text, &list.to, &list.path);
        let _ = writeln!(text, "\"type\": \"array\", \"items\": {{\"type\": \"object\",");
        members(text, &list.item, &format!("{indent}    "));
        let _ = write!(text, "{indent}  }}}}");
    }
    let _ = write!(text, "\n{indent}}}\n");
}

fn type_of(value: &Value) -> String {
    let codes = if value.codes.is_empty() { String::new() } else { format!(", \"enum\": {}", json!(value.codes)) };
    match value.guess.kind {
        Kind::Integer => "\"type\": \"integer\"".to_owned(),
        Kind::Boolean => "\"type\": \"boolean\"".to_owned(),
        Kind::Decimal | Kind::Money => format!("\"type\": \"string\", \"pattern\": {}", json!("^-?[0-9]+(\\.[0-9]+)?$")),
        Kind::Date | Kind::WorkDate => format!("\"type\": \"string\", \"pattern\": {}", json!("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
        _ => format!("\"type\": \"string\", \"minLength\": 1{codes}"),
    }
}

fn decimals_of(group: &Group, base: &str, decimals: &mut Vec<String>) {
    let amounts = group.values.iter().filter(|value| matches!(value.guess.kind, Kind::Decimal | Kind::Money));
    decimals.extend(amounts.map(|value| format!("{base}{}", value.to)));
    group.lists.iter().for_each(|list| decimals_of(&list.item, &format!("{base}{}.", list.to), decimals));
}

fn note(text: &mut String, what: &str, paths: &[String]) {
    for path in paths.iter().take(LISTED_MAX) {
        let _ = writeln!(text, "# {what}: {}", comment(path));
    }
    if paths.len() > LISTED_MAX {
        let _ = writeln!(text, "# {what}: {} more", paths.len() - LISTED_MAX);
    }
}

/// A text of the sample, such that it cannot end the comment that it stands in.
fn comment(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A text as TOML has it: the escapes of a JSON string are those of a basic string, which forbids DEL too.
fn quoted(text: &str) -> String {
    json!(text).to_string().replace('\u{7f}', "\\u007F")
}

/// An option's value on one line.
/// One table of an option that has several, such as a line of a layout; what is in it is a guess too.
fn option_table(text: &mut String, name: &str, item: &toml::Value) {
    let _ = write!(text, "\n# guess\n[[format.{name}]]\n");
    for (name, value) in item.as_table().into_iter().flat_map(in_order) {
        match value.as_array() {
            Some(items) if items.iter().any(toml::Value::is_table) => {
                let items: Vec<String> = items.iter().map(|item| format!("    {},\n", inline(item))).collect();
                let _ = writeln!(text, "{name} = [\n{}]", items.concat());
            }
            _ => {
                let _ = writeln!(text, "{name} = {}", inline(value));
            }
        }
    }
}

/// The members of a table, what says which one it is first.
fn in_order(members: &toml::Table) -> impl Iterator<Item = (&String, &toml::Value)> {
    const FIRST: [&str; 5] = ["path", "tag", "name", "start", "length"];
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    members.into_iter()
}

/// A key as TOML has it: in quotes where it is not a plain word.
fn key(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if plain { name.to_owned() } else { quoted(name) }
}

fn inline(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quoted(text),
        toml::Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        toml::Value::Table(members) => {
            let members: Vec<String> = in_order(members).map(|(name, value)| format!("{} = {}", key(name), inline(value))).collect();
            format!("{{ {} }}", members.join(", "))
        }
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(is) => is.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
    }
}

fn plural(number: u64, noun: &str) -> String {
    if number == 1 { noun.to_owned() } else { format!("{noun}s") }
}
