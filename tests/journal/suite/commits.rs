//! What a commit keeps: read back, signed, in the chain.

use super::{Store, commit_new};
use crate::support::{SampleRecord, TestClock, bytes_of, of, sample, sample_of, spooled, unknown_id};
use portolan::domain::{Counts, Finding, Outcome, Severity, Stored};
use portolan::fault::FaultCode;
use portolan::journal::{ExchangeFilter, Journal, NewExchange, resolve};
use portolan::receipt::audit::verify_chain;
use portolan::receipt::{Jwks, Receipt, verify};
use std::collections::BTreeSet;

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
    let totals = journal.totals().await.unwrap();
    assert_eq!((totals.flows[0].exchanges, totals.flows[0].refused_whole), (1, 1));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), b"not XML");
    assert!(journal.deliveries(exchange.id, None, 99).await.unwrap().is_empty());
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

pub async fn exchanges_at_once_share_heads(store: &dyn Store) {
    let journal = store.open();
    const ROUNDS: usize = 8;
    const TASKS: usize = 64;
    let mut indexes = BTreeSet::new();
    for round in 0..ROUNDS {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (journal, exchange) = (journal.clone(), sample(store.clock(), &format!("{round} {task}")));
                tokio::spawn(async move { commit_new(journal.as_ref(), exchange).await })
            })
            .collect();
        for task in tasks {
            indexes.insert(task.await.unwrap().position().index);
        }
    }
    assert!(indexes.iter().copied().eq(0..(ROUNDS * TASKS) as u64), "indexes have no gaps");
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges), (Vec::new(), (ROUNDS * TASKS) as u64));
    assert!(report.heads < report.exchanges / 2, "{} heads for {} exchanges", report.heads, report.exchanges);
}

pub async fn the_chain_is_audited(store: &dyn Store) {
    let journal = store.open();
    let empty = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert!(empty.holds() && empty.last_head.is_none());
    for number in 0..20 {
        let exchange = sample(store.clock(), &number.to_string());
        let exchange = if number % 2 == 0 { spooled(exchange, store.spool()) } else { exchange };
        commit_new(journal.as_ref(), exchange).await;
    }
    drop(journal);
    let journal = store.open();
    commit_new(journal.as_ref(), sample(store.clock(), "after reopening")).await;
    let report = verify_chain(journal.as_ref(), &store.jwks()).await;
    assert_eq!((report.problems, report.exchanges, report.epochs), (Vec::new(), 21, 1));
    // With a body changed on the disk and without any key, everything that is wrong is named.
    let changed = journal.exchanges(ExchangeFilter { rows_max: 2, ..Default::default() }).await.unwrap();
    let changed = journal.exchanges(ExchangeFilter { before: Some(changed[1].journaled.exchange()), rows_max: 1, ..Default::default() });
    let changed = changed.await.unwrap()[0].journaled.exchange();
    let Some(Stored::File { path, .. }) = journal.body(changed).await.unwrap() else { panic!("a body in a file") };
    std::fs::write(path, "other").unwrap();
    let report = verify_chain(journal.as_ref(), &Jwks::default()).await;
    let (of_bodies, of_heads): (Vec<_>, Vec<_>) = report.problems.iter().partition(|problem| problem.exchange.is_some());
    assert_eq!(of_bodies.iter().map(|problem| problem.exchange).collect::<Vec<_>>(), [Some(changed)]);
    assert_eq!(of_heads.len() as u64, report.heads, "each head is signed with a key that is not given");
}

pub async fn an_unknown_outcome_is_resolved(store: &dyn Store) {
    let journal = store.open();
    let journaled = commit_new(journal.as_ref(), sample(store.clock(), "a")).await;
    assert_eq!(resolve(journal.as_ref(), journaled.exchange()).await.unwrap(), Some(journaled));
    assert_eq!(resolve(journal.as_ref(), unknown_id(store.clock())).await.unwrap(), None);
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
        part: None,
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
    assert_eq!((row.corrects, &row.mapping, &row.trace_id), (exchange.corrects, &exchange.mapping, &exchange.trace.trace_id()));
    assert_eq!((&row.content_type, &row.content_encoding), (&exchange.content_type, &exchange.content_encoding));
    assert_eq!((row.body_bytes, row.body_digest), (body.len() as u64, exchange.body_digest));
    assert_eq!((row.canonical_digest, row.pins, row.findings_left_out), (verdict.canonical_digest, verdict.pins, 7));
    assert_eq!((journaled.outcome(), journaled.counts()), (verdict.outcome, verdict.counts));
    assert_eq!(bytes_of(&journal.body(exchange.id).await.unwrap().unwrap()), body);
    assert_eq!(bytes_of(&journal.canonical(exchange.id).await.unwrap().unwrap()), canonical);
    let report = journal.report(exchange.id).await.unwrap().unwrap();
    let findings: Vec<Finding> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(findings, verdict.findings);
    assert_eq!(journal.answer(exchange.id).await.unwrap(), exchange.answer, "byte for byte, text or not");
    for (digest, text) in &exchange.pinned {
        assert_eq!(journal.pinned(*digest).await.unwrap().as_ref(), Some(text));
    }
    assert_eq!(journal.pinned(of("never pinned")).await.unwrap(), None);
    let index = journal.index(exchange.id, 1, 10).await.unwrap();
    assert_eq!(index.iter().map(|(row, known)| (row.record, row.destinations, *known)).collect::<Vec<_>>(), [(2, 3, false), (3, 1, false)]);
    let deliveries = journal.deliveries(exchange.id, None, 99).await.unwrap();
    let deliveries: Vec<(String, u64)> = deliveries.iter().map(|delivery| (delivery.to.to_string(), delivery.records)).collect();
    assert_eq!(deliveries, [("tax/inbox".to_owned(), 3), ("archive/inbox".to_owned(), 1)]);
    let verified = verify(Receipt::new(&journaled).to_bytes(), &store.jwks(), Some(body.as_slice())).unwrap();
    assert_eq!(verified.leaf.message_id, verdict.message_id);
    assert!(journal.exchange(unknown_id(store.clock())).await.unwrap().is_none());
    assert!(journal.body(unknown_id(store.clock())).await.unwrap().is_none());
    assert_eq!(journal.answer(unknown_id(store.clock())).await.unwrap(), None);
}
