//! What the gateway's words on the wire are called in Chinese: as the console calls them. In English a table shows the word
//! itself, which is what the command line and `--json` have.

use crate::ops::console::words::{self, Text, text};
use crate::ops::standing::State;
use crate::shadow::compare::What;

pub use crate::ops::console::deeds::KINDS as DEEDS;

/// A word on the wire, and what it is called.
type Called = (&'static str, Text);

/// Whether the gateway takes work.
pub const PHASES: &[Called] =
    &[("starting", text("正在启动", "starting")), ("serving", text("运行中", "serving")), ("stopping", text("正在停机", "shutting down"))];
/// What became of an exchange.
pub const VERDICTS: &[Called] = &[("accepted", words::ACCEPTED), ("in-part", words::IN_PART), ("refused", words::REFUSED)];
/// How bad an alarm or a finding is.
pub const SEVERITIES: &[Called] =
    &[("critical", text("严重", "critical")), ("warning", text("警告", "warning")), ("error", text("错误", "error"))];
/// The moments in the life of an exchange.
pub const MOMENTS: &[Called] = &[
    ("received", text("收到", "Received")),
    ("translated", text("翻译并校验", "Translated and checked")),
    ("committed", text("提交并签发签收凭证", "Committed, receipt signed")),
    ("first-acknowledged", text("首次送达", "First acknowledged")),
    ("last-acknowledged", text("最近送达", "Last acknowledged")),
];
/// Where a delivery stands.
pub const DELIVERIES: &[Called] = &[
    ("queued", words::QUEUED),
    ("leased", text("正在投递", "under way")),
    ("acknowledged", words::ACKNOWLEDGED),
    ("dead-letter", words::DEAD_LETTERS),
    ("waived", text("已免除", "waived")),
];
/// Whether a destination is called.
pub const CIRCUITS: &[Called] = &[("open", text("线路断开", "circuit open")), ("closed", text("正常", "normal"))];
/// How a partner stands.
pub const STATES: &[Called] = &[
    of_state(State::Healthy),
    of_state(State::Expiring),
    of_state(State::Unusual),
    of_state(State::Paused),
    of_state(State::Throttled),
    of_state(State::Slow),
    of_state(State::Late),
    of_state(State::Silent),
    of_state(State::Failing),
];
/// What became of an occurrence of a schedule.
pub const KEPT: &[Called] = &[
    ("in-time", text("按时", "in time")),
    ("late", text("迟报", "late")),
    ("declared-empty", text("本期无数据", "declared empty")),
    ("overdue", text("迟报，尚未收到", "late, not there yet")),
    ("missed", text("未报", "missed")),
    ("ahead", text("未到时限", "not due yet")),
];
/// How a matter of a reconciliation stands.
pub const MATTERS: &[Called] = &[
    ("matched", text("已核对", "matched")),
    ("waiting", text("待核对", "waiting")),
    ("late", text("逾期", "late")),
    ("unmatched", text("无对应", "unmatched")),
    ("amount-different", text("金额不符", "amount different")),
    ("settled", text("已处置", "settled")),
];
/// What became of an act.
pub const STANDINGS: &[Called] =
    &[("done", text("已完成", "done")), ("proposed", text("提议", "proposed")), ("rejected", text("已否决", "rejected"))];
/// What happened to a file of the configuration.
pub const FILES: &[Called] =
    &[("added", text("新增", "added")), ("changed", text("修改", "changed")), ("removed", text("删除", "removed"))];
/// How a run of a candidate stands.
pub const RUNS: &[Called] = &[
    ("running", text("正在试跑", "running")),
    ("finished", text("已完成", "finished")),
    ("cancelled", text("已取消", "cancelled")),
    ("failed", text("未能完成", "failed")),
];
/// In what a candidate differs.
pub const DIFFERENCES: &[Called] = &[
    of_difference(What::Body),
    of_difference(What::Record),
    of_difference(What::Finding),
    of_difference(What::Field),
    of_difference(What::MessageId),
    of_difference(What::Route),
];
/// Whether something is so.
pub const TRUTHS: &[Called] = &[("true", text("是", "yes")), ("false", text("否", "no"))];

const fn of_state(state: State) -> Called {
    (state.as_str(), text(state.in_chinese(), state.as_str()))
}

const fn of_difference(what: What) -> Called {
    let (zh, en) = what.title();
    (what.as_str(), text(zh, en))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Outcome;
    use crate::journal::DeliveryState;
    use crate::journal::alarms::AlarmSeverity;
    use crate::journal::matters::MatterState;
    use crate::ops::kept::Kept;

    fn check(of: &[Called], wire: &str, zh: &str) {
        let found = of.iter().find(|(word, _)| *word == wire).map(|(_, called)| called.zh);
        assert!(found.is_some_and(|found| zh.is_empty() || found == zh), "{wire}: {found:?}");
    }

    #[test]
    fn what_has_a_word_elsewhere_has_the_same_here() {
        let outcomes = [Outcome::Accepted, Outcome::InPart, Outcome::Refused];
        outcomes.into_iter().for_each(|of| check(VERDICTS, of.as_str(), &of.words().zh));
        let severities = [AlarmSeverity::Warning, AlarmSeverity::Critical];
        severities.into_iter().for_each(|of| check(SEVERITIES, of.as_str(), &of.words().zh));
        MatterState::ALL.into_iter().for_each(|of| check(MATTERS, of.as_str(), ""));
        let deliveries =
            [DeliveryState::Queued, DeliveryState::Leased, DeliveryState::Acknowledged, DeliveryState::Dead, DeliveryState::Waived];
        deliveries.into_iter().for_each(|of| check(DELIVERIES, of.as_str(), ""));
        let kept = [Kept::InTime, Kept::Late, Kept::Empty, Kept::Overdue, Kept::Missed, Kept::Ahead];
        kept.into_iter().for_each(|of| check(KEPT, of.as_str(), ""));
    }
}
