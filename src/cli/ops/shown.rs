//! The gateway's answers as tables. What an answer does not have is shown as a dash.

use super::super::desk::{Desk, plain};
use super::super::terminal::{table, thousands, without_empty};
use crate::ops::console::words::NOTHING;
use comfy_table::{ColumnConstraint, Table};
use serde_json::Value;

/// How the gateway stands.
pub fn status(answer: &Value, desk: &Desk) -> String {
    let mut parts = vec![format!("{} {}", desk.say("状态", "phase"), text(&answer["phase"]))];
    let headings = ["partner", "flow", "exchanges", "accepted", "refused", "last received"];
    let chinese = ["接入单位", "交换业务", "交换单", "已接收", "退回", "最近接收"];
    let flows = rows(&answer["flows"]).map(|row| {
        let records = &row["records"];
        [&row["partner"], &row["flow"], &row["exchanges"], &records["accepted"], &records["refused"], &row["last_received_at"]].map(text)
    });
    parts.push(table(if desk.zh { chinese } else { headings }, flows).to_string());
    let headings = ["destination", "queued", "acknowledged", "dead letters", "oldest waiting", "circuit"];
    let chinese = ["接收方", "待投递", "已送达", "投递失败待处理", "最早待投递", "线路"];
    let destinations = rows(&answer["destinations"]).map(|row| {
        [&row["destination"], &row["queued"], &row["acknowledged"], &row["dead"], &row["oldest_waiting"], &row["circuit"]].map(text)
    });
    parts.push(table(if desk.zh { chinese } else { headings }, destinations).to_string());
    parts.extend(rows(&answer["paused"]).map(|row| {
        let act = &row["act"];
        let [what, by, since, why] = [&row["what"], &act["operator"], &act["at"], &act["reason"]].map(text);
        format!("{} {what} · {by} · {since} · {why}", desk.say("已暂停", "paused"))
    }));
    parts.extend(rows(&answer["alarms"]).map(|row| {
        let [severity, kind] = [&row["severity"], &row["kind"]].map(text);
        format!("{} {} {severity} {kind} · {}", desk.say("告警", "alarm"), row["number"], said(&row["message"], desk))
    }));
    parts.extend(
        rows(&answer["endings"])
            .map(|row| format!("{} {} · {}", desk.say("到期", "ends"), said(&row["what"], desk), text(&row["not_after"]))),
    );
    parts.join("\n\n")
}

/// Each partner.
pub fn partners(answer: &Value, desk: &Desk) -> String {
    let headings = ["partner", "last received", "exchanges", "refused share", "p50 ms", "p99 ms", "queued", "dead", "certificate days"];
    let chinese = ["接入单位", "最近接收", "交换单", "退回占比", "p50 毫秒", "p99 毫秒", "待投递", "失败待处理", "证书剩余天数"];
    let partners = rows(&answer["partners"]).map(|row| {
        let sent = &row["sent"];
        let share = sent["refused_share"].as_f64().map_or("—".to_owned(), |share| format!("{:.1} %", share * 100.0));
        let days = rows(&row["certificates"]).filter_map(|one| one["days_left"].as_i64()).min();
        let [name, last, exchanges, p50, p99, queued, dead] =
            [&row["partner"], &row["last_received_at"], &sent["exchanges"], &sent["p50_ms"], &sent["p99_ms"], &row["queued"], &row["dead"]]
                .map(text);
        [name, last, exchanges, share, p50, p99, queued, dead, days.map_or("—".to_owned(), |days| days.to_string())]
    });
    table(if desk.zh { chinese } else { headings }, partners).to_string()
}

/// How each reconciliation stands.
pub fn reconciliations(answer: &Value, desk: &Desk) -> String {
    let headings = ["reconciliation", "matched", "waiting", "late", "unmatched", "amount different", "settled", "duplicates", "left out"];
    let chinese = ["核对规则", "已核对", "待核对", "逾期", "无对应", "金额不符", "已处置", "重复", "未参与"];
    let found = rows(&answer["reconciliations"]).map(|row| {
        let matters = &row["matters"];
        let [matched, waiting, late] = [&matters["matched"], &matters["waiting"], &matters["late"]];
        let [unmatched, different, settled] = [&matters["unmatched"], &matters["amount-different"], &matters["settled"]];
        [&row["reconciliation"], matched, waiting, late, unmatched, different, settled, &row["duplicates"], &row["left_out"]].map(text)
    });
    table(if desk.zh { chinese } else { headings }, found).to_string()
}

