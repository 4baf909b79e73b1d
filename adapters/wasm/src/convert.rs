//! From the contract's types to those of `adapter.wit`, and from its errors back.

use crate::bindings as wit;
use portolan_contract::{FormatCode, FormatError, Limits, Plan, Position, RawRecord, Repeat, Words, sentence};

/// The plan as a component takes it.
pub fn plan(plan: &Plan) -> wit::Plan {
    let node = |node: &portolan_contract::Node| wit::Node {
        name: node.name.clone(),
        parent: node.parent,
        slot: node.slot,
        ordinal: node.ordinal,
        serial: node.serial,
        list: node.list,
        anchor: node.anchor,
        constant: node.constant.clone(),
        per_record: node.per_record,
    };
    let slot = |slot: &portolan_contract::Slot| wit::Slot {
        path: slot.path.clone(),
        node: slot.node,
        list: slot.list,
        in_record: slot.in_record,
        after: slot.after,
        repeat: match slot.repeat {
            Repeat::Once => wit::Repeat::Once,
            Repeat::First => wit::Repeat::First,
            Repeat::List => wit::Repeat::Many,
        },
    };
    let list = |list: &portolan_contract::List| wit::ItemsOf { path: list.path.clone(), node: list.node, parent: list.parent };
    wit::Plan {
        nodes: plan.nodes.iter().map(node).collect(),
        slots: plan.slots.iter().map(slot).collect(),
        lists: plan.lists.iter().map(list).collect(),
    }
}

/// The options of a mapping's `[format]` table.
pub fn settings(options: &toml::Table) -> Vec<wit::Setting> {
    let value = |value: &toml::Value| match value {
        toml::Value::String(text) => wit::SettingValue::Text(text.clone()),
        toml::Value::Integer(number) => wit::SettingValue::Number(*number),
        toml::Value::Boolean(truth) => wit::SettingValue::Truth(*truth),
        other => wit::SettingValue::Json(serde_json::to_string(other).unwrap_or_default()),
    };
    options.iter().map(|(key, given)| wit::Setting { key: key.clone(), value: value(given) }).collect()
}

/// The limits of a record.
pub fn limits(limits: &Limits) -> wit::Limits {
    let narrow = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
    wit::Limits {
        token_bytes_max: narrow(limits.token_bytes_max),
        record_values_max: narrow(limits.record_values_max),
        record_bytes_max: narrow(limits.record_bytes_max),
    }
}

/// A record to be written.
pub fn record(record: &RawRecord) -> wit::RawRecord {
    let value = |value: &portolan_contract::RawValue| wit::Value {
        slot: value.slot,
        item: value.item,
        at: place(value.at),
        text: record.text(value).to_owned(),
    };
    let item = |item: &portolan_contract::Item| wit::Item { list: item.list, parent: item.parent };
    wit::RawRecord {
        at: place(record.at),
        part: record.part.clone(),
        values: record.values().iter().map(value).collect(),
        items: record.items().iter().map(item).collect(),
        findings: Vec::new(),
    }
}

fn place(at: Position) -> wit::Position {
    wit::Position { line: at.line, byte: at.byte, column: at.column }
}

/// A place that a component names.
pub fn position(at: &wit::Position) -> Position {
    Position { line: at.line, byte: at.byte, column: at.column }
}

/// What a component says.
pub fn words(words: wit::Words) -> Words {
    Words::new(words.zh, words.en)
}

/// The error with which a component ends a body at a place.
pub fn error(error: wit::Error, at: Position) -> FormatError {
    let code = match error.code {
        wit::ErrorCode::Syntax => FormatCode::Syntax,
        wit::ErrorCode::Truncated => FormatCode::Truncated,
        wit::ErrorCode::CharsetUnknown => FormatCode::CharsetUnknown,
        wit::ErrorCode::BytesUnmappable => FormatCode::BytesUnmappable,
        wit::ErrorCode::CharacterUnmappable => FormatCode::CharacterUnmappable,
        wit::ErrorCode::CharacterForbidden => FormatCode::CharacterForbidden,
        wit::ErrorCode::DuplicateKey => FormatCode::DuplicateKey,
        wit::ErrorCode::DepthExceeded => FormatCode::DepthExceeded,
        wit::ErrorCode::TokenExceeded => FormatCode::TokenExceeded,
        wit::ErrorCode::RecordExceeded => FormatCode::RecordExceeded,
        wit::ErrorCode::NotThisMessage => FormatCode::NotThisMessage,
        wit::ErrorCode::ValueLate => FormatCode::ValueLate,
        wit::ErrorCode::ValueUnwritable => FormatCode::ValueUnwritable,
    };
    let words = words(error.words);
    let told = FormatError::new(code, at, words.zh, words.en);
    match error.path {
        Some(path) => told.on(sentence(path)),
        None => told,
    }
}
