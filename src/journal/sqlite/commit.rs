//! The steps of a group's transaction: exchanges and what follows from them, and the head at its end.

use super::claims::{Claimant, Claimed, KEYS_SORTED_MAX};
use super::hours::Hours;
use super::profiles::Profiles;
use super::statements::Days;
use super::writer::{Answer, ChainEnd, Work};
use super::{column, holders, milliseconds, reads, search};
use crate::domain::{Counts, Digest, ExchangeId, Finding, FlowId, IndexRow, Outcome, PartnerId, Stored};
use crate::journal::chain::{Tree, leaf_hash};
use crate::journal::evidence::{HEAD_TYPE, Head, LEAF_VERSION, Leaf, LeafBody, time_text};
use crate::journal::repeats::Standing;
use crate::journal::search::RULES_PER_EXCHANGE_MAX;
use crate::journal::{ChainPosition, Committed, HeadSigner, JournalError, Journaled, NewExchange};
use crate::seams::{Clock, new_id};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Pinned texts and key spaces remembered so that they are not looked up again.
const KNOWN_MAX: usize = 4096;

/// Queues a delivery; held where one before it has its order key.
pub(super) const QUEUE: &str = "INSERT INTO delivery (id, exchange, destination, mapping, destination_bit, first_row, rows, records,
    order_key, state, due_at, due_since, attempts, repeated_ids) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CASE WHEN ?9 IS NOT NULL AND EXISTS
    (SELECT 1 FROM delivery WHERE destination = ?3 AND order_key = ?9 AND order_key IS NOT NULL AND state <= 3)
    THEN 2 ELSE 0 END, ?10, ?11, 0, ?12)";

/// An exchange as it reaches the writer: its files durable, its report written.
pub(super) struct Submission {
    pub exchange: NewExchange,
    pub report: String,
}

impl Submission {
    /// Rows whose business keys are claimed.
    pub fn claimed_rows(&self) -> u64 {
        let verdict = &self.exchange.verdict;
        if verdict.outcome == Outcome::Refused { 0 } else { verdict.index.length() / IndexRow::BYTES as u64 }
    }

    /// Bytes that go into the tables.
    pub fn inline_bytes(&self) -> u64 {
        let NewExchange { body, verdict, .. } = &self.exchange;
        let inline = [body, &verdict.canonical, &verdict.index].into_iter().filter(|stored| matches!(stored, Stored::Inline(_)));
        inline.map(Stored::length).sum::<u64>() + self.report.len() as u64
    }
}

/// Findings as the journal keeps them: NDJSON.
pub(super) fn report(findings: &[Finding]) -> String {
    let lines = findings.iter().filter_map(|finding| serde_json::to_string(finding).ok());
    lines.fold(String::new(), |mut report, line| {
        report.push_str(&line);
        report.push('\n');
        report
    })
}

/// What need not be looked up again.
#[derive(Default)]
pub(super) struct Known {
    pinned: HashSet<Digest>,
    key_spaces: HashMap<String, i64>,
}

impl Known {
    /// Forgets what a transaction that was undone had told.
    pub fn clear(&mut self) {
        self.pinned.clear();
        self.key_spaces.clear();
    }
}

/// What a piece of work came to before the group's head was signed.
pub(super) enum Draft {
    /// Answered by the leaf at this place of the group.
    Leaf {
        leaf: usize,
        repeat: bool,
    },
    Answer(Answer),
}

/// One group in its open transaction.
pub(super) struct Group<'a> {
    pub(super) connection: &'a Connection,
    pub(super) clock: &'a dyn Clock,
    pub(super) chain: ChainEnd,
    known: &'a mut Known,
    leaves: Vec<NewLeaf>,
    flow_totals: BTreeMap<(PartnerId, FlowId), FlowTotal>,
    pub(super) hours: Hours,
    pub(super) days: Days,
    profiles: Profiles,
    pub(super) destination_totals: BTreeMap<String, DestinationTotal>,
}

struct NewLeaf {
    sequence: i64,
    exchange: ExchangeId,
    outcome: Outcome,
    counts: Counts,
    leaf: Arc<str>,
}

#[derive(Default)]
struct FlowTotal {
    exchanges: u64,
    refused_whole: u64,
    counts: Counts,
    last_received_at: i64,
}

