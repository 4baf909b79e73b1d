//! Export inventories: CEB603 XML, read with a small parser of its own.
//!
//! The parser knows elements, attributes, text, comments, processing instructions and the five
//! predefined entities; anything else is refused. Prefixes are dropped.

use super::set;
use crate::demo::feeds::ceb603::{COUNTRIES, CURRENCIES};
use serde_json::{Value, json};

/// Elements open at once.
const DEPTH_MAX: usize = 16;

/// What the text of an element is.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Whole,
    /// `YYYYMMDD`.
    Day,
    /// `YYYYMMDDhhmmss`, Chinese time.
    Moment,
    /// A code and what it is in the canonical record.
    Code(&'static [(&'static str, &'static str)]),
}
use Kind::{Code, Day, Moment, Text, Whole};

const METHODS: Kind = Code(&[("1", "rate"), ("2", "unit-price"), ("3", "total")]);

/// Elements of a list's head, and what they are in the canonical record.
const HEAD: &[(&str, &str, Kind)] = &[
    ("guid", "declaration_id", Text),
    ("appType", "application_type", Code(&[("1", "new"), ("2", "change"), ("3", "deletion")])),
    ("appTime", "applied_at", Moment),
    ("appStatus", "application_status", Code(&[("1", "draft"), ("2", "declared")])),
    ("customsCode", "customs_office", Text),
    ("ebpCode", "platform.code", Text),
    ("ebpName", "platform.name", Text),
    ("orderNo", "order_number", Text),
    ("logisticsCode", "carrier.code", Text),
    ("logisticsName", "carrier.name", Text),
    ("logisticsNo", "waybill_number", Text),
    ("copNo", "internal_number", Text),
    ("preNo", "pre_entry_number", Text),
    ("invtNo", "declaration_number", Text),
    ("ieFlag", "direction", Code(&[("E", "export"), ("I", "import")])),
    ("portCode", "exit_port", Text),
    ("ieDate", "export_date", Day),
    ("statisticsFlag", "statistics_flag", Text),
    ("agentCode", "declarant.code", Text),
    ("agentName", "declarant.name", Text),
    ("ebcCode", "merchant.code", Text),
    ("ebcName", "merchant.name", Text),
    ("ownerCode", "owner.code", Text),
    ("ownerName", "owner.name", Text),
    ("tradeMode", "trade_mode", Text),
    ("trafMode", "transport_mode", Code(&[("5", "4")])),
    ("trafName", "transport_name", Text),
    ("voyageNo", "voyage_number", Text),
    ("billNo", "bill_number", Text),
    ("country", "destination_country", Code(COUNTRIES)),
    ("POD", "destination_port", Text),
    ("freight", "freight.value", Text),
    ("fCurrency", "freight.currency", Code(CURRENCIES)),
    ("fFlag", "freight.method", METHODS),
    ("insuredFee", "insurance.value", Text),
    ("iCurrency", "insurance.currency", Code(CURRENCIES)),
    ("iFlag", "insurance.method", METHODS),
    ("wrapType", "packaging_type", Text),
    ("packNo", "packages", Whole),
    ("grossWeight", "gross_weight", Text),
    ("netWeight", "net_weight", Text),
    ("note", "note", Text),
];

/// Elements of one of a list's goods.
const ITEM: &[(&str, &str, Kind)] = &[
    ("gnum", "number", Whole),
    ("itemNo", "merchant_item_number", Text),
    ("gcode", "hs_code", Text),
    ("gname", "name", Text),
    ("gmodel", "specification", Text),
    ("country", "destination_country", Code(COUNTRIES)),
    ("currency", "currency", Code(CURRENCIES)),
    ("qty", "quantity", Text),
    ("qty1", "statutory_quantity", Text),
    ("qty2", "second_quantity", Text),
    ("unit", "unit", Text),
    ("unit1", "statutory_unit", Text),
    ("unit2", "second_unit", Code(&[("035", "KGM")])),
    ("price", "price", Text),
    ("totalPrice", "total_price", Text),
];

/// The records of a message: one for each inventory list.
pub fn records(text: &str) -> Result<Vec<Value>, String> {
    let root = parse(text)?;
    if root.name != "CEB603Message" {
        return Err(format!("{} is not CEB603Message", root.name));
    }
    let guid = root.attributes.iter().find(|(name, _)| name == "guid").map(|(_, value)| value);
    let lists = root.children.iter().filter(|child| child.name == "Inventory");
    lists.map(|list| record(guid, list)).collect()
}

