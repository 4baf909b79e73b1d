//! The synchronous query (查询): one partner asks, another answers at once, and both are kept.
//!
//! A query is two ordinary exchanges around one call. The question is committed before it is forwarded, so that
//! who asked what is on disk whatever happens then. The provider's answer is committed, with the bytes that the
//! asker is given, before the asker hears it; its idempotency key is the question's exchange, by which a repeat
//! finds it. A question with an answer is never put to its provider again: the answer is given again while it
//! lives, and afterwards nobody gets it. A question that has none yet is asked again when it is repeated.
//!
//! Limits: one record, `concurrency_max` of the service and `concurrency_per_asker_max` of each who asks it, the destination's timeout, the transport's cap on what is
//! answered and [`crate::answer::ANSWER_BYTES_MAX`] bytes of what is rendered.

use crate::answer::render;
use crate::coding::Coding;
use crate::config::{Destination, Query};
use crate::domain::{BusinessAnswer, Digest, ExchangeId, FlowId, Name, Outcome, PartnerId, Stored, Verdict};
use crate::exchange::{Exchanges, Intake, journal_fault, take_in};
use crate::fault::{BoxError, Fault, FaultCode, Party, Retry};
use crate::ingress::admit::kept_content_type;
use crate::ingress::in_flight::{Per, PerName};
use crate::journal::{Committed, RepeatQuery};
use crate::live::Live;
use crate::mapping::Mapping;
use crate::mapping::schema::at_path;
use crate::metrics::{Exchanged, Metrics};
use crate::render::unwritten;
use crate::spool;
use crate::translate::FlowPlan;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A query service as it runs: its configuration, with all that it names compiled.
pub struct QueryPlan {
    /// The configuration.
    pub query: Arc<Query>,
    /// The flow of its questions.
    pub question: Arc<FlowPlan>,
    /// The flow of its answers.
    pub answer: Arc<FlowPlan>,
    /// Where its provider is asked.
    pub provider: Arc<Destination>,
    /// Renders a question.
    pub mapping: Arc<Mapping>,
    /// Reads an answer.
    pub reading: Arc<Mapping>,
    /// Render an answer for each who asks.
    pub askers: BTreeMap<PartnerId, Arc<Mapping>>,
}

/// A question as it goes to its provider.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The service.
    pub service: Name,
    /// The question's exchange: its name, however often it is asked.
    pub exchange: ExchangeId,
    /// The flow of the question.
    pub flow: FlowId,
    /// Who asks.
    pub sender: PartnerId,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub body: Bytes,
    /// W3C trace id of the request.
    pub trace_id: String,
}

/// What a provider answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its media type.
    pub media_type: Option<String>,
    /// Its bytes.
    pub body: Bytes,
    /// SHA-256 of the certificate that the provider has shown.
    pub certificate: Digest,
}

/// Asks a provider, once and within its time.
#[async_trait::async_trait]
pub trait Provider: Send + Sync {
    /// The answer.
    ///
    /// # Errors
    /// Why there is none.
    async fn ask(&self, destination: &Arc<Destination>, question: Forwarded) -> Result<Reply, Fault>;
}

/// What queries are answered with.
pub struct Queries {
    /// Questions and answers are exchanges.
    pub exchanges: Arc<Exchanges>,
    /// Who is asked.
    pub provider: Arc<dyn Provider>,
    /// Questions under way, of each service.
    pub under_way: PerName,
    /// Questions under way, of each who asks a service.
    pub under_way_of: Per<(Name, PartnerId)>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// A question that is committed.
pub struct Question<'q> {
    /// Its service.
    pub plan: &'q QueryPlan,
    /// What is in force for it.
    pub live: &'q Arc<Live>,
    /// Its exchange.
    pub exchange: ExchangeId,
    /// Records that were accepted of it.
    pub records: u64,
    /// Who asks.
    pub asker: &'q PartnerId,
    /// W3C trace id of the request.
    pub trace_id: &'q str,
}

/// What an asker is given.
pub struct Given {
    /// The answer's exchange.
    pub answer: ExchangeId,
    /// The answer in the asker's format.
    pub body: BusinessAnswer,
    /// How long it lives from now on.
    pub lifetime_left: Duration,
    /// It was given before.
    pub repeat: bool,
}

