//! The platform income table: CSV with labels and values before the headings.

use super::set;
use crate::demo::feeds::platform_income::HEADINGS;
use serde_json::{Value, json};

/// Labels before the headings, and what they are in the canonical record.
const LABELS: [(&str, &str); 4] = [
    ("互联网平台企业名称", "operator.name"),
    ("统一社会信用代码（纳税人识别号）", "operator.taxpayer_number"),
    ("平台名称", "platform_name"),
    ("报送日期", "reported_on"),
];

/// What the columns of [`HEADINGS`] are in the canonical record.
const COLUMNS: [&str; 8] = ["platform", "seller_id", "gross_income", "labour_income", "other_income", "fees", "transactions", "period"];

/// The records of a table.
pub fn records(text: &str) -> Result<Vec<Value>, String> {
    let rows = rows(text)?;
    let headings = rows.iter().position(|row| HEADINGS.iter().all(|heading| row.iter().any(|cell| cell == heading)));
    let headings = headings.ok_or("the headings of the income table are not there")?;
    let (before, table) = rows.split_at(headings);

    let mut common = json!({ "currency": "CNY" });
    for row in before {
        if let [label, value, ..] = row.as_slice()
            && let Some((_, path)) = LABELS.iter().find(|(name, _)| name == label)
        {
            set(&mut common, path, json!(value));
        }
    }

    let Some((headings, rows)) = table.split_first() else { return Ok(Vec::new()) };
    rows.iter().map(|row| record(&common, headings, row)).collect()
}

fn record(common: &Value, headings: &[String], row: &[String]) -> Result<Value, String> {
    let mut record = common.clone();
    for (heading, path) in HEADINGS.iter().zip(COLUMNS) {
        let cell = headings.iter().position(|name| name == heading).and_then(|place| row.get(place)).map_or("", String::as_str);
        let value = match path {
            _ if cell.is_empty() => continue,
            "transactions" => json!(cell.parse::<u64>().map_err(|_| format!("{cell} is not a number"))?),
            "period" => json!(quarter(cell).ok_or_else(|| format!("{cell} is not a quarter"))?),
            _ => json!(cell),
        };
        set(&mut record, path, value);
    }
    Ok(record)
}

/// `2026Q3` as its first and last day.
fn quarter(text: &str) -> Option<String> {
    let (year, quarter) = text.split_once('Q')?;
    let (first, last) = match quarter {
        "1" => ("01-01", "03-31"),
        "2" => ("04-01", "06-30"),
        "3" => ("07-01", "09-30"),
        "4" => ("10-01", "12-31"),
        _ => return None,
    };
    Some(format!("{year}-{first}/{year}-{last}"))
}

/// The rows of a CSV text (RFC 4180); empty lines are left out.
fn rows(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '"' if quoted && characters.peek() == Some(&'"') => cell.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if quoted {
        return Err("a quoted cell does not end".to_owned());
    }
    row.push(cell);
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.is_empty()));
    Ok(rows)
}