/// Matters of one reconciliation.
pub fn matters(answer: &Value, desk: &Desk) -> String {
    let headings = ["key", "state", "due", "leg", "received", "exchange", "record", "amount", "currency"];
    let chinese = ["键", "状态", "应到时间", "环节", "接收时间", "交换单", "记录", "金额", "币种"];
    let found = rows(&answer["matters"]).flat_map(|row| {
        rows(&row["legs"]).map(|leg| {
            let of_leg = [&leg["leg"], &leg["received_at"], &leg["exchange"], &leg["record"], &leg["amount"], &leg["currency"]];
            let [name, received, exchange, record, amount, currency] = of_leg.map(text);
            let [key, state, due] = [&row["key"], &row["state"], &row["due_at"]].map(text);
            [key, state, due, name, received, exchange, record, amount, currency]
        })
    });
    table(if desk.zh { chinese } else { headings }, found).to_string()
}

/// Exchanges that were found.
pub fn exchanges(answer: &Value, desk: &Desk) -> String {
    let headings = ["exchange", "received", "partner", "flow", "verdict", "records", "refused", "message id", "fault"];
    let chinese = ["交换单", "接收时间", "接入单位", "交换业务", "结论", "记录", "退回", "报文标识", "错误"];
    let found = rows(&answer["exchanges"]).map(|row| {
        let counts = &row["counts"];
        [
            &row["exchange"],
            &row["received_at"],
            &row["partner"],
            &row["flow"],
            &row["verdict"],
            &counts["records"],
            &counts["refused"],
            &row["message_id"],
            &row["fault"],
        ]
        .map(text)
    });
    let mut shown = first_whole(without_empty(table(if desk.zh { chinese } else { headings }, found), NOTHING));
    if answer["next_before"].is_string() {
        shown.push_str(desk.say("\n还有更多；缩小范围或增大 --rows", "\nthere may be more; narrow the search, or give more --rows"));
    }
    shown
}

/// One exchange.
pub fn exchange(answer: &Value, desk: &Desk) -> String {
    let names = ["exchange", "partner", "flow", "verdict", "fault", "message_id", "mapping", "trace_id"];
    let mut parts = vec![names.map(|name| format!("{name:12} {}", text(&answer[name]))).join("\n")];
    let moments = rows(&answer["timeline"]).map(|row| [text(&row["at"]), text(&row["what"])]);
    parts.push(table([desk.say("时间", "when"), desk.say("事件", "what")], moments).to_string());
    let headings = ["delivery", "to", "state", "attempt", "began", "fault", "answer"];
    let chinese = ["投递", "接收方", "状态", "尝试", "开始", "错误", "应答"];
    let attempts = rows(&answer["latest_deliveries"]).flat_map(|row| {
        let own: Vec<&Value> = rows(&row["attempts"]).collect();
        let of = |attempt: &Value| {
            [&row["delivery"], &row["to"], &row["state"], &attempt["number"], &attempt["started_at"], &attempt["fault"], &attempt["answer"]]
                .map(text)
        };
        if own.is_empty() { vec![of(&Value::Null)] } else { own.into_iter().map(of).collect() }
    });
    parts.push(first_whole(table(if desk.zh { chinese } else { headings }, attempts)));
    let holds = answer["proof"]["holds"] == true;
    parts.push(match holds {
        true => desk.say("存证：包含路径成立", "proof: the leaf leads to the signed root").to_owned(),
        false => desk.say("存证：包含路径不成立", "proof: the leaf does NOT lead to the signed root").to_owned(),
    });
    parts.join("\n\n")
}

