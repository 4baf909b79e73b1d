//! The audit of the whole chain: every head, every leaf, every exchange and its stored bytes; and the log of
//! administrative acts.
//!
//! It names every problem up to [`PROBLEMS_MAX`] and goes on behind each. What it cannot see is a
//! chain that was cut off at its end, or rewritten by whoever has the keys: for that, compare
//! [`AuditReport::last_head`] with what an outside witness was given.

mod acts;

use super::hashed;
use super::keys::Jwks;
use crate::domain::{Digest, ExchangeId, Stored};
use crate::journal::acts::ActsEnd;
use crate::journal::chain::{Tree, leaf_hash, root_of};
use crate::journal::evidence::{Head, Leaf, time_text};
use crate::journal::{ExchangeRow, FIRST_EPOCH, HeadRow, Journal, JournalError};
use portolan_contract::Words;
use std::fs::File;
use std::io;

/// Problems that a report lists.
pub const PROBLEMS_MAX: usize = 1000;
/// Heads read at a time.
const HEADS_PER_READ: usize = 8;

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct AuditReport {
    /// Epochs walked.
    pub epochs: u64,
    /// Heads walked.
    pub heads: u64,
    /// Exchanges walked.
    pub exchanges: u64,
    /// Administrative acts walked.
    pub acts: u64,
    /// What is wrong, at most [`PROBLEMS_MAX`].
    pub problems: Vec<AuditProblem>,
    /// How many more problems there were.
    pub problems_left_out: u64,
    /// Epoch, batch and SHA-256 of the last head.
    pub last_head: Option<(u64, u64, Digest)>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditProblem {
    /// In which epoch.
    pub epoch: u64,
    /// In which batch of it.
    pub batch: u64,
    /// With which exchange, if with one.
    pub exchange: Option<ExchangeId>,
    /// With which administrative act, if with one; epoch and batch are 0 then.
    pub act: Option<u64>,
    /// What.
    pub words: Words,
}

/// Walks the whole chain.
pub async fn verify_chain(journal: &dyn Journal, keys: &Jwks) -> AuditReport {
    let mut audit = Audit { journal, keys, report: AuditReport::default(), previous: Digest::default(), signed_acts: Vec::new() };
    // Counted before the walk: what is committed meanwhile only adds to the chain.
    let counted = journal.totals().await.map(|totals| totals.flows.iter().map(|flow| flow.exchanges).sum::<u64>());
    let mut epoch = FIRST_EPOCH;
    if let Err(error) = audit.walk(&mut epoch).await {
        audit.problem(epoch, 0, None, format!("台账无法读取：{error}"), format!("the journal cannot be read: {error}"));
    }
    if let Err(error) = audit.walk_acts().await {
        audit.problem_of_act(0, format!("操作记录无法读取：{error}"), format!("the log of acts cannot be read: {error}"));
    }
    match counted {
        Ok(counted) if counted > audit.report.exchanges => {
            let missing = counted - audit.report.exchanges;
            let zh = format!("有 {missing} 个交换单不在存证链中");
            audit.problem(epoch, 0, None, zh, format!("{missing} exchanges are counted but not in the chain"));
        }
        Ok(_) => {}
        Err(error) => audit.problem(epoch, 0, None, format!("台账无法读取：{error}"), format!("the journal cannot be read: {error}")),
    }
    audit.report
}

struct Audit<'a> {
    journal: &'a dyn Journal,
    keys: &'a Jwks,
    report: AuditReport,
    previous: Digest,
    /// Ends of the log of acts that heads have signed for, each once, in their order.
    signed_acts: Vec<ActsEnd>,
}

