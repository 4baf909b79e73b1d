//! Texts in both languages, and the words that several pages use. They are those of the design, so that a thing has one
//! name wherever it is shown.

use crate::domain::Role;
use crate::fault::{FaultCode, Party};
use crate::ops::access::Ask;
use crate::ops::standing::State;
use portolan_contract::Words;

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text {
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
}

/// A text in both languages.
pub const fn text(zh: &'static str, en: &'static str) -> Text {
    Text { zh, en }
}

/// The language of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lang {
    /// 中文
    Zh,
    /// English
    En,
}

impl Lang {
    /// The language in which an operator asks.
    pub fn of_ask(ask: &Ask<'_>) -> Self {
        Self::chinese_if(ask.zh)
    }

    /// Chinese if so, else English.
    pub fn chinese_if(zh: bool) -> Self {
        if zh { Self::Zh } else { Self::En }
    }

    /// Whether it is Chinese.
    pub fn is_zh(self) -> bool {
        self == Self::Zh
    }

    /// The language as HTML names it.
    pub fn tag(self) -> &'static str {
        self.say("zh-CN", "en")
    }

    /// One of two that say the same.
    pub fn say<T>(self, zh: T, en: T) -> T {
        match self {
            Self::Zh => zh,
            Self::En => en,
        }
    }

    /// A text.
    pub fn of(self, text: Text) -> &'static str {
        self.say(text.zh, text.en)
    }

    /// What a role is called.
    pub fn role(self, role: Role) -> &'static str {
        self.say(role.in_chinese(), role.as_str())
    }

    /// Whose fault something is.
    pub fn party(self, party: &str) -> &str {
        self.say(party.parse().map_or(party, |known: Party| known.in_chinese()), party)
    }

    /// What a fault is called, by its code.
    pub fn fault(self, code: &str) -> &str {
        code.parse::<FaultCode>().map_or(code, |known| self.say(known.title().0, known.title().1))
    }

    /// How a partner stands.
    pub fn state(self, state: State) -> &'static str {
        self.say(state.in_chinese(), state.as_str())
    }

    /// Words of the configuration or the catalogue.
    pub fn words(self, words: &Words) -> &str {
        self.say(&words.zh, &words.en)
    }
}

/// The product's title, the same in both languages.
pub const TITLE: &str = "Portolan 数据交换网关";

/// The first page.
pub const NOW: Text = text("实时", "Now");
/// Bodies submitted, and what became of them.
pub const EXCHANGES: Text = text("交换单", "Exchanges");
/// Deliveries given up until someone acts.
pub const DEAD_LETTERS: Text = text("投递失败待处理", "Dead letters");
/// What is configured, and what changed.
pub const CHANGES: Text = text("变更", "Changes");
/// What operators did, and the evidence.
pub const AUDIT: Text = text("审计", "Audit");
/// From one shift to the next.
pub const HANDOVER: Text = text("交接班", "Handover");

/// Who sends or receives.
pub const PARTNER: Text = text("接入单位", "Partner");
/// Several of them.
pub const PARTNERS: Text = text("接入单位", "Partners");
/// What is sent, by agreement.
pub const FLOW: Text = text("交换业务", "Flow");
/// Several of them.
pub const FLOWS: Text = text("交换业务", "Flows");
/// Where a partner receives.
pub const DESTINATION: Text = text("接收方", "Destination");
/// One after the other.
pub const RECORDS: Text = text("记录", "Records");
/// Committed and passed on.
pub const ACCEPTED: Text = text("已接收", "Accepted");
/// Some of it.
pub const IN_PART: Text = text("部分接收", "In part");
/// None of it.
pub const REFUSED: Text = text("退回", "Refused");
/// Known before.
pub const REPEATED: Text = text("重复", "Repeated");
/// Waiting for delivery.
pub const QUEUED: Text = text("待投递", "Queued");
/// The receiver has it.
pub const ACKNOWLEDGED: Text = text("已送达", "Acknowledged");
/// What goes to one receiver at once.
pub const DELIVERY: Text = text("投递", "Delivery");
/// Several of them.
pub const DELIVERIES: Text = text("投递", "Deliveries");
/// Given up for good.
pub const WAIVE: Text = text("免除", "Waive");
/// Put back into the queue.
pub const RESEND: Text = text("重新投递", "Resend");
/// Something wrong or doubtful in a record.
pub const FINDINGS: Text = text("校验问题", "Findings");
/// Our signed evidence.
pub const RECEIPT: Text = text("签收凭证", "Receipt");
/// What a mapping is called.
pub const MAPPING: Text = text("映射规则", "Mapping");
/// A mapping that is to take the place of one in force.
pub const CANDIDATE: Text = text("候选映射", "Candidate");
/// Several of them.
pub const CANDIDATES: Text = text("候选映射", "Candidates");
/// Accepted traffic read again with a candidate.
pub const SHADOW_RUN: Text = text("试跑", "Shadow run");
/// By which something was refused.
pub const RULE: Text = text("规则", "Rule");
/// What operators are told of without having looked.
pub const ALARM: Text = text("告警", "Alarm");
/// Several of them.
pub const ALARMS: Text = text("告警", "Alarms");
/// Whose fault something is.
pub const PARTY: Text = text("责任方", "Whose fault");
/// Since when something is so.
pub const SINCE: Text = text("自", "Since");
/// How something stands.
pub const STATE: Text = text("状态", "State");
/// Records a minute.
pub const RATE: Text = text("条/分钟", "Records/min");
/// Why an operator acts.
pub const REASON: Text = text("理由", "Reason");
/// What stops deliveries or a flow.
pub const PAUSE: Text = text("暂停", "Pause");
/// What lets them go on.
pub const RESUME: Text = text("恢复", "Resume");
/// There is nothing to show.
pub const NOTHING: &str = "—";