impl Queries {
    /// Answers a question that is committed: with its first answer where it has one, else by asking.
    ///
    /// # Errors
    /// Why there is no answer, with the question's exchange.
    pub async fn answer(&self, question: &Question<'_>) -> Result<Given, Fault> {
        let begun = Instant::now();
        let given = self.give(question).await.map_err(|fault| Fault { exchange: Some(question.exchange), ..fault });
        self.note(question, given.as_ref(), begun.elapsed());
        given
    }

    async fn give(&self, question: &Question<'_>) -> Result<Given, Fault> {
        if question.records != 1 {
            return Err(Fault::new(FaultCode::TooManyRecords).detail("一次查询只能有一条记录", "a question has exactly one record"));
        }
        let plan = question.plan;
        let key = question.exchange.to_string();
        // Held to the end, so that a question is under way once.
        let _place = self.exchanges.in_flight.enter(&plan.provider.id.partner, &plan.query.answer, Some(&key))?;
        if let Some(first) = self.first_answer(plan, &key).await? {
            return self.given(plan, &key, first, true).await;
        }
        let answer = self.ask(question, key.clone()).await?;
        self.given(plan, &key, answer, false).await
    }

    /// The answer that a question has already.
    async fn first_answer(&self, plan: &QueryPlan, key: &str) -> Result<Option<ExchangeId>, Fault> {
        let query = RepeatQuery {
            partner: plan.provider.id.partner.clone(),
            flow: plan.query.answer.clone(),
            idempotency_key: Some(key.to_owned()),
            message_id: None,
            // No answer is empty: whichever holds the key has other bytes.
            body_digest: Digest::of(&[]),
            corrects: None,
        };
        Ok(match self.exchanges.journal.find_repeat(query).await.map_err(journal_fault)? {
            Some(Committed::OtherBytes(first)) => Some(first),
            Some(Committed::New(first) | Committed::Repeat(first)) => Some(first.exchange()),
            Some(Committed::Conflict) | None => None,
        })
    }

    /// Puts a question to its provider and commits what is answered.
    async fn ask(&self, question: &Question<'_>, key: String) -> Result<ExchangeId, Fault> {
        let plan = question.plan;
        let service = &plan.query.service;
        let own_max = plan.query.concurrency_per_asker_max;
        let own = (service.clone(), question.asker.clone());
        let _own = self.under_way_of.enter(&own, own_max).ok_or_else(|| too_many_of_one(own_max))?;
        let max = plan.query.concurrency_max;
        let _share = self.under_way.enter(service, max).ok_or_else(|| busy(max))?;
        let record = self.record(question.exchange).await?;
        let rendered = render(&plan.mapping, &plan.question.zone, &record).map_err(|error| unwritten(1, error))?;
        let forwarded = Forwarded {
            service: plan.query.service.clone(),
            exchange: question.exchange,
            flow: plan.query.question.clone(),
            sender: question.asker.clone(),
            media_type: rendered.media_type.to_string(),
            body: rendered.bytes,
            trace_id: question.trace_id.to_owned(),
        };
        let reply = self.provider.ask(&plan.provider, forwarded).await?;
        self.commit(question, &record, reply, key).await
    }

