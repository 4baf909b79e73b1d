//! What operators ask of a journal, and what they must be answered: both follow from [`crate::past`].

use crate::past::{
    Chance, Delivered, FLAWLESS, FLOWS, Facts, PARTNERS, Past, RARE_RULE, REFUSING_RULE, REPEATED_RULE, SMALL, STEP_MS, UNDISTURBED,
    number_at, partner_name, received_ms,
};
use jiff::Timestamp;
use portolan::domain::Outcome;
use portolan::fault::FaultCode;
use portolan::journal::PAGE_ROWS_MAX;
use serde_json::Value;
use std::fmt::Write;

const HOUR_MS: i64 = 3_600_000;

/// One call and its right answer.
pub enum Question {
    /// A page of exchanges that fit.
    Find(Wanted),
    /// One exchange, or a part of what is known of it.
    Show(u64, Part),
}

/// What is looked for: exchanges that fit all that is given.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    id: Option<u64>,
    message_id: Option<String>,
    business_key: Option<u64>,
    partner: Option<u32>,
    flow: Option<usize>,
    rule: Option<&'static str>,
    fault: Option<FaultCode>,
    outcome: Option<Outcome>,
    dead: bool,
    span_ms: Option<(i64, i64)>,
    before: Option<u64>,
}

/// What is shown of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its life and its proof.
    Whole,
    /// Its receipt.
    Receipt,
    /// Its findings.
    Findings,
    /// Its deliveries with their attempts.
    Deliveries,
    /// Its canonical records.
    Canonical,
    /// Its body.
    Body,
}

/// A kind of question; each time it is asked it is about something else, as chance has it.
pub struct Kind {
    /// As it stands in the table.
    pub name: &'static str,
    /// The next one of it.
    pub next: fn(Past, &Chance) -> Question,
}

const fn find(name: &'static str, next: fn(Past, &Chance) -> Question) -> Kind {
    Kind { name, next }
}

fn any(past: Past, chance: &Chance) -> u64 {
    chance.below(past.exchanges)
}

/// A number from the later half: a cursor behind which there is a lot.
fn deep(past: Past, chance: &Chance) -> Option<u64> {
    Some(past.exchanges / 2 + chance.below(past.exchanges / 2))
}

fn bank(chance: &Chance) -> Option<u32> {
    Some(chance.below(u64::from(PARTNERS)) as u32)
}

fn span(past: Past, chance: &Chance, length_ms: i64) -> Option<(i64, i64)> {
    let whole_ms = past.exchanges as i64 * STEP_MS;
    let from = received_ms(0) + chance.below((whole_ms - length_ms).max(1).unsigned_abs()) as i64;
    Some((from, from + length_ms))
}

fn wanted(wanted: Wanted) -> Question {
    Question::Find(wanted)
}

/// A number of an exchange that has a delivery, from a chance number on.
fn delivered(past: Past, chance: &Chance) -> u64 {
    let from = any(past, chance);
    (from..past.exchanges).chain(0..from).find(|number| past.facts(*number).delivered.is_some()).unwrap_or(from)
}