/// What a group adds to a destination's records by state.
#[derive(Default)]
pub(super) struct DestinationTotal {
    pub queued: i64,
    pub acknowledged: i64,
    pub dead: i64,
}

/// A group whose head is signed and stored.
pub(super) struct Sealed {
    first: ChainPosition,
    leaves: Vec<NewLeaf>,
    tree: Tree,
    head: Arc<str>,
}

impl Sealed {
    /// The answer of a draft. Only to be given out once the transaction is durable.
    pub fn answer(&self, draft: Draft) -> Answer {
        match draft {
            Draft::Answer(answer) => answer,
            Draft::Leaf { leaf, repeat } => match self.journaled(leaf) {
                None => Answer::Refused(JournalError::Damaged("the group lost a leaf".to_owned())),
                Some(journaled) if repeat => Answer::Committed(Committed::Repeat(journaled)),
                Some(journaled) => Answer::Committed(Committed::New(journaled)),
            },
        }
    }

    fn journaled(&self, place: usize) -> Option<Journaled> {
        let NewLeaf { exchange, outcome, counts, leaf, .. } = self.leaves.get(place)?;
        Some(Journaled {
            exchange: *exchange,
            position: ChainPosition { epoch: self.first.epoch, index: self.first.index + place as u64 },
            outcome: *outcome,
            counts: *counts,
            leaf: leaf.clone(),
            path: self.tree.path(place).into(),
            leaf_index: place as u64,
            tree_size: self.leaves.len() as u64,
            head: self.head.clone(),
        })
    }
}

impl<'a> Group<'a> {
    pub fn new(connection: &'a Connection, clock: &'a dyn Clock, chain: ChainEnd, known: &'a mut Known) -> Self {
        let (leaves, flow_totals, destination_totals) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (hours, days, profiles) = (Hours::default(), Days::default(), Profiles::default());
        Self { connection, clock, chain, known, leaves, flow_totals, hours, days, profiles, destination_totals }
    }

    /// Does one piece of work.
    pub fn apply(&mut self, work: &Work) -> Result<Draft, JournalError> {
        Ok(Draft::Answer(match work {
            Work::Commit(submission) => return self.commit(submission),
            Work::Lease { to, now, until, leases_max } => Answer::Leases(self.lease(to, *now, *until, *leases_max)?),
            Work::Rendered { delivery, token, digest } => self.rendered(*delivery, *token, *digest)?,
            Work::Settle { delivery, token, now, settlement } => Answer::Changed(self.settle(*delivery, *token, *now, settlement)?),
            Work::Act(act) => Answer::Acted(Box::new(self.act(act)?)),
            Work::Duty(work) => self.duty(work)?,
            Work::Matters(work) => self.matters(work)?,
            Work::Statement(statement) => self.keep_statement(statement)?,
        }))
    }