/// What an act on dead letters would change.
pub fn preview(answer: &Value, desk: &Desk) -> String {
    let headings = [desk.say("接收方", "destination"), desk.say("投递", "deliveries"), desk.say("记录", "records")];
    let places = rows(&answer["destinations"]).map(|row| [&row["to"], &row["deliveries"], &row["records"]].map(text));
    let [all, unsent, refused, unsure] =
        [&answer["deliveries"], &answer["never_sent"], &answer["refused"], &answer["maybe_received"]].map(text);
    let mut parts = vec![table(headings, places).to_string()];
    parts.push(if desk.zh {
        format!("投递 {all}：从未发出 {unsent}，接收方曾拒绝 {refused}，接收方可能已收到 {unsure}")
    } else {
        format!("deliveries {all}: never sent {unsent}, refused by the receiver {refused}, maybe received {unsure}")
    });
    if answer["second_person"] == true {
        parts.push(desk.say("超过阈值，须由另一位操作员批准", "over the threshold: another operator must approve").to_owned());
    }
    if answer["complete"] == false {
        parts.push(desk.say("还有更多；完成后请再执行一次", "there are more; act again for the rest").to_owned());
    }
    parts.join("\n")
}

/// The log of acts.
pub fn acts(answer: &Value, desk: &Desk) -> String {
    let headings = ["number", "when", "operator", "act", "standing", "deliveries", "reason"];
    let chinese = ["序号", "时间", "操作员", "操作", "状态", "投递", "理由"];
    let acts = rows(&answer["acts"]).map(|row| {
        let [at, operator, kind, standing, deliveries, reason] =
            [&row["at"], &row["operator"], &row["deed"]["kind"], &row["standing"], &row["deliveries"], &row["reason"]].map(text);
        [row["number"].to_string(), at, operator, kind, standing, deliveries, reason]
    });
    table(if desk.zh { chinese } else { headings }, acts).to_string()
}

/// Alarms.
pub fn alarms(answer: &Value, desk: &Desk) -> String {
    let headings = ["number", "severity", "kind", "raised", "closed", "taken on by", "message"];
    let chinese = ["序号", "级别", "种类", "产生", "解除", "确认人", "内容"];
    let list = if answer["open"].is_array() { &answer["open"] } else { &answer["alarms"] };
    let alarms = rows(list).map(|row| {
        let [severity, kind, raised, closed, by] =
            [&row["severity"], &row["kind"], &row["opened_at"], &row["closed_at"], &row["acknowledged"]["operator"]].map(text);
        [row["number"].to_string(), severity, kind, raised, closed, by, said(&row["message"], desk)]
    });
    table(if desk.zh { chinese } else { headings }, alarms).to_string()
}

/// What is in force, and what changed.
pub fn changes(answer: &Value, desk: &Desk) -> String {
    let mut parts =
        vec![format!("{} {} · {}", desk.say("现行配置自", "in force since"), text(&answer["in_force_since"]), text(&answer["sha256"]))];
    parts.extend(
        rows(&answer["refused_reload"]["problems"]).map(|problem| format!("{} {}", desk.say("被拒绝：", "refused:"), text(problem))),
    );
    let headings = ["act", "when", "how", "file", "keys"];
    let chinese = ["操作号", "时间", "方式", "文件", "键"];
    let files = rows(&answer["changes"]).flat_map(|act| {
        let of = |file: &Value| {
            let keys = rows(&file["keys"]).map(text).collect::<Vec<_>>().join(" ");
            [act["number"].to_string(), text(&act["at"]), text(&file["how"]), text(&file["file"]), keys]
        };
        let files: Vec<&Value> = rows(&act["deed"]["files"]).collect();
        if files.is_empty() { vec![of(&Value::Null)] } else { files.into_iter().map(of).collect() }
    });
    parts.push(table(if desk.zh { chinese } else { headings }, files).to_string());
    parts.join("\n")
}

/// Candidate mappings.
pub fn candidates(answer: &Value, desk: &Desk) -> String {
    let headings = ["candidate", "holds", "cases", "run", "exchanges", "differing", "differences"];
    let chinese = ["候选映射", "可用", "案例", "试跑", "报文", "有差异的报文", "差异"];
    let found = rows(&answer["candidates"]).map(|row| {
        let run = &row["run"];
        let exchanges = &run["exchanges"];
        [&row["mapping"], &row["holds"], &row["cases"], &run["state"], &exchanges["done"], &exchanges["differing"], &run["differences"]]
            .map(text)
    });
    table(if desk.zh { chinese } else { headings }, found).to_string()
}