/// What is measured, in the order of the table.
pub const KINDS: &[Kind] = &[
    find("id", |past, chance| wanted(Wanted { id: Some(any(past, chance)), ..Wanted::default() })),
    find("message id", |past, chance| wanted(Wanted { message_id: Some(past.facts(any(past, chance)).message_id()), ..Wanted::default() })),
    find("message id that nobody sent", |past, chance| {
        let message_id = Some(format!("MSG-bank-00-X{:09}", any(past, chance)));
        wanted(Wanted { message_id, ..Wanted::default() })
    }),
    find("business key", |past, chance| {
        let number = delivered(past, chance);
        let facts = past.facts(number);
        wanted(Wanted { business_key: Some(number), partner: Some(facts.partner), flow: Some(facts.flow), ..Wanted::default() })
    }),
    find("everything", |_, _| wanted(Wanted::default())),
    find("everything, a later page", |past, chance| wanted(Wanted { before: deep(past, chance), ..Wanted::default() })),
    find("partner", |_, chance| wanted(Wanted { partner: bank(chance), ..Wanted::default() })),
    find("partner who sends next to nothing", |_, _| wanted(Wanted { partner: Some(SMALL), ..Wanted::default() })),
    find("partner, a later page", |past, chance| {
        wanted(Wanted { partner: Some(chance.below(2) as u32), before: deep(past, chance), ..Wanted::default() })
    }),
    find("flow", |_, chance| wanted(Wanted { flow: Some(chance.below(FLOWS.len() as u64) as usize), ..Wanted::default() })),
    find("partner and flow", |_, chance| {
        wanted(Wanted { partner: bank(chance), flow: Some(chance.below(2) as usize), ..Wanted::default() })
    }),
    find("an hour", |past, chance| wanted(Wanted { span_ms: span(past, chance, HOUR_MS), ..Wanted::default() })),
    find("partner and a day", |past, chance| {
        wanted(Wanted { partner: bank(chance), span_ms: span(past, chance, 24 * HOUR_MS), ..Wanted::default() })
    }),
    find("state: refused", |_, _| wanted(Wanted { outcome: Some(Outcome::Refused), ..Wanted::default() })),
    find("state: in part, and a day", |past, chance| {
        wanted(Wanted { outcome: Some(Outcome::InPart), span_ms: span(past, chance, 24 * HOUR_MS), ..Wanted::default() })
    }),
    find("state: accepted, and flow", |_, chance| {
        wanted(Wanted { outcome: Some(Outcome::Accepted), flow: Some(chance.below(3) as usize), ..Wanted::default() })
    }),
    find("state: refused, and partner", |_, chance| {
        wanted(Wanted { outcome: Some(Outcome::Refused), partner: bank(chance), ..Wanted::default() })
    }),
    find("state: dead letter", |_, _| wanted(Wanted { dead: true, ..Wanted::default() })),
    find("state: dead letter, and partner", |_, chance| wanted(Wanted { dead: true, partner: bank(chance), ..Wanted::default() })),
    find("rule", |_, _| wanted(Wanted { rule: Some("check.iban"), ..Wanted::default() })),
    find("rule, a later page", |past, chance| {
        wanted(Wanted { rule: Some(REPEATED_RULE), before: deep(past, chance), ..Wanted::default() })
    }),
    find("rule that is rarely broken", |_, _| wanted(Wanted { rule: Some(RARE_RULE), ..Wanted::default() })),
    find("rule and partner", |_, chance| wanted(Wanted { rule: Some("type.date"), partner: bank(chance), ..Wanted::default() })),
    find("fault", |_, _| wanted(Wanted { fault: Some(FaultCode::SyntaxTruncated), ..Wanted::default() })),
    find("nothing: rule that refuses, of a partner without a fault", |_, _| {
        wanted(Wanted { rule: Some(REFUSING_RULE), partner: Some(FLAWLESS), ..Wanted::default() })
    }),
    find("nothing: fault, of a partner without one", |_, _| {
        wanted(Wanted { fault: Some(FaultCode::RecordsRefused), partner: Some(FLAWLESS), ..Wanted::default() })
    }),
    find("nothing: refused, of a partner without a fault", |_, _| {
        wanted(Wanted { outcome: Some(Outcome::Refused), partner: Some(FLAWLESS), ..Wanted::default() })
    }),
    find("nothing: dead letter, of a partner without one", |_, _| {
        wanted(Wanted { dead: true, partner: Some(UNDISTURBED), ..Wanted::default() })
    }),
    find("nothing: flow that the partner never sends", |_, _| {
        wanted(Wanted { partner: Some(0), flow: Some(2), outcome: Some(Outcome::InPart), ..Wanted::default() })
    }),
    find("nothing: rule, of another state", |_, _| {
        wanted(Wanted { rule: Some("check.iban"), outcome: Some(Outcome::Accepted), ..Wanted::default() })
    }),
    find("nothing: refused, with a dead letter, and flow", |_, chance| {
        let flow = Some(chance.below(3) as usize);
        wanted(Wanted { outcome: Some(Outcome::Refused), dead: true, flow, ..Wanted::default() })
    }),
    find("one exchange", |past, chance| Question::Show(any(past, chance), Part::Whole)),
    find("its receipt", |past, chance| Question::Show(any(past, chance), Part::Receipt)),
    find("its findings", |past, chance| Question::Show(any(past, chance), Part::Findings)),
    find("its deliveries", |past, chance| Question::Show(delivered(past, chance), Part::Deliveries)),
    find("its canonical records", |past, chance| Question::Show(delivered(past, chance), Part::Canonical)),
    find("its body", |past, chance| Question::Show(any(past, chance), Part::Body)),
];

impl Question {
    /// The address that is asked.
    pub fn path(&self, past: Past) -> String {
        match self {
            Self::Find(wanted) => wanted.path(past),
            Self::Show(number, part) => {
                let part = match part {
                    Part::Whole => "",
                    Part::Receipt => "/receipt",
                    Part::Findings => "/findings",
                    Part::Deliveries => "/deliveries",
                    Part::Canonical => "/canonical",
                    // Its reason is logged before the first byte of the answer.
                    Part::Body => "/body?reveal=benchmark",
                };
                format!("/v1/exchanges/{}{part}", past.facts(*number).id())
            }
        }
    }

    /// Whether an answer is right, as far as one page tells: everything found fits, newest first, and what is known to be there
    /// is there.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, past: Past, answer: &Value) -> Result<(), String> {
        match self {
            Self::Find(wanted) => wanted.check(past, answer),
            Self::Show(number, part) => check_part(&past.facts(*number), *part, answer),
        }
    }
}

