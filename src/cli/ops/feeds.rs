//! Partners and flows as tables: all of them, and one with what it sent, the rules broken, and whether its feeds came.

use super::super::desk::Desk;
use super::super::terminal::facts;
use super::cells::{rows, said, text, told, when, word};
use super::words::{KEPT, STATES, TRUTHS};
use crate::ops::console::words::NOTHING;
use serde_json::Value;

/// Each flow of each partner.
pub fn flows(answer: &Value, desk: &Desk) -> String {
    let headings = ["partner", "flow", "exchanges", "accepted", "refused", "last received"];
    let chinese = ["接入单位", "交换业务", "交换单", "已接收", "退回", "最近接收"];
    let flows = rows(&answer["flows"]).map(|row| {
        let records = &row["records"];
        let [partner, flow, exchanges] = [&row["partner"], &row["flow"], &row["exchanges"]].map(text);
        [partner, flow, exchanges, text(&records["accepted"]), text(&records["refused"]), when(&row["last_received_at"])]
    });
    told(desk, headings, chinese, flows).to_string()
}

/// Each partner.
pub fn partners(answer: &Value, desk: &Desk) -> String {
    let headings = ["partner", "last received", "exchanges", "refused share", "p50 ms", "p99 ms", "queued", "dead", "certificate days"];
    let chinese = ["接入单位", "最近接收", "交换单", "退回占比", "p50 毫秒", "p99 毫秒", "待投递", "失败待处理", "证书剩余天数"];
    let partners = rows(&answer["partners"]).map(|row| {
        let sent = &row["sent"];
        let days = rows(&row["certificates"]).filter_map(|one| one["days_left"].as_i64()).min();
        let [name, exchanges, p50, p99, queued, dead] =
            [&row["partner"], &sent["exchanges"], &sent["p50_ms"], &sent["p99_ms"], &row["queued"], &row["dead"]].map(text);
        let days = days.map_or(NOTHING.to_owned(), |days| days.to_string());
        [name, when(&row["last_received_at"]), exchanges, refused_share(sent), p50, p99, queued, dead, days]
    });
    told(desk, headings, chinese, partners).to_string()
}

/// One partner.
pub fn partner(answer: &Value, desk: &Desk) -> String {
    let states = rows(&answer["states"]).map(|state| word(STATES, state, desk)).collect::<Vec<_>>().join(desk.say("，", ", "));
    let limits = &answer["limits"];
    let mut about = vec![
        (desk.say("接入单位", "partner"), format!("{} · {}", text(&answer["partner"]), said(&answer["title"], desk))),
        (desk.say("状态", "state"), states),
        (desk.say("最近接收", "last received"), when(&answer["last_received_at"])),
    ];
    about.extend(sent(&answer["sent"], desk));
    about.extend([
        (desk.say("待投递", "queued"), text(&answer["queued"])),
        (desk.say("投递失败待处理", "dead letters"), text(&answer["dead"])),
        (desk.say("最早待投递", "oldest waiting"), when(&answer["oldest_waiting"])),
        (desk.say("限额", "limits"), text(&limits["policy"])),
        (desk.say("限额剩余", "limits left"), text(&limits["left"])),
    ]);
    about.extend(rows(&answer["circuits_open"]).map(|to| (desk.say("线路断开", "circuit open"), text(to))));
    let certificates = rows(&answer["certificates"])
        .map(|row| [text(&row["subject"]), when(&row["not_after"]), row["days_left"].as_i64().unwrap_or(0).to_string()]);
    let certificates = told(desk, ["certificate", "ends", "days left"], ["证书主体", "到期时间", "剩余天数"], certificates).to_string();
    [facts(about), rules(answer, desk), schedule(answer, desk), certificates].join("\n\n")
}

/// One flow.
pub fn flow(answer: &Value, desk: &Desk) -> String {
    let mut about = vec![
        (desk.say("交换业务", "flow"), format!("{} · {}", text(&answer["flow"]), said(&answer["title"], desk))),
        (desk.say("标准记录", "canonical record"), text(&answer["canonical"])),
        (desk.say("已暂停", "paused"), word(TRUTHS, &answer["paused"], desk)),
    ];
    about.extend(sent(&answer["sent"], desk));
    let senders = rows(&answer["senders"]).map(|row| [text(&row["partner"]), when(&row["last_received_at"])]);
    let senders = told(desk, ["sender", "last received"], ["报送方", "最近接收"], senders).to_string();
    let routes = rows(&answer["routes"]).map(|row| [&row["to"], &row["mapping"], &row["when"]].map(text));
    let routes = told(desk, ["to", "mapping", "where"], ["接收方", "映射规则", "条件"], routes).to_string();
    [facts(about), senders, routes, rules(answer, desk), schedule(answer, desk)].join("\n\n")
}

/// Sums over the hours that were asked for.
fn sent<'t>(sent: &Value, desk: &Desk) -> [(&'t str, String); 4] {
    let [exchanges, in_part, refused] = [&sent["exchanges"], &sent["in_part"], &sent["refused"]].map(text);
    let [records, records_refused] = [&sent["records"], &sent["records_refused"]].map(text);
    let share = refused_share(sent);
    [
        (
            desk.say("交换单", "exchanges"),
            if desk.zh {
                format!("{exchanges}：部分接收 {in_part}，退回 {refused}")
            } else {
                format!("{exchanges}: in part {in_part}, refused {refused}")
            },
        ),
        (
            desk.say("记录", "records"),
            if desk.zh {
                format!("{records}：退回 {records_refused}（{share}）")
            } else {
                format!("{records}: refused {records_refused} ({share})")
            },
        ),
        (desk.say("p50 毫秒", "p50 ms"), text(&sent["p50_ms"])),
        (desk.say("p99 毫秒", "p99 ms"), text(&sent["p99_ms"])),
    ]
}

fn refused_share(sent: &Value) -> String {
    sent["refused_share"].as_f64().map_or(NOTHING.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The rules with the most findings, each with an example.
fn rules(answer: &Value, desk: &Desk) -> String {
    let rules = rows(&answer["rules"]).map(|row| [&row["rule"], &row["findings"], &row["example"]].map(text));
    told(desk, ["rule", "findings", "latest example"], ["规则", "校验问题", "最近一例"], rules).to_string()
}

/// Whether feeds came when they were expected.
fn schedule(answer: &Value, desk: &Desk) -> String {
    let schedule = rows(&answer["schedule"]).map(|row| {
        let [period, partner, flow] = [&row["period"], &row["partner"], &row["flow"]].map(text);
        [period, partner, flow, when(&row["due_at"]), word(KEPT, &row["kept"], desk)]
    });
    told(desk, ["period", "partner", "flow", "due", "it came"], ["所属期", "接入单位", "交换业务", "时限", "状态"], schedule).to_string()
}