    /// Takes a provider's answer in, with what the asker will be given.
    async fn commit(&self, question: &Question<'_>, record: &Value, reply: Reply, key: String) -> Result<ExchangeId, Fault> {
        let begun = Instant::now();
        let plan = question.plan;
        let intake = Intake {
            exchange: crate::seams::new_id(self.exchanges.clock.as_ref()),
            partner: plan.provider.id.partner.clone(),
            certificate: reply.certificate,
            live: Arc::clone(question.live),
            flow: Arc::clone(&plan.answer),
            mapping: Arc::clone(&plan.reading),
            check: question.live.xsds.get(&plan.reading.name).cloned(),
            records_max: 1,
            idempotency_key: Some(key),
            question: Some(question.exchange),
            coding: Coding::Identity,
            content_type: reply.media_type.as_deref().map(kept_content_type),
            empty_period: None,
            corrects: None,
            trace_id: question.trace_id.to_owned(),
        };
        let Some(mapping) = plan.askers.get(question.asker).cloned() else { return Err(Fault::new(FaultCode::FlowForbidden)) };
        let turning =
            Turning { mapping, flow: Arc::clone(&plan.answer), repeats: repeated(&plan.query, record), question: question.exchange };
        let taken = take_in(&self.exchanges, intake, reply.body, move |verdict| turning.turned(verdict)).await;
        let answer = taken.map_err(|fault| match fault.code {
            FaultCode::RepeatOtherBytes | FaultCode::RepeatConflict => of_another_question(),
            _ => fault,
        })?;
        let Some(evidence) = &answer.evidence else { return Err(Fault::new(FaultCode::Internal)) };
        if evidence.repeat {
            return Err(of_another_question());
        }
        let bytes = evidence.received_bytes;
        let (outcome, counts, trace_id) = (answer.outcome, answer.counts, question.trace_id);
        let exchanged = Exchanged { outcome, counts, bytes, took: begun.elapsed(), trace_id };
        self.metrics.exchanged(&plan.provider.id.partner, &plan.query.answer, &exchanged);
        match (answer.outcome, answer.counts.accepted) {
            (Outcome::Accepted, 1) => Ok(evidence.exchange),
            _ => Err(Fault::new(FaultCode::QueryAnswerInvalid).detail(
                format!("被查询方的答复未通过校验，留存为交换单 {}", evidence.exchange),
                format!("what the provider answered fails its checks; it is kept as exchange {}", evidence.exchange),
            )),
        }
    }

    /// The kept answer, as long as it may be given. One that was committed under another key answers another
    /// question, whatever came to hold this one's key since.
    async fn given(&self, plan: &QueryPlan, key: &str, answer: ExchangeId, repeat: bool) -> Result<Given, Fault> {
        let journal = &self.exchanges.journal;
        let row = journal.exchange(answer).await.map_err(journal_fault)?;
        let row = row.ok_or_else(|| missing("the row of an answer is missing"))?;
        if row.idempotency_key.as_deref() != Some(key) {
            return Err(Fault { retry: Retry::Never, ..of_another_question() });
        }
        let end = end_of_life(&plan.query, row.received_at, &self.record(answer).await?);
        let lifetime_left = Duration::try_from(end.duration_since(self.exchanges.clock.now())).unwrap_or(Duration::ZERO);
        if repeat && lifetime_left.is_zero() {
            return Err(Fault::new(FaultCode::AnswerExpired));
        }
        let body = journal.answer(answer).await.map_err(journal_fault)?.ok_or_else(|| not_given(answer))?;
        Ok(Given { answer, body, lifetime_left, repeat })
    }

    /// The one canonical record of an exchange.
    async fn record(&self, exchange: ExchangeId) -> Result<Value, Fault> {
        let stored = self.exchanges.journal.canonical(exchange).await.map_err(journal_fault)?;
        let stored = stored.ok_or_else(|| missing("the canonical record is missing"))?;
        let read = tokio::task::spawn_blocking(move || one_record(&stored)).await;
        read.unwrap_or_else(|panicked| Err(panicked.into())).map_err(|error| Fault::new(FaultCode::Internal).caused_by(error))
    }

    /// Counts and logs what became of a question; what is in it stays out of the log.
    fn note(&self, question: &Question<'_>, given: Result<&Given, &Fault>, took: Duration) {
        let (service, provider) = (&question.plan.query.service, &question.plan.provider.id);
        let (exchange, partner, trace_id) = (question.exchange, question.asker, question.trace_id);
        let took_ms = took.as_secs_f64() * 1e3;
        let ended = match given {
            Ok(given) if given.repeat => "repeated",
            Ok(_) => "answered",
            Err(fault) => fault.code.as_str(),
        };
        self.metrics.queried(partner, service, ended, took);
        match given {
            Ok(Given { answer, repeat, .. }) => {
                tracing::info!(%exchange, %answer, trace_id, %partner, %service, %provider, repeat, took_ms, "a query was answered");
            }
            Err(fault) if fault.code.party() == Party::Receiver => {
                let error = fault.source.as_deref().map(tracing::field::display);
                tracing::warn!(%exchange, trace_id, %partner, %service, %provider, code = ended, error, took_ms, "a query was not answered");
            }
            Err(_) => tracing::info!(%exchange, trace_id, %partner, %service, %provider, code = ended, took_ms, "a query was not answered"),
        }
    }
}

