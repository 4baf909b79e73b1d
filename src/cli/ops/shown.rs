//! The gateway's answers as tables.

use super::super::desk::Desk;
use super::super::terminal::{facts, thousands, without_empty};
use super::cells::{first_whole, rows, said, text, told, when, word};
use super::feeds;
use super::words::{
    CIRCUITS, DEEDS, DELIVERIES, DIFFERENCES, FILES, MATTERS, MOMENTS, PHASES, RUNS, SEVERITIES, STANDINGS, TRUTHS, VERDICTS,
};
use crate::ops::console::words::NOTHING;
use serde_json::Value;

/// How the gateway stands.
pub fn status(answer: &Value, desk: &Desk) -> String {
    let mut parts = vec![format!("{} {}", desk.say("状态", "phase"), word(PHASES, &answer["phase"], desk))];
    parts.push(feeds::flows(answer, desk));
    let headings = ["destination", "queued", "acknowledged", "dead letters", "oldest waiting", "circuit"];
    let chinese = ["接收方", "待投递", "已送达", "投递失败待处理", "最早待投递", "线路"];
    let destinations = rows(&answer["destinations"]).map(|row| {
        let [to, queued, acknowledged, dead] = [&row["destination"], &row["queued"], &row["acknowledged"], &row["dead"]].map(text);
        [to, queued, acknowledged, dead, when(&row["oldest_waiting"]), word(CIRCUITS, &row["circuit"], desk)]
    });
    parts.push(told(desk, headings, chinese, destinations).to_string());
    parts.extend(rows(&answer["paused"]).map(|row| {
        let act = &row["act"];
        let [what, by, why] = [&row["what"], &act["operator"], &act["reason"]].map(text);
        format!("{} {what} · {by} · {} · {why}", desk.say("已暂停", "paused"), when(&act["at"]))
    }));
    parts.extend(rows(&answer["alarms"]).map(|row| {
        let (severity, kind) = (word(SEVERITIES, &row["severity"], desk), text(&row["kind"]));
        format!("{} {} {severity} {kind} · {}", desk.say("告警", "alarm"), row["number"], said(&row["message"], desk))
    }));
    parts.extend(
        rows(&answer["endings"])
            .map(|row| format!("{} {} · {}", desk.say("到期", "ends"), said(&row["what"], desk), when(&row["not_after"]))),
    );
    parts.push(chain(&answer["journal"], desk));
    parts.join("\n\n")
}

/// How far the chain of evidence reaches and is verified, and what does not hold.
fn chain(journal: &Value, desk: &Desk) -> String {
    let (verified, end) = (&journal["verified"], &journal["chain"]);
    let [epoch, index, exchanges, acts] = [&end["epoch"], &end["index"], &verified["exchanges"], &verified["acts"]].map(text);
    let problems: Vec<&Value> = rows(&verified["problems"]).collect();
    let standing = match (problems.is_empty(), verified["whole_at"].is_string()) {
        (false, _) => desk.say("不完整", "BROKEN"),
        (true, true) => desk.say("完整", "whole"),
        (true, false) => desk.say("正在校验", "being verified"),
    };
    let at = when(&verified["whole_at"]);
    let mut parts = vec![if desk.zh {
        format!("存证链 {standing} · 链尾第 {epoch} 纪元第 {index} 号 · 校验至 {at} · 交换单 {exchanges} · 操作记录 {acts}")
    } else {
        format!("chain {standing} · reaches epoch {epoch}, index {index} · verified up to {at} · exchanges {exchanges} · acts {acts}")
    }];
    parts.extend(problems.iter().map(|problem| format!("{} {}", desk.say("不符：", "does not hold:"), said(&problem["message"], desk))));
    parts.join("\n")
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
    told(desk, headings, chinese, found).to_string()
}

/// Matters of one reconciliation.
pub fn matters(answer: &Value, desk: &Desk) -> String {
    let headings = ["key", "state", "due", "leg", "received", "exchange", "record", "amount", "currency"];
    let chinese = ["键", "状态", "应到时间", "环节", "接收时间", "交换单", "记录", "金额", "币种"];
    let found = rows(&answer["matters"]).flat_map(|row| {
        rows(&row["legs"]).map(|leg| {
            let of_leg = [&row["key"], &leg["leg"], &leg["exchange"], &leg["record"], &leg["amount"], &leg["currency"]];
            let [key, name, exchange, record, amount, currency] = of_leg.map(text);
            let (state, due, received) = (word(MATTERS, &row["state"], desk), when(&row["due_at"]), when(&leg["received_at"]));
            [key, state, due, name, received, exchange, record, amount, currency]
        })
    });
    told(desk, headings, chinese, found).to_string()
}