fn record(guid: Option<&String>, list: &Element) -> Result<Value, String> {
    let mut record = json!({});
    if let Some(guid) = guid {
        set(&mut record, "message_id", json!(guid));
    }
    let mut items = Vec::new();
    for part in &list.children {
        match part.name.as_str() {
            "InventoryHead" => fill(&mut record, part, HEAD)?,
            "InventoryList" => {
                let mut item = json!({});
                fill(&mut item, part, ITEM)?;
                items.push(item);
            }
            other => return Err(format!("{other} is not part of a list")),
        }
    }
    set(&mut record, "items", Value::Array(items));
    Ok(record)
}

fn fill(record: &mut Value, element: &Element, fields: &[(&str, &str, Kind)]) -> Result<(), String> {
    for child in element.children.iter().filter(|child| !child.text.is_empty()) {
        let (_, path, kind) = fields.iter().find(|(name, ..)| *name == child.name).ok_or_else(|| format!("{} is not known", child.name))?;
        let value = value(&child.text, *kind).ok_or_else(|| format!("{}: {} is not what it should be", child.name, child.text))?;
        set(record, path, value);
    }
    Ok(())
}

fn value(text: &str, kind: Kind) -> Option<Value> {
    let part = |from: usize, to: usize| text.get(from..to);
    let day = || Some(format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?));
    Some(match kind {
        Text => json!(text),
        Whole => json!(text.parse::<u64>().ok()?),
        Day => json!(day()?),
        Moment => json!(format!("{}T{}:{}:{}+08:00", day()?, part(8, 10)?, part(10, 12)?, part(12, 14)?)),
        Code(codes) => json!(codes.iter().find(|(code, _)| *code == text)?.1),
    })
}

#[derive(Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    text: String,
    children: Vec<Element>,
}

/// The root element of a document.
fn parse(text: &str) -> Result<Element, String> {
    let mut open: Vec<Element> = vec![Element::default()];
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(start) = rest.find('<') {
        let (before, markup) = rest.split_at(start);
        if let Some(top) = open.last_mut() {
            top.text.push_str(&unescape(before.trim())?);
        }
        let end = if markup.starts_with("<!--") { "-->" } else { ">" };
        let (tag, after) = markup.split_once(end).ok_or("markup does not end")?;
        rest = after;
        match tag.as_bytes() {
            [b'<', b'!', b'-', b'-', ..] | [b'<', b'?', ..] => {}
            [b'<', b'!', ..] => return Err("declarations are refused".to_owned()),
            [b'<', b'/', name @ ..] => close(&mut open, name)?,
            _ if open.len() > DEPTH_MAX => return Err("too deep".to_owned()),
            [b'<', .., b'/'] => {
                let element = start_of(&tag[1..tag.len() - 1])?;
                if let Some(top) = open.last_mut() {
                    top.children.push(element);
                }
            }
            _ => open.push(start_of(&tag[1..])?),
        }
    }
    match (open.len(), open.pop().and_then(|mut top| top.children.pop())) {
        (1, Some(root)) => Ok(root),
        _ => Err("the document has no whole root".to_owned()),
    }
}

fn close(open: &mut Vec<Element>, name: &[u8]) -> Result<(), String> {
    let element = open.pop().unwrap_or_default();
    let whole = String::from_utf8_lossy(name);
    match open.last_mut() {
        Some(parent) if local(whole.trim_end()) == element.name => parent.children.push(element),
        _ => return Err(format!("{whole} closes what is not open")),
    }
    Ok(())
}

/// An element from what stands within its opening tag.
fn start_of(tag: &str) -> Result<Element, String> {
    let (name, mut rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let mut element = Element { name: local(name).to_owned(), ..Element::default() };
    while let Some((name, after)) = rest.split_once('=') {
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or("an attribute without quotes")?;
        let (value, after) = after[1..].split_once(quote).ok_or("an attribute does not end")?;
        element.attributes.push((name.trim().to_owned(), unescape(value)?));
        rest = after;
    }
    Ok(element)
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn unescape(text: &str) -> Result<String, String> {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';').ok_or("an entity does not end")?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => return Err(format!("&{other}; is not known")),
        });
        plain.push_str(after);
    }
    Ok(plain)
}