impl Wanted {
    /// The address of its page.
    pub fn path(&self, past: Past) -> String {
        let mut query = Vec::new();
        let mut add = |name: &str, value: Option<String>| query.extend(value.map(|value| format!("{name}={}", percent_encoded(&value))));
        let moment = |ms: i64| Timestamp::from_millisecond(ms).map(|at| at.to_string()).ok();
        add("id", self.id.map(|number| past.facts(number).id().to_string()));
        add("message_id", self.message_id.clone());
        add("business_key", self.business_key.map(|number| past.facts(number).record().to_string()));
        add("partner", self.partner.map(partner_name));
        add("flow", self.flow.map(|flow| FLOWS[flow].0.to_owned()));
        add("rule", self.rule.map(str::to_owned));
        add("fault", self.fault.map(|fault| fault.as_str().to_owned()));
        add("verdict", self.outcome.map(|outcome| outcome.as_str().to_owned()));
        add("deliveries", self.dead.then(|| "dead-letter".to_owned()));
        add("received_from", self.span_ms.and_then(|(from, _)| moment(from)));
        add("received_to", self.span_ms.and_then(|(_, to)| moment(to)));
        add("before", self.before.map(|number| past.facts(number).id().to_string()));
        format!("/v1/exchanges?{}", query.join("&"))
    }

    /// Whether an exchange fits, as it is known to be.
    pub fn fits(&self, facts: &Facts) -> bool {
        self.id.is_none_or(|number| number == facts.number)
            && self.message_id.as_ref().is_none_or(|message_id| *message_id == facts.message_id())
            && self.business_key.is_none_or(|number| number == facts.number)
            && self.partner.is_none_or(|partner| partner == facts.partner)
            && self.flow.is_none_or(|flow| flow == facts.flow)
            && self.rule.is_none_or(|rule| facts.has_rule(rule))
            && self.fault.is_none_or(|fault| facts.fault == Some(fault))
            && self.outcome.is_none_or(|outcome| outcome == facts.outcome)
            && (!self.dead || facts.delivered == Some(Delivered::Dead))
            && self.span_ms.is_none_or(|(from, to)| (from..to).contains(&facts.received_ms))
            && self.before.is_none_or(|before| facts.number < before)
    }

    /// The same, from the next page on.
    pub fn behind(&self, number: u64) -> Self {
        Self { before: Some(number), ..self.clone() }
    }

    fn check(&self, past: Past, answer: &Value) -> Result<(), String> {
        let found = found(past, answer)?;
        if let Some(wrong) = found.iter().find(|number| !self.fits(&past.facts(**number))) {
            return Err(format!("exchange {wrong} does not fit {self:?}"));
        }
        if !found.is_sorted_by(|newer, older| newer > older) {
            return Err(format!("not newest first: {found:?}"));
        }
        let one = self.id.or(self.business_key);
        if one.is_some_and(|number| found != [number]) || found.len() > PAGE_ROWS_MAX {
            return Err(format!("{found:?} for {self:?}"));
        }
        Ok(())
    }
}

/// The numbers of the exchanges that a page lists.
///
/// # Errors
/// An exchange that is not of this past.
pub fn found(past: Past, answer: &Value) -> Result<Vec<u64>, String> {
    let listed = answer["exchanges"].as_array().ok_or("there is no list of exchanges")?;
    let number = |listed: &Value| {
        let received = listed["received_at"].as_str().and_then(|at| at.parse().ok()).ok_or("no time of receipt")?;
        let facts = past.facts(number_at(received));
        let is_it = listed["exchange"] == facts.id().to_string() && listed["partner"] == partner_name(facts.partner);
        is_it.then_some(facts.number).ok_or_else(|| format!("{listed} is not exchange {}", facts.number))
    };
    listed.iter().map(number).collect()
}

fn check_part(facts: &Facts, part: Part, answer: &Value) -> Result<(), String> {
    let length = |name: &str| answer[name].as_array().map(Vec::len).unwrap_or_default() as u64;
    let right = match part {
        Part::Whole => answer["message_id"] == facts.message_id() && answer["proof"]["holds"] == true,
        Part::Receipt => answer.is_object(),
        Part::Findings => length("findings") == u64::from(facts.rule.is_some()) + u64::from(facts.repeated),
        Part::Deliveries => {
            let state = match facts.delivered {
                Some(Delivered::Acknowledged) => "acknowledged",
                Some(Delivered::Dead) => "dead-letter",
                Some(Delivered::Waiting) => "queued",
                None => return Err("it has no delivery".to_owned()),
            };
            length("deliveries") == 1 && answer["deliveries"][0]["state"] == state
        }
        Part::Canonical => length("records") == facts.accepted() && answer["records"][0]["canonical"]["amount"] == facts.record()["amount"],
        Part::Body => answer["base64"].as_str().is_some_and(|text| !text.is_empty()),
    };
    if right { Ok(()) } else { Err(format!("{part:?} of exchange {}: {answer}", facts.number)) }
}

/// A text as a query parameter has it (RFC 3986, section 2.1).
fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => write!(encoded, "{}", char::from(byte)),
            _ => write!(encoded, "%{byte:02X}"),
        };
        encoded
    })
}
