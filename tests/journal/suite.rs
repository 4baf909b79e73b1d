//! The suite: what every store of the journal must do, through the trait alone.
//!
//! A store joins by implementing [`Store`] and calling `journal_suite!`.

use crate::support::{SampleRecord, TestClock, bytes_of, of, sample, sample_of, spooled, unknown_id};
use portolan::domain::{Counts, Finding, Outcome, Severity};
use portolan::fault::FaultCode;
use portolan::journal::{Committed, Journal, Journaled, NewExchange};
use portolan::receipt::{Jwks, Receipt, verify};
use std::path::Path;
use std::sync::Arc;

/// A store that can be opened again with what it holds.
pub trait Store {
    fn open(&self) -> Arc<dyn Journal>;
    fn clock(&self) -> &TestClock;
    fn jwks(&self) -> Jwks;
    /// A folder for spool files.
    fn spool(&self) -> &Path;
}

/// One test for each check, against a store that begins empty.
macro_rules! journal_suite {
    ($store:ty) => {
        $crate::suite::journal_suite!($store:
            commit_is_read_back_inline
            commit_is_read_back_from_files
            refused_is_kept
            receipt_verifies
            evidence_stays_the_same_after_reopening
        );
    };
    ($store:ty: $($check:ident)*) => {
        $(
            #[tokio::test]
            async fn $check() {
                $crate::suite::$check(&<$store>::default()).await;
            }
        )*
    };
}
pub(crate) use journal_suite;

pub async fn commit_is_read_back_inline(store: &dyn Store) {
    check_read_back(store, store.open().as_ref(), rich_sample(store.clock())).await;
}

pub async fn commit_is_read_back_from_files(store: &dyn Store) {
    let exchange = spooled(rich_sample(store.clock()), store.spool());
    check_read_back(store, store.open().as_ref(), exchange).await;
}

pub async fn refused_is_kept(store: &dyn Store) {
    let journal = store.open();
    let mut exchange = sample_of(store.clock(), "not XML", &[]);
    exchange.verdict.outcome = Outcome::Refused;
    exchange.verdict.fault = Some(FaultCode::SyntaxMalformed);
    let journaled = commit_new(journal.as_ref(), exchange.clone()).await;
    assert_eq!(journaled.outcome(), Outcome::Refused);
    let row = journal.exchange(exchange.id).await.unwrap().unwrap();
    assert_eq!(row.fault.as_deref(), Some("syntax.malformed"));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), b"not XML");
    assert!(journal.deliveries(exchange.id).await.unwrap().is_empty());
}

pub async fn receipt_verifies(store: &dyn Store) {
    let journal = store.open();
    let journaled = commit_new(journal.as_ref(), sample(store.clock(), "a body")).await;
    let receipt = Receipt::new(&journaled);
    let verified = verify(receipt.to_bytes(), &store.jwks(), Some(&b"a body"[..])).unwrap();
    assert_eq!(verified.leaf.exchange, journaled.exchange());
    let refused = verify(receipt.to_bytes(), &store.jwks(), Some(&b"a bodY"[..])).unwrap_err();
    assert_eq!(refused.mismatches.len(), 1, "{refused}");
}

pub async fn evidence_stays_the_same_after_reopening(store: &dyn Store) {
    let mut first = Vec::new();
    for round in 0..3 {
        let journal = store.open();
        for body in 0..3 {
            first.push(commit_new(journal.as_ref(), sample(store.clock(), &format!("{round} {body}"))).await);
        }
    }
    let journal = store.open();
    for (index, journaled) in first.iter().enumerate() {
        let row = journal.exchange(journaled.exchange()).await.unwrap().unwrap();
        assert_eq!(&row.journaled, journaled);
        assert_eq!(journaled.position().index, index as u64);
    }
}

async fn commit_new(journal: &dyn Journal, exchange: NewExchange) -> Journaled {
    match journal.commit(exchange).await.unwrap() {
        Committed::New(journaled) => journaled,
        other => panic!("not new: {other:?}"),
    }
}