/// How an answer is turned into what its asker is given.
struct Turning {
    mapping: Arc<Mapping>,
    flow: Arc<FlowPlan>,
    /// What the answer must repeat of its question.
    repeats: Vec<(String, Option<Value>)>,
    question: ExchangeId,
}

impl Turning {
    /// `None` where it is of another question, or the asker's format has no form for it: it is kept then, and
    /// not given.
    fn turned(&self, verdict: &Verdict) -> Option<BusinessAnswer> {
        if verdict.outcome != Outcome::Accepted {
            return None;
        }
        let (exchange, told) =
            (self.question, |why: &str| tracing::warn!(exchange = %self.question, why, "an answer is kept and not given"));
        let record =
            one_record(&verdict.canonical).inspect_err(|error| tracing::error!(%exchange, %error, "an answer cannot be read")).ok()?;
        if let Some((path, _)) = self.repeats.iter().find(|(path, asked)| at_path(&record, path) != asked.as_ref()) {
            told(&format!("it does not repeat {path} of the question"));
            return None;
        }
        let rendered = render(&self.mapping, &self.flow.zone, &record);
        rendered.inspect_err(|_| told(&format!("the mapping {} has no form for it", self.mapping.name))).ok()
    }
}

/// What the configuration says an answer must repeat, with the question's values.
fn repeated(query: &Query, question: &Value) -> Vec<(String, Option<Value>)> {
    query.answer_repeats.iter().map(|path| (path.clone(), at_path(question, path).cloned())).collect()
}

/// When an answer may not be given any more: at the end of its lifetime, or sooner where it says so itself. An
/// end that cannot be read is none that is still to come.
fn end_of_life(query: &Query, received_at: Timestamp, answer: &Value) -> Timestamp {
    let configured = received_at.saturating_add(query.answer_lifetime).unwrap_or(Timestamp::MAX);
    let stated = query.answer_valid_until.as_deref().and_then(|path| at_path(answer, path));
    match stated {
        None => configured,
        Some(stated) => configured.min(stated.as_str().and_then(|text| text.parse().ok()).unwrap_or(received_at)),
    }
}

fn one_record(stored: &Stored) -> Result<Value, BoxError> {
    Ok(serde_json::from_reader(spool::open(stored)?)?)
}

fn missing(what: &'static str) -> Fault {
    Fault::new(FaultCode::Internal).caused_by(what)
}

fn busy(max: usize) -> Fault {
    Fault::new(FaultCode::TooManyRequests)
        .detail(format!("该查询服务同时处理的查询不得超过 {max} 个"), format!("this service has at most {max} questions under way at once"))
}

fn too_many_of_one(max: usize) -> Fault {
    Fault::new(FaultCode::TooManyRequests).detail(
        format!("贵单位在该查询服务同时处理的查询不得超过 {max} 个，请待前面的查询得到应答后重试"),
        format!("you have at most {max} questions under way at this service at once; ask again once one of them is answered"),
    )
}

fn of_another_question() -> Fault {
    Fault::new(FaultCode::QueryAnswerInvalid)
        .detail("被查询方的答复使用了此前另一应答的标识", "the provider's answer has the identification of an earlier one")
}

/// The fault of an answer that is kept and cannot be given, however often it is asked for.
fn not_given(answer: ExchangeId) -> Fault {
    let mut fault = Fault::new(FaultCode::QueryAnswerInvalid).detail(
        format!("应答已留存为交换单 {answer}，但与查询不符或无法按您的格式生成；请重新提问"),
        format!("the answer is kept as exchange {answer}, but it is of another question or has no form in your format; ask anew"),
    );
    fault.retry = Retry::Never;
    fault
}