/// Exchanges that were found.
pub fn exchanges(answer: &Value, desk: &Desk) -> String {
    let headings = ["exchange", "received", "partner", "flow", "verdict", "records", "refused", "message id", "fault"];
    let chinese = ["交换单", "接收时间", "接入单位", "交换业务", "结论", "记录", "退回", "报文标识", "错误"];
    let found = rows(&answer["exchanges"]).map(|row| {
        let counts = &row["counts"];
        let [exchange, partner, flow, records] = [&row["exchange"], &row["partner"], &row["flow"], &counts["records"]].map(text);
        let [refused, message, fault] = [&counts["refused"], &row["message_id"], &row["fault"]].map(text);
        let (received, verdict) = (when(&row["received_at"]), word(VERDICTS, &row["verdict"], desk));
        [exchange, received, partner, flow, verdict, records, refused, message, fault]
    });
    let mut shown = first_whole(without_empty(told(desk, headings, chinese, found), NOTHING));
    if answer["next_before"].is_string() {
        shown.push_str(desk.say("\n还有更多；缩小范围或增大 --rows", "\nthere may be more; narrow the search, or give more --rows"));
    }
    shown
}

/// One exchange.
pub fn exchange(answer: &Value, desk: &Desk) -> String {
    let [exchange, partner, flow, fault] = ["exchange", "partner", "flow", "fault"].map(|name| text(&answer[name]));
    let [message, mapping, trace] = ["message_id", "mapping", "trace_id"].map(|name| text(&answer[name]));
    let [records, accepted, refused, repeated, warnings] =
        ["records", "accepted", "refused", "repeated", "warnings"].map(|name| text(&answer["counts"][name]));
    let counts = if desk.zh {
        format!("{records}：已接收 {accepted}，退回 {refused}，重复 {repeated}，警告 {warnings}")
    } else {
        format!("{records}: accepted {accepted}, refused {refused}, repeated {repeated}, warnings {warnings}")
    };
    let about = [
        (desk.say("交换单", "exchange"), exchange),
        (desk.say("接入单位", "partner"), partner),
        (desk.say("交换业务", "flow"), flow),
        (desk.say("结论", "verdict"), word(VERDICTS, &answer["verdict"], desk)),
        (desk.say("错误", "fault"), fault),
        (desk.say("记录", "records"), counts),
        (desk.say("报文标识", "message id"), message),
        (desk.say("映射规则", "mapping"), mapping),
        (desk.say("跟踪号", "trace"), trace),
    ];
    let mut parts = vec![facts(about)];
    let moments = rows(&answer["timeline"]).map(|row| [when(&row["at"]), word(MOMENTS, &row["what"], desk)]);
    parts.push(told(desk, ["when", "what"], ["时间", "事件"], moments).to_string());
    parts.extend(findings(&answer["first_findings"], desk));
    let headings = ["delivery", "to", "state", "attempt", "began", "fault", "answer"];
    let chinese = ["投递", "接收方", "状态", "尝试", "开始", "错误", "应答"];
    let attempts = rows(&answer["latest_deliveries"]).flat_map(|row| {
        let own: Vec<&Value> = rows(&row["attempts"]).collect();
        let of = |attempt: &Value| {
            let [delivery, to, number] = [&row["delivery"], &row["to"], &attempt["number"]].map(text);
            let [fault, answer] = [&attempt["fault"], &attempt["answer"]].map(text);
            [delivery, to, word(DELIVERIES, &row["state"], desk), number, when(&attempt["started_at"]), fault, answer]
        };
        if own.is_empty() { vec![of(&Value::Null)] } else { own.into_iter().map(of).collect() }
    });
    parts.push(first_whole(told(desk, headings, chinese, attempts)));
    let holds = answer["proof"]["holds"] == true;
    parts.push(match holds {
        true => desk.say("存证：包含路径成立", "proof: the leaf leads to the signed root").to_owned(),
        false => desk.say("存证：包含路径不成立", "proof: the leaf does NOT lead to the signed root").to_owned(),
    });
    parts.join("\n\n")
}

/// The first findings of an exchange, and how many there are more; nothing where there is none.
fn findings(page: &Value, desk: &Desk) -> Option<String> {
    let headings = ["record", "severity", "rule", "place", "field", "found", "message"];
    let chinese = ["记录", "级别", "规则", "位置", "字段", "原值", "校验问题"];
    let found = rows(&page["findings"]).map(|row| {
        let field = if row["canonical"].is_string() { &row["canonical"] } else { &row["source"] };
        let [record, rule, place, field, found, message] =
            [&row["record"], &row["rule"], &row["place"], field, &row["found"], &row["message"]].map(text);
        [record, word(SEVERITIES, &row["severity"], desk), rule, place, field, found, message]
    });
    let found: Vec<_> = found.collect();
    let all = page["kept"].as_u64().unwrap_or(0) + page["left_out"].as_u64().unwrap_or(0);
    let more = thousands(all.saturating_sub(found.len() as u64));
    let mut shown = without_empty(told(desk, headings, chinese, found), NOTHING).to_string();
    if more != "0" {
        shown.push_str(&if desk.zh { format!("\n另有 {more} 项") } else { format!("\nand {more} more") });
    }
    (all > 0).then_some(shown)
}