/// A sample with something in every field.
fn rich_sample(clock: &TestClock) -> NewExchange {
    let records = [SampleRecord::keyed("one"), SampleRecord { key: None, destinations: 0b11 }, SampleRecord::plain()];
    let mut exchange = sample_of(clock, "报文 <a/>", &records);
    exchange.idempotency_key = Some("钥匙 \"1\"".to_owned());
    exchange.corrects = Some(unknown_id(clock));
    exchange.content_encoding = "gzip".to_owned();
    let verdict = &mut exchange.verdict;
    verdict.message_id = Some("MSG/2026-07\t\u{1}\u{7f}\u{20ac}\u{1f600}".to_owned());
    verdict.outcome = Outcome::InPart;
    verdict.counts = Counts { records: 5, accepted: 3, refused: 2, warnings: 1, repeated: 0 };
    verdict.findings_left_out = 7;
    verdict.decoded_digest = of("decoded");
    verdict.findings = vec![Finding {
        severity: Severity::Error,
        rule: "type.money".to_owned(),
        record: Some(4),
        at: portolan_contract::Position { line: 17, byte: 900, column: 3 },
        source: Some("收入总额".to_owned()),
        canonical: Some("income".to_owned()),
        found: Some("1.005".to_owned()),
        words: portolan_contract::Words::new("小数位过多", "too many decimals"),
    }];
    exchange
}

async fn check_read_back(store: &dyn Store, journal: &dyn Journal, exchange: NewExchange) {
    let (body, canonical) = (bytes_of(&exchange.body), bytes_of(&exchange.verdict.canonical));
    let journaled = commit_new(journal, exchange.clone()).await;
    let row = journal.exchange(exchange.id).await.unwrap().unwrap();
    let verdict = &exchange.verdict;
    assert_eq!(row.journaled, journaled);
    assert_eq!((&row.partner, &row.flow, row.received_at), (&exchange.partner, &exchange.flow, exchange.received_at));
    assert_eq!((&row.idempotency_key, &row.message_id), (&exchange.idempotency_key, &verdict.message_id));
    assert_eq!((row.corrects, &row.mapping, &row.trace_id), (exchange.corrects, &exchange.mapping, &exchange.trace_id));
    assert_eq!((&row.content_type, &row.content_encoding), (&exchange.content_type, &exchange.content_encoding));
    assert_eq!((row.body_bytes, row.body_digest), (body.len() as u64, exchange.body_digest));
    assert_eq!((row.canonical_digest, row.pins, row.findings_left_out), (verdict.canonical_digest, verdict.pins, 7));
    assert_eq!((journaled.outcome(), journaled.counts()), (verdict.outcome, verdict.counts));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), body);
    assert_eq!(bytes_of(&journal.canonical(exchange.id).await.unwrap().unwrap()), canonical);
    let report = journal.report(exchange.id).await.unwrap().unwrap();
    let findings: Vec<Finding> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings, verdict.findings);
    for (digest, text) in &exchange.pinned {
        assert_eq!(journal.pinned(*digest).await.unwrap().as_ref(), Some(text));
    }
    assert_eq!(journal.pinned(of("never pinned")).await.unwrap(), None);
    let index = journal.index(exchange.id, 1, 10).await.unwrap();
    assert_eq!(index.iter().map(|(row, known)| (row.record, row.destinations, *known)).collect::<Vec<_>>(), [(2, 3, false), (3, 1, false)]);
    let deliveries = journal.deliveries(exchange.id).await.unwrap();
    let deliveries: Vec<(String, u64)> = deliveries.iter().map(|delivery| (delivery.to.to_string(), delivery.records)).collect();
    assert_eq!(deliveries, [("tax/inbox".to_owned(), 3), ("archive/inbox".to_owned(), 1)]);
    let verified = verify(Receipt::new(&journaled).to_bytes(), &store.jwks(), Some(body.as_slice())).unwrap();
    assert_eq!(verified.leaf.message_id, verdict.message_id);
    assert!(journal.exchange(unknown_id(store.clock())).await.unwrap().is_none());
    assert!(journal.body(unknown_id(store.clock())).await.unwrap().is_none());
}
