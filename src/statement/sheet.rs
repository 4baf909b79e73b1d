//! The workbook of a daily statement: the same sums as in the JSON, with headings in Chinese and English.

use super::{Statement, StatementLine};
use crate::cells::neutral;
use crate::workbook::{Table, workbook};

const HEADINGS: [&str; 8] =
    ["项目 Measure", "对方 Other party", "口径 Basis", "日期 Date", "币种 Currency", "方向 Direction", "记录数 Records", "金额 Amount"];

/// The bytes of the workbook.
///
/// # Errors
/// A text that no cell can hold, in words.
pub(super) fn sheet(statement: &Statement) -> Result<Vec<u8>, String> {
    let Statement { day, exchanges, flow, from, partner, to, zone, lines, .. } = statement;
    let state = if statement.provisional { "未结束，数据可能变化 provisional" } else { "已结束 final" };
    let labels = vec![
        ("日对账单 Daily statement", statement.file_name()),
        ("接入单位 Partner", partner.to_string()),
        ("交换业务 Flow", flow.to_string()),
        ("日期 Day", day.clone()),
        ("起 From", from.clone()),
        ("止 To", to.clone()),
        ("时区 Zone", zone.clone()),
        ("状态 State", state.to_owned()),
        ("交换单 Exchanges", exchanges.all.to_string()),
        ("其中部分接收 In part", exchanges.in_part.to_string()),
        ("其中退回 Refused", exchanges.refused.to_string()),
        ("重复记录 Repeated records", statement.repeated_records.to_string()),
        ("生成时间 Signed at", statement.signed_at.clone()),
    ];
    workbook(&Table { sheet: "statement", labels, headings: &HEADINGS, rows: lines.iter().map(row).collect() })
}

fn row(line: &StatementLine) -> Vec<String> {
    let measure = match line.measure.as_str() {
        "sent" => "报送 sent",
        "accepted" => "已接收 accepted",
        "refused" => "退回 refused",
        "delivered" => "已送达 delivered",
        _ => "接收方已收 taken",
    };
    let basis = match line.basis.as_str() {
        "work" => "工作日期 work",
        "booking" => "记账日期 booking",
        _ => "接收日期 received",
    };
    let outside = |text: &str| neutral(text).into_owned();
    vec![
        measure.to_owned(),
        outside(&line.other),
        basis.to_owned(),
        outside(&line.date),
        outside(&line.currency),
        outside(&line.direction),
        line.records.to_string(),
        line.amount.clone().unwrap_or_default(),
    ]
}