impl Audit<'_> {
    /// Walks epoch after epoch, until one and the one behind it are empty.
    async fn walk(&mut self, epoch: &mut u64) -> Result<(), JournalError> {
        loop {
            if self.walk_epoch(*epoch).await? {
                self.report.epochs += 1;
            } else if self.journal.heads(*epoch + 1, 0, 1).await?.is_empty() {
                return Ok(());
            } else {
                let zh = format!("第 {epoch} 纪元没有签名头，而其后的纪元有");
                self.problem(*epoch, 0, None, zh, format!("epoch {epoch} has no heads, but the one after it has"));
            }
            *epoch += 1;
        }
    }

    async fn walk_epoch(&mut self, epoch: u64) -> Result<bool, JournalError> {
        let (mut batch, mut index) = (0, 0);
        loop {
            let heads = self.journal.heads(epoch, batch, HEADS_PER_READ).await?;
            if heads.is_empty() {
                return Ok(batch > 0);
            }
            for row in heads {
                if row.batch != batch {
                    let (expected, found) = (batch, row.batch);
                    let zh = format!("缺少第 {expected} 批至第 {found} 批之前的签名头");
                    self.problem(epoch, expected, None, zh, format!("the heads of batches {expected} up to {found} are missing"));
                }
                self.check_head(&row, index);
                for (exchange, leaf) in &row.leaves {
                    self.check_exchange(&row, *exchange, leaf).await?;
                }
                batch = row.batch + 1;
                // By what was signed: a leaf that is missing is one problem, not one for each head behind it.
                let size = Head::of_jws(&row.head).map_or(row.leaves.len() as u64, |head| head.size);
                index = row.first_index.saturating_add(size);
                self.previous = Digest::of(row.head.as_bytes());
                self.report.heads += 1;
                self.report.last_head = Some((epoch, row.batch, self.previous));
            }
        }
    }

    /// One head: its signature, its link, its place and its root.
    fn check_head(&mut self, row: &HeadRow, index: u64) {
        if let Err(mismatch) = self.keys.verify_head(&row.head) {
            let words = mismatch.words();
            self.problem(row.epoch, row.batch, None, words.zh, words.en);
        }
        // What an unverified head says is still worth comparing.
        let Some(head) = Head::of_jws(&row.head) else { return };
        self.signed_acts.extend(head.acts.filter(|acts| self.signed_acts.last() != Some(acts)));
        let hashes = row.leaves.iter().map(|(_, leaf)| leaf_hash(leaf.as_bytes())).collect();
        let checks = [
            (head.previous == self.previous, "与前一个签名头的链接", "the link to the head before it"),
            ((head.epoch, head.batch) == (row.epoch, row.batch), "纪元与批次", "epoch and batch"),
            (head.first_index == index && row.first_index == index, "首个序号", "the first index"),
            (head.size == row.leaves.len() as u64, "存证条数", "the number of leaves"),
            (head.root == Tree::new(hashes).root(), "由存证重算的根", "the root recomputed from the leaves"),
        ];
        self.note_failed(row, None, "签名头", "the head", &checks);
    }

    /// One exchange: its leaf against its row, its evidence against the head, its bytes against both.
    async fn check_exchange(&mut self, head: &HeadRow, id: ExchangeId, text: &str) -> Result<(), JournalError> {
        self.report.exchanges += 1;
        let leaf: Leaf = match serde_json::from_str(text) {
            Ok(leaf) => leaf,
            Err(error) => {
                self.problem(
                    head.epoch,
                    head.batch,
                    Some(id),
                    format!("存证无法读取：{error}"),
                    format!("the leaf cannot be read: {error}"),
                );
                return Ok(());
            }
        };
        let Some(row) = self.journal.exchange(id).await? else {
            self.problem(head.epoch, head.batch, Some(id), "交换单不存在", "the exchange does not exist");
            return Ok(());
        };
        self.note_failed(head, Some(id), "存证", "the leaf", &compare(head, &leaf, text, &row));
        let body = self.journal.body(id).await;
        self.check_bytes(head, id, ("报文", "the body"), body, leaf.body.sha256).await;
        let canonical = self.journal.canonical(id).await;
        self.check_bytes(head, id, ("标准记录", "the canonical records"), canonical, leaf.canonical_sha256).await;
        Ok(())
    }

    async fn check_bytes(
        &mut self,
        head: &HeadRow,
        id: ExchangeId,
        (zh, en): (&str, &str),
        stored: Result<Option<Stored>, JournalError>,
        expected: Digest,
    ) {
        let found = match stored {
            Ok(Some(stored)) => digest_of(stored).await.map_err(|error| error.to_string()),
            Ok(None) => Err("-".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(found) if found == expected => {}
            Ok(found) => {
                let (zh, en) =
                    (format!("{zh}的摘要为 {found}，存证为 {expected}"), format!("{en} has the SHA-256 {found}, the leaf has {expected}"));
                self.problem(head.epoch, head.batch, Some(id), zh, en);
            }
            Err(why) => {
                self.problem(head.epoch, head.batch, Some(id), format!("{zh}无法读取：{why}"), format!("{en} cannot be read: {why}"));
            }
        }
    }

    fn note_failed(&mut self, head: &HeadRow, id: Option<ExchangeId>, zh: &str, en: &str, checks: &[(bool, &str, &str)]) {
        for (_, what_zh, what_en) in checks.iter().filter(|(holds, _, _)| !holds) {
            self.problem(head.epoch, head.batch, id, format!("{zh}不符：{what_zh}"), format!("{en} does not match: {what_en}"));
        }
    }

    fn problem(&mut self, epoch: u64, batch: u64, exchange: Option<ExchangeId>, zh: impl Into<String>, en: impl Into<String>) {
        self.note(AuditProblem { epoch, batch, exchange, act: None, words: Words::new(zh, en) });
    }

    fn note(&mut self, problem: AuditProblem) {
        if self.report.problems.len() < PROBLEMS_MAX {
            self.report.problems.push(problem);
        } else {
            self.report.problems_left_out += 1;
        }
    }
}