/// One candidate, and what its run found.
pub fn candidate(answer: &Value, desk: &Desk) -> String {
    let mut parts = vec![format!("{} · {}", text(&answer["mapping"]), text(&answer["sha256"]))];
    let wrong = rows(&answer["problems"]).chain(rows(&answer["failures"]));
    parts.extend(wrong.map(|problem| format!("{} {}", desk.say("问题：", "problem:"), text(problem))));
    parts.extend(rows(&answer["lines"]).flat_map(|file| {
        let name = text(&file["file"]);
        rows(&file["lines"]).map(move |line| {
            let sign = if line["change"] == "removed" { '-' } else { '+' };
            format!("{name} {sign}{} {}", line["line"], text(&line["text"]))
        })
    }));
    let run = &answer["run"];
    if run.is_object() {
        let [state, failure, digest, records] = [&run["state"], &run["failure"], &run["sha256"], &run["records"]].map(text);
        let [done, total, left_out, differing] = ["done", "total", "left_out", "differing"].map(|name| text(&run["exchanges"][name]));
        parts.push(if desk.zh {
            format!("试跑 {state}（{failure}）· {digest}\n报文 {done}/{total}，略过 {left_out}，有差异 {differing}，记录 {records}")
        } else {
            format!("run {state} ({failure}) · {digest}\nexchanges {done}/{total}, left out {left_out}, differing {differing}, records {records}")
        });
        let sums = rows(&run["sums"]).map(|row| [&row["what"], &row["at"], &row["times"]].map(text));
        parts.push(table([desk.say("差异", "what differs"), desk.say("位置", "where"), desk.say("次数", "times")], sums).to_string());
        let headings = ["exchange", "record", "what", "where", "in force", "candidate"];
        let chinese = ["交换单", "记录", "差异", "位置", "现行", "候选"];
        let kept = rows(&run["kept"])
            .map(|row| [&row["exchange"], &row["record"], &row["what"], &row["at"], &row["live"], &row["candidate"]].map(text));
        parts.push(first_whole(table(if desk.zh { chinese } else { headings }, kept)));
    }
    parts.join("\n")
}

/// What came of asking for something that is not logged.
pub fn asked_for(answer: &Value, desk: &Desk) -> String {
    match answer["changed"].as_bool() {
        Some(true) => desk.say("已收到，正在进行", "asked for; it is under way").to_owned(),
        _ => changed(answer, desk),
    }
}

/// What came of a change.
pub fn changed(answer: &Value, desk: &Desk) -> String {
    if answer["proposal"].is_object() {
        let (number, until) = (&answer["proposal"]["number"], text(&answer["proposal"]["waits_until"]));
        return if desk.zh {
            format!("已提议，序号 {number}；须由另一位操作员在 {until} 前批准：portolan ops approve {number}")
        } else {
            format!("proposed as number {number}; another operator must approve it before {until}: portolan ops approve {number}")
        };
    }
    if answer["changed"] == false {
        return desk.say("已是如此，未作更改", "it is so already; nothing was changed").to_owned();
    }
    let act = &answer["act"];
    let (number, deliveries) = (&act["number"], text(&act["deliveries"]));
    let more = if act["complete"] == false { desk.say("；还有更多，请再执行一次", "; there are more, act again") } else { "" };
    match (act["deliveries"].as_u64().unwrap_or(0), desk.zh) {
        (0, true) => format!("已完成，操作序号 {number}"),
        (0, false) => format!("done, as act {number}"),
        (_, true) => format!("已完成，操作序号 {number}，投递 {deliveries}{more}"),
        (_, false) => format!("done, as act {number}, deliveries {deliveries}{more}"),
    }
}

/// A table whose first column is never folded: an id is there to be copied.
fn first_whole(mut table: Table) -> String {
    if let Some(column) = table.column_mut(0) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.to_string()
}

fn rows(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// Words in the language of the desk.
fn said(words: &Value, desk: &Desk) -> String {
    text(if desk.zh { &words["zh"] } else { &words["en"] })
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), thousands),
        Value::Bool(truth) => truth.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => NOTHING.to_owned(),
    }
}
