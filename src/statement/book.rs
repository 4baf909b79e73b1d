//! Gives out statements: made of the day's sums while the day lasts, and kept by the journal once it is over.

use super::{Exchanges, SIGNATURE_TYPE, STATEMENT_TYPE, STATEMENT_VERSION, Statement, lines, sheet::sheet};
use crate::domain::{Digest, FlowId, PartnerId};
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Response};
use crate::journal::Journal;
use crate::journal::evidence::time_text;
use crate::journal::statements::{FINAL_AFTER, KeptStatement};
use crate::live::Live;
use crate::receipt::Keys;
use crate::seams::SharedClock;
use crate::workbook::WORKBOOK_TYPE;
use arc_swap::ArcSwap;
use hyper::StatusCode;
use hyper::header::{ACCEPT, CONTENT_DISPOSITION, HeaderMap, HeaderValue};
use jiff::civil::Date;
use std::sync::Arc;

/// Where statements come from.
pub struct Statements {
    /// The durable state.
    pub journal: Arc<dyn Journal>,
    /// What is in force.
    pub live: Arc<ArcSwap<Live>>,
    /// What signs.
    pub keys: Arc<Keys>,
    /// Time.
    pub clock: SharedClock,
}

impl Statements {
    /// The statement of a day as an answer: JSON, or the workbook where the caller accepts that.
    ///
    /// # Errors
    /// A day that is none or has not begun, a flow that there is not or that is none of the partner's; the journal's failures.
    pub async fn answer(&self, partner: &PartnerId, flow: Option<&FlowId>, day: &str, headers: &HeaderMap) -> Result<Response, Fault> {
        let flow = self.flow(partner, flow)?;
        let day = day_of(day)?;
        let (name, kept) = self.statement(partner, &flow, day).await?;
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let (mut response, extension) = if accept.contains(WORKBOOK_TYPE) {
            (http::answer(StatusCode::OK, WORKBOOK_TYPE, kept.workbook), "xlsx")
        } else {
            (http::answer(StatusCode::OK, "application/json", kept.text), "json")
        };
        if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.{extension}\"")) {
            response.headers_mut().insert(CONTENT_DISPOSITION, value);
        }
        Ok(response)
    }

    /// The flow that is asked for; without one, the only flow that the partner has a part in.
    fn flow(&self, partner: &PartnerId, asked: Option<&FlowId>) -> Result<FlowId, Fault> {
        let live = self.live.load();
        let has_part = |flow: &&FlowId| {
            let plan = live.config.flows.get(*flow);
            plan.is_some_and(|flow| flow.senders.contains_key(partner) || flow.routes.iter().any(|route| route.to.partner == *partner))
        };
        if let Some(flow) = asked {
            return match live.config.flows.get(flow) {
                None => Err(Fault::new(FaultCode::FlowUnknown)),
                Some(_) if has_part(&flow) => Ok(flow.clone()),
                Some(_) => Err(Fault::new(FaultCode::FlowForbidden)),
            };
        }
        let own: Vec<&FlowId> = live.config.flows.keys().filter(has_part).collect();
        match own.as_slice() {
            [only] => Ok((*only).clone()),
            [] => Err(Fault::new(FaultCode::FlowUnknown)),
            several => {
                let names = several.iter().map(|flow| flow.as_str()).collect::<Vec<_>>().join(", ");
                Err(Fault::new(FaultCode::QueryInvalid)
                    .detail(format!("请用 flow= 指定交换业务：{names}"), format!("name one with flow=: {names}")))
            }
        }
    }

    /// The statement of a day: its name, and the files.
    async fn statement(&self, partner: &PartnerId, flow: &FlowId, day: Date) -> Result<(String, KeptStatement), Fault> {
        let now = self.clock.now();
        let live = self.live.load_full();
        let config = live.config.flows.get(flow).ok_or_else(|| Fault::new(FaultCode::FlowUnknown))?;
        let business_day = config.business_day();
        let (from, to) = business_day.span(day);
        if now < from {
            let last = business_day.of(now);
            return Err(Fault::new(FaultCode::QueryInvalid)
                .detail(format!("{day} 尚未开始；最近为 {last}"), format!("{day} has not begun; the latest day is {last}")));
        }
        let provisional = now < to.saturating_add(FINAL_AFTER).unwrap_or(to);
        let mut statement = Statement {
            cut_off: business_day.cut_off().map(|time| time.strftime("%H:%M").to_string()),
            day: day.to_string(),
            exchanges: Exchanges { all: 0, in_part: 0, refused: 0 },
            flow: flow.clone(),
            from: time_text(from),
            lines: Vec::new(),
            partner: partner.clone(),
            provisional,
            repeated_records: 0,
            signed_at: time_text(now),
            to: time_text(to),
            workbook_sha256: Digest::default(),
            zone: business_day.zone().to_owned(),
        };
        let name = statement.file_name();
        if let Some(kept) = self.journal.statement(partner, flow, day).await? {
            return Ok((name, kept));
        }
        let book = self.journal.day_book(partner, flow, day).await?;
        statement.exchanges = Exchanges { all: book.exchanges.all, in_part: book.exchanges.in_part, refused: book.exchanges.refused };
        statement.repeated_records = book.exchanges.repeated_records;
        statement.lines = lines(&book, day);
        // A workbook of thousands of rows takes long: no message waits for it.
        let keys = Arc::clone(&self.keys);
        let made = tokio::task::spawn_blocking(move || signed(statement, &keys)).await;
        let made = made.unwrap_or_else(|error| Err(Fault::new(FaultCode::Internal).caused_by(error)))?;
        let kept = if provisional { made } else { self.journal.keep_statement(partner, flow, day, made).await? };
        Ok((name, kept))
    }
}

/// Writes the workbook, and signs the statement that names it.
fn signed(mut statement: Statement, keys: &Keys) -> Result<KeptStatement, Fault> {
    let failed = |why: String| Fault::new(FaultCode::Internal).caused_by(why);
    let workbook = sheet(&statement).map_err(failed)?;
    statement.workbook_sha256 = Digest::of(&workbook);
    let canonical = statement.to_canonical().map_err(|error| failed(error.to_string()))?;
    let signature = keys.sign_detached(SIGNATURE_TYPE, canonical.as_bytes());
    // The statement is canonical JSON and a JWS needs no escapes: both stand as they are.
    let text = format!(r#"{{"type":"{STATEMENT_TYPE}","version":{STATEMENT_VERSION},"statement":{canonical},"signature":"{signature}"}}"#);
    Ok(KeptStatement { text, workbook })
}

/// A day as an address has it: `2026-07-01` or `20260701`.
fn day_of(text: &str) -> Result<Date, Fault> {
    let plain = matches!(text.len(), 8 | 10) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let day = text.parse::<Date>().ok().filter(|day| plain && *day > Date::constant(1970, 1, 1) && day.year() < 9999);
    day.ok_or_else(|| {
        Fault::new(FaultCode::QueryInvalid).detail("日期应写作 2026-07-01 或 20260701", "write the day as 2026-07-01 or 20260701")
    })
}