/// The leaf against the exchange's row and the evidence that its receipt is made of.
fn compare(head: &HeadRow, leaf: &Leaf, text: &str, row: &ExchangeRow) -> Vec<(bool, &'static str, &'static str)> {
    let journaled = &row.journaled;
    let root = root_of(leaf_hash(text.as_bytes()), journaled.leaf_index(), journaled.tree_size(), journaled.path());
    let signed = Head::of_jws(&head.head);
    let key = row.idempotency_key.as_ref();
    vec![
        (leaf.exchange == journaled.exchange(), "交换单号", "the exchange id"),
        (leaf.position() == journaled.position(), "链上位置", "the place in the chain"),
        (journaled.leaf() == text && journaled.head() == head.head, "凭证所用存证", "the evidence of its receipt"),
        (signed.is_some_and(|signed| root == Some(signed.root)), "包含路径", "the inclusion path"),
        (leaf.partner == row.partner && leaf.flow == row.flow, "接入单位与业务", "partner and flow"),
        (leaf.received_at == time_text(row.received_at), "接收时间", "the time of receipt"),
        (leaf.idempotency_key_sha256 == key.map(|key| Digest::of(key.as_bytes())), "幂等键", "the idempotency key"),
        (leaf.message_id == row.message_id, "报文标识", "the message id"),
        (leaf.corrects == row.corrects, "所更正的交换单", "the exchange that it corrects"),
        (leaf.fault == row.fault, "错误", "the fault"),
        (leaf.outcome == journaled.outcome() && leaf.counts == journaled.counts().into(), "结论与笔数", "outcome and counts"),
        ((leaf.body.sha256, leaf.body.bytes) == (row.body_digest, row.body_bytes), "报文摘要与长度", "digest and length of the body"),
        (leaf.canonical_sha256 == row.canonical_digest, "标准记录摘要", "the digest of the canonical records"),
        (leaf.pins == row.pins.into(), "映射、模式与业务版本", "the pinned mapping, schema and flow"),
    ]
}

async fn digest_of(stored: Stored) -> io::Result<Digest> {
    let digest = move || match stored {
        Stored::Inline(bytes) => Ok(Digest::of(&bytes)),
        Stored::File { path, .. } => hashed(File::open(path)?).map(|(digest, _)| digest),
    };
    tokio::task::spawn_blocking(digest).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