/// What an act on dead letters would change.
pub fn preview(answer: &Value, desk: &Desk) -> String {
    let (headings, chinese) = (["destination", "deliveries", "records"], ["接收方", "投递", "记录"]);
    let places = rows(&answer["destinations"]).map(|row| [&row["to"], &row["deliveries"], &row["records"]].map(text));
    let [all, unsent, refused, unsure] =
        [&answer["deliveries"], &answer["never_sent"], &answer["refused"], &answer["maybe_received"]].map(text);
    let mut parts = vec![told(desk, headings, chinese, places).to_string()];
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
        let [operator, deliveries, reason] = [&row["operator"], &row["deliveries"], &row["reason"]].map(text);
        let (kind, standing) = (word(&DEEDS, &row["deed"]["kind"], desk), word(STANDINGS, &row["standing"], desk));
        [row["number"].to_string(), when(&row["at"]), operator, kind, standing, deliveries, reason]
    });
    told(desk, headings, chinese, acts).to_string()
}

/// Alarms.
pub fn alarms(answer: &Value, desk: &Desk) -> String {
    let headings = ["number", "severity", "kind", "raised", "closed", "taken on by", "message"];
    let chinese = ["序号", "级别", "种类", "产生", "解除", "确认人", "内容"];
    let list = if answer["open"].is_array() { &answer["open"] } else { &answer["alarms"] };
    let alarms = rows(list).map(|row| {
        let [kind, by] = [&row["kind"], &row["acknowledged"]["operator"]].map(text);
        let (raised, closed) = (when(&row["opened_at"]), when(&row["closed_at"]));
        [row["number"].to_string(), word(SEVERITIES, &row["severity"], desk), kind, raised, closed, by, said(&row["message"], desk)]
    });
    told(desk, headings, chinese, alarms).to_string()
}

/// What is in force, and what changed.
pub fn changes(answer: &Value, desk: &Desk) -> String {
    let mut parts =
        vec![format!("{} {} · {}", desk.say("现行配置自", "in force since"), when(&answer["in_force_since"]), text(&answer["sha256"]))];
    parts.extend(
        rows(&answer["refused_reload"]["problems"]).map(|problem| format!("{} {}", desk.say("被拒绝：", "refused:"), text(problem))),
    );
    let headings = ["act", "when", "how", "file", "keys"];
    let chinese = ["操作号", "时间", "方式", "文件", "键"];
    let files = rows(&answer["changes"]).flat_map(|act| {
        let of = |file: &Value| {
            let keys = rows(&file["keys"]).map(text).collect::<Vec<_>>().join(" ");
            [act["number"].to_string(), when(&act["at"]), word(FILES, &file["how"], desk), text(&file["file"]), keys]
        };
        let files: Vec<&Value> = rows(&act["deed"]["files"]).collect();
        if files.is_empty() { vec![of(&Value::Null)] } else { files.into_iter().map(of).collect() }
    });
    parts.push(told(desk, headings, chinese, files).to_string());
    parts.join("\n")
}

/// Candidate mappings.
pub fn candidates(answer: &Value, desk: &Desk) -> String {
    let headings = ["candidate", "holds", "cases", "run", "exchanges", "differing", "differences"];
    let chinese = ["候选映射", "可用", "案例", "试跑", "报文", "有差异的报文", "差异"];
    let found = rows(&answer["candidates"]).map(|row| {
        let run = &row["run"];
        let exchanges = &run["exchanges"];
        let [mapping, cases, done] = [&row["mapping"], &row["cases"], &exchanges["done"]].map(text);
        let [differing, differences] = [&exchanges["differing"], &run["differences"]].map(text);
        [mapping, word(TRUTHS, &row["holds"], desk), cases, word(RUNS, &run["state"], desk), done, differing, differences]
    });
    told(desk, headings, chinese, found).to_string()
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
        let [failure, digest, records] = [&run["failure"], &run["sha256"], &run["records"]].map(text);
        let state = word(RUNS, &run["state"], desk);
        let [done, total, left_out, differing] = ["done", "total", "left_out", "differing"].map(|name| text(&run["exchanges"][name]));
        parts.push(if desk.zh {
            format!("试跑 {state}（{failure}）· {digest}\n报文 {done}/{total}，略过 {left_out}，有差异 {differing}，记录 {records}")
        } else {
            format!("run {state} ({failure}) · {digest}\nexchanges {done}/{total}, left out {left_out}, differing {differing}, records {records}")
        });
        let sums = rows(&run["sums"]).map(|row| [word(DIFFERENCES, &row["what"], desk), text(&row["at"]), text(&row["times"])]);
        parts.push(told(desk, ["what differs", "where", "times"], ["差异", "位置", "次数"], sums).to_string());
        let headings = ["exchange", "record", "what", "where", "in force", "candidate"];
        let chinese = ["交换单", "记录", "差异", "位置", "现行", "候选"];
        let kept = rows(&run["kept"]).map(|row| {
            let [exchange, record, place, live, candidate] =
                [&row["exchange"], &row["record"], &row["at"], &row["live"], &row["candidate"]].map(text);
            [exchange, record, word(DIFFERENCES, &row["what"], desk), place, live, candidate]
        });
        parts.push(first_whole(told(desk, headings, chinese, kept)));
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
        let (number, until) = (&answer["proposal"]["number"], when(&answer["proposal"]["waits_until"]));
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