    /// Ends the group: its head, its leaves, its totals.
    pub fn seal(self, signer: &dyn HeadSigner) -> Result<(Sealed, ChainEnd), JournalError> {
        self.add_totals()?;
        self.hours.write(self.connection)?;
        self.days.write(self.connection)?;
        self.profiles.write(self.connection)?;
        let tree = Tree::new(self.leaves.iter().map(|leaf| leaf_hash(leaf.leaf.as_bytes())).collect());
        let first = ChainPosition { epoch: self.chain.epoch, index: self.chain.next_index };
        let Some(first_leaf) = self.leaves.first() else {
            return Ok((Sealed { first, leaves: Vec::new(), tree, head: "".into() }, self.chain));
        };
        let size = self.leaves.len() as u64;
        let head = self.sign(&tree, size, signer)?;
        self.connection
            .prepare_cached("INSERT INTO head (epoch, batch, first_index, size, first_sequence, jws) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                column(first.epoch),
                column(self.chain.next_batch),
                column(first.index),
                column(size),
                first_leaf.sequence,
                head
            ])?;
        self.insert_leaves(&tree)?;
        let chain = ChainEnd {
            epoch: first.epoch,
            next_batch: self.chain.next_batch + 1,
            next_index: first.index + size,
            previous: Digest::of(head.as_bytes()),
            acts: self.chain.acts,
        };
        Ok((Sealed { first, leaves: self.leaves, tree, head: head.into() }, chain))
    }

    fn sign(&self, tree: &Tree, size: u64, signer: &dyn HeadSigner) -> Result<String, JournalError> {
        let head = Head {
            kind: HEAD_TYPE.to_owned(),
            epoch: self.chain.epoch,
            batch: self.chain.next_batch,
            first_index: self.chain.next_index,
            size,
            root: tree.root(),
            previous: self.chain.previous,
            signed_at: time_text(self.clock.now()),
            acts: Some(self.chain.acts).filter(|acts| acts.number > 0),
        };
        let payload = serde_json::to_vec(&head).map_err(|error| JournalError::Unavailable(error.to_string()))?;
        Ok(signer.sign(&payload))
    }

    fn insert_leaves(&self, tree: &Tree) -> Result<(), JournalError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO leaf (sequence, epoch, batch, leaf_index, leaf, path) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let (epoch, batch) = (column(self.chain.epoch), column(self.chain.next_batch));
        for (place, leaf) in self.leaves.iter().enumerate() {
            let path: Vec<u8> = tree.path(place).iter().flat_map(|digest| digest.0).collect();
            insert.execute(params![leaf.sequence, epoch, batch, column(place as u64), leaf.leaf.as_ref(), path])?;
        }
        Ok(())
    }

    fn add_totals(&self) -> Result<(), JournalError> {
        let mut flows = self.connection.prepare_cached(
            "INSERT INTO flow_total (partner, flow, exchanges, records, accepted, refused, warnings, repeated, last_received_at,
             refused_whole) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET exchanges = exchanges + ?3, records = records + ?4, accepted = accepted + ?5,
             refused = refused + ?6, warnings = warnings + ?7, repeated = repeated + ?8,
             last_received_at = max(last_received_at, ?9), refused_whole = refused_whole + ?10",
        )?;
        for ((partner, flow), total) in &self.flow_totals {
            let Counts { records, accepted, refused, warnings, repeated } = total.counts;
            let (partner, flow) = (partner.as_str(), flow.as_str());
            flows.execute(params![
                partner,
                flow,
                column(total.exchanges),
                column(records),
                column(accepted),
                column(refused),
                column(warnings),
                column(repeated),
                total.last_received_at,
                column(total.refused_whole)
            ])?;
        }
        let mut destinations = self.connection.prepare_cached(
            "INSERT INTO destination_total (destination, queued, acknowledged, dead) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET queued = queued + ?2, acknowledged = acknowledged + ?3, dead = dead + ?4",
        )?;
        for (destination, total) in &self.destination_totals {
            destinations.execute(params![destination, total.queued, total.acknowledged, total.dead])?;
        }
        Ok(())
    }

    /// One exchange: a repeat of an earlier one, or everything that follows from a new one.
    fn commit(&mut self, submission: &Submission) -> Result<Draft, JournalError> {
        let exchange = &submission.exchange;
        if let Some(body_digest) = self.journaled_body(exchange.id)? {
            return self.commit_again(exchange, body_digest);
        }
        let identity = holders::Identity {
            partner: &exchange.partner,
            flow: &exchange.flow,
            idempotency_key: exchange.idempotency_key.as_deref(),
            message_id: exchange.verdict.message_id.as_deref(),
            body_digest: exchange.body_digest,
            corrects: exchange.corrects,
        };
        match holders::stand(self.connection, &identity)? {
            Standing::New => Ok(Draft::Leaf { leaf: self.insert(submission)?, repeat: false }),
            Standing::Repeat(earlier) => {
                if exchange.question.is_none() {
                    self.bind_again(exchange, earlier)?;
                }
                self.repeat(earlier)
            }
            Standing::OtherBytes(earlier) => Ok(Draft::Answer(Answer::Committed(Committed::OtherBytes(earlier)))),
            Standing::Conflict => Ok(Draft::Answer(Answer::Committed(Committed::Conflict))),
        }
    }

    /// The very exchange once more, by a caller who could not know that it had been committed.
    fn commit_again(&self, exchange: &NewExchange, body_digest: Digest) -> Result<Draft, JournalError> {
        if body_digest == exchange.body_digest {
            return self.repeat(exchange.id);
        }
        let damage = format!("exchange {} is journaled with other bytes", exchange.id);
        Ok(Draft::Answer(Answer::Refused(JournalError::Damaged(damage))))
    }

    /// The first evidence of an exchange, which may be of this very group.
    fn repeat(&self, earlier: ExchangeId) -> Result<Draft, JournalError> {
        match self.leaves.iter().position(|leaf| leaf.exchange == earlier) {
            Some(leaf) => Ok(Draft::Leaf { leaf, repeat: true }),
            None => Ok(Draft::Answer(Answer::Committed(Committed::Repeat(reads::journaled(self.connection, earlier)?)))),
        }
    }

    /// Inserts a new exchange and returns the place of its leaf in the group.
    fn insert(&mut self, submission: &Submission) -> Result<usize, JournalError> {
        let exchange = &submission.exchange;
        let sequence = self.next_sequence()?;
        self.insert_exchange(exchange, sequence)?;
        let accepted = exchange.verdict.outcome != Outcome::Refused;
        let claimed = if accepted { self.claim_keys(exchange, sequence)? } else { Claimed::default() };
        let counts = Counts { repeated: claimed.repeated_rows, ..exchange.verdict.counts };
        if counts.repeated > 0 {
            let note = "UPDATE exchange SET repeated = ?2 WHERE sequence = ?1";
            self.connection.prepare_cached(note)?.execute(params![sequence, column(counts.repeated)])?;
        }
        self.insert_content(submission, sequence, &claimed)?;
        self.insert_pinned(exchange)?;
        self.note_rules(exchange, sequence, &claimed)?;
        if accepted {
            self.bind_keys(exchange, sequence)?;
            self.queue_deliveries(exchange, sequence, &claimed.records)?;
        }
        let total = self.flow_totals.entry((exchange.partner.clone(), exchange.flow.clone())).or_default();
        total.add(exchange.verdict.outcome, counts, milliseconds(exchange.received_at));
        self.hours.exchange(exchange, counts, &claimed.told, self.clock.now());
        self.profiles.add(exchange);
        self.days.exchange(exchange, counts, self.clock.now());
        let leaf = self.leaf(exchange, counts)?;
        self.leaves.push(NewLeaf { sequence, exchange: exchange.id, outcome: exchange.verdict.outcome, counts, leaf });
        Ok(self.leaves.len() - 1)
    }

    /// Digest of the body of an exchange that is journaled.
    fn journaled_body(&self, id: ExchangeId) -> Result<Option<Digest>, JournalError> {
        reads::one(self.connection, "SELECT body_digest FROM exchange WHERE id = ?1", [id.as_bytes()], |row| reads::digest(row, 0))
    }

    fn next_sequence(&self) -> Result<i64, JournalError> {
        let next = "SELECT ifnull(max(sequence), 0) + 1 FROM exchange";
        Ok(self.connection.prepare_cached(next)?.query_row([], |row| row.get(0))?)
    }

    fn leaf(&self, exchange: &NewExchange, counts: Counts) -> Result<Arc<str>, JournalError> {
        let verdict = &exchange.verdict;
        let mut nonce = [0; 16];
        self.clock.random(&mut nonce);
        let leaf = Leaf {
            body: LeafBody { bytes: exchange.body.length(), sha256: exchange.body_digest },
            canonical_sha256: verdict.canonical_digest,
            certificate_sha256: exchange.certificate,
            corrects: exchange.corrects,
            counts: counts.into(),
            decoded_sha256: verdict.decoded_digest,
            epoch: self.chain.epoch,
            exchange: exchange.id,
            fault: verdict.fault.map(|code| code.as_str().to_owned()),
            flow: exchange.flow.clone(),
            idempotency_key_sha256: exchange.idempotency_key.as_ref().map(|key| Digest::of(key.as_bytes())),
            index: self.chain.next_index + self.leaves.len() as u64,
            message_id: verdict.message_id.clone(),
            nonce: format!("{:032x}", u128::from_be_bytes(nonce)),
            outcome: verdict.outcome,
            partner: exchange.partner.clone(),
            pins: verdict.pins.into(),
            received_at: time_text(exchange.received_at),
            version: LEAF_VERSION,
        };
        leaf.to_canonical().map(Into::into).map_err(|error| JournalError::Damaged(error.to_string()))
    }

    fn insert_exchange(&self, exchange: &NewExchange, sequence: i64) -> Result<(), JournalError> {
        let (verdict, counts) = (&exchange.verdict, exchange.verdict.counts);
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO exchange (sequence, id, partner, flow, received_at, translated_at, idempotency_key, message_id, corrects, mapping,
             content_type, content_encoding, trace_id, outcome, fault, records, accepted, refused, warnings, repeated,
             findings_left_out, body_bytes, body_digest, canonical_digest, mapping_digest, schema_digest, flow_digest)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
             ?24, ?25, ?26, ?27)",
        )?;
        insert.execute(params![
            sequence,
            exchange.id.as_bytes(),
            exchange.partner.as_str(),
            exchange.flow.as_str(),
            milliseconds(exchange.received_at),
            milliseconds(exchange.translated_at),
            exchange.idempotency_key,
            verdict.message_id,
            exchange.corrects.as_ref().map(ExchangeId::as_bytes),
            exchange.mapping,
            exchange.content_type,
            exchange.content_encoding,
            exchange.trace_id,
            reads::outcome_number(verdict.outcome),
            verdict.fault.map(|code| code.as_str()),
            column(counts.records),
            column(counts.accepted),
            column(counts.refused),
            column(counts.warnings),
            0,
            column(verdict.findings_left_out),
            column(exchange.body.length()),
            exchange.body_digest.0,
            verdict.canonical_digest.0,
            verdict.pins.mapping.0,
            verdict.pins.schema.0,
            verdict.pins.flow.0,
        ])?;
        Ok(())
    }

    fn insert_content(&self, submission: &Submission, sequence: i64, claimed: &Claimed) -> Result<(), JournalError> {
        let NewExchange { body, verdict, answer, .. } = &submission.exchange;
        let (rows, canonical) = (&verdict.index, &verdict.canonical);
        let in_files = [(body, 1), (canonical, 2), (rows, 4)];
        let in_files: i64 = in_files.iter().filter(|(stored, _)| matches!(stored, Stored::File { .. })).map(|(_, bit)| bit).sum();
        let repeated = (!claimed.repeated.is_empty()).then_some(&claimed.repeated);
        let report = format!("{}{}", submission.report, report(&claimed.told));
        self.connection
            .prepare_cached(
                "INSERT INTO content (sequence, in_files, report, repeated, rows, canonical, body, answer, answer_type)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                sequence,
                in_files,
                report,
                repeated,
                inline(rows),
                inline(canonical),
                inline(body),
                answer.as_ref().map(|answer| answer.bytes.as_ref()),
                answer.as_ref().map(|answer| answer.media_type.as_ref()),
            ])?;
        Ok(())
    }

    /// Notes the rules of the findings, so that the exchange is found by them.
    fn note_rules(&self, exchange: &NewExchange, sequence: i64, claimed: &Claimed) -> Result<(), JournalError> {
        let findings = exchange.verdict.findings.iter().chain(&claimed.told);
        let rules: BTreeSet<&str> = findings.map(|finding| finding.rule.as_str()).collect();
        for rule in rules.into_iter().take(RULES_PER_EXCHANGE_MAX) {
            let note = self.connection.prepare_cached(search::NOTE_RULE);
            note?.execute(params![rule, milliseconds(exchange.received_at), sequence])?;
        }
        Ok(())
    }

    fn insert_pinned(&mut self, exchange: &NewExchange) -> Result<(), JournalError> {
        for (digest, text) in &exchange.pinned {
            if self.known.pinned.len() >= KNOWN_MAX {
                self.known.pinned.clear();
            }
            if self.known.pinned.insert(*digest) {
                self.connection
                    .prepare_cached("INSERT INTO pinned (digest, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                    .execute(params![digest.0, text.as_ref()])?;
            }
        }
        Ok(())
    }

    /// Binds what a repeat brings and its first submission did not: a key that was answered once names those bytes
    /// from then on.
    fn bind_again(&self, exchange: &NewExchange, earlier: ExchangeId) -> Result<(), JournalError> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO repeat_key (partner, flow, kind, value, sequence, body_digest)
             SELECT ?1, ?2, ?3, ?4, sequence, ?6 FROM exchange WHERE id = ?5 ON CONFLICT DO NOTHING",
        )?;
        for (kind, value) in repeat_keys(exchange) {
            let (partner, flow) = (exchange.partner.as_str(), exchange.flow.as_str());
            insert.execute(params![partner, flow, kind as i64, value, earlier.as_bytes(), exchange.body_digest.0])?;
        }
        Ok(())
    }

    /// Binds key and message id. A correction comes to hold them beside what it corrects.
    fn bind_keys(&self, exchange: &NewExchange, sequence: i64) -> Result<(), JournalError> {
        let mut insert = self
            .connection
            .prepare_cached("INSERT INTO repeat_key (partner, flow, kind, value, sequence, body_digest) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        for (kind, value) in repeat_keys(exchange) {
            let (partner, flow) = (exchange.partner.as_str(), exchange.flow.as_str());
            insert.execute(params![partner, flow, kind as i64, value, sequence, exchange.body_digest.0])?;
        }
        Ok(())
    }

    /// Claims the business keys of an index and counts what is left for each chunk.
    fn claim_keys(&mut self, exchange: &NewExchange, sequence: i64) -> Result<Claimed, JournalError> {
        let space = self.key_space(&exchange.key_space)?;
        let (index, chunks) = (&exchange.verdict.index, &exchange.verdict.chunks);
        Claimed::claim(self.connection, Claimant { space, sequence }, index, chunks, KEYS_SORTED_MAX)
    }

    fn key_space(&mut self, name: &str) -> Result<i64, JournalError> {
        if let Some(space) = self.known.key_spaces.get(name) {
            return Ok(*space);
        }
        self.connection.prepare_cached("INSERT INTO key_space (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([name])?;
        let find = "SELECT space FROM key_space WHERE name = ?1";
        let space = self.connection.prepare_cached(find)?.query_row([name], |row| row.get(0))?;
        if self.known.key_spaces.len() >= KNOWN_MAX {
            self.known.key_spaces.clear();
        }
        self.known.key_spaces.insert(name.to_owned(), space);
        Ok(space)
    }

    /// Queues the chunks that have records. One whose order key is taken waits until it is free.
    fn queue_deliveries(&mut self, exchange: &NewExchange, sequence: i64, records: &[u64]) -> Result<(), JournalError> {
        let mut insert = self.connection.prepare_cached(QUEUE)?;
        for (chunk, &records) in exchange.verdict.chunks.iter().zip(records).filter(|(_, records)| **records > 0) {
            let routed = exchange.verdict.destinations.get(usize::from(chunk.destination));
            let routed = routed.ok_or_else(|| JournalError::Damaged("a chunk goes to no destination of the verdict".to_owned()))?;
            let destination = routed.to.to_string();
            insert.execute(params![
                new_id(self.clock).as_bytes(),
                sequence,
                destination,
                routed.mapping.0,
                chunk.destination,
                column(chunk.first_row),
                column(chunk.rows),
                column(records),
                chunk.order_key,
                milliseconds(exchange.received_at),
                milliseconds(self.clock.now()),
                chunk.repeated_ids,
            ])?;
            self.destination_totals.entry(destination).or_default().queued += column(records);
        }
        Ok(())
    }
}

impl FlowTotal {
    fn add(&mut self, outcome: Outcome, counts: Counts, received_at: i64) {
        self.exchanges += 1;
        self.refused_whole += u64::from(outcome == Outcome::Refused);
        self.counts.records += counts.records;
        self.counts.accepted += counts.accepted;
        self.counts.refused += counts.refused;
        self.counts.warnings += counts.warnings;
        self.counts.repeated += counts.repeated;
        self.last_received_at = self.last_received_at.max(received_at);
    }
}

/// The key and the message id of a submission, as far as it has them.
fn repeat_keys(exchange: &NewExchange) -> impl Iterator<Item = (holders::KeyKind, &str)> {
    let key = exchange.idempotency_key.as_deref().map(|key| (holders::KeyKind::IdempotencyKey, key));
    key.into_iter().chain(exchange.verdict.message_id.as_deref().map(|id| (holders::KeyKind::MessageId, id)))
}

fn inline(stored: &Stored) -> Option<&[u8]> {
    match stored {
        Stored::Inline(bytes) => Some(bytes),
        Stored::File { .. } => None,
    }
}
