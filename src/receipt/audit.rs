//! The audit of the whole chain: every head, every leaf, every exchange and its stored bytes; and the log of
//! administrative acts.
//!
//! It names every problem up to [`PROBLEMS_MAX`] and goes on behind each. What it cannot see is a
//! chain that was cut off at its end, or rewritten by whoever has the keys: for that, compare
//! [`AuditReport::last_head`] with what an outside witness was given.
//!
//! [`verify_chain`] walks it all at once, [`watch`] a little at a time while the gateway runs.

mod acts;
pub mod watch;

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
    let mut walk = ChainWalk::default();
    // Counted before the walk: what is committed meanwhile only adds to the chain.
    let counted = journal.totals().await.map(|totals| totals.flows.iter().map(|flow| flow.exchanges).sum::<u64>());
    if let Err(error) = walk.reach_the_end(journal, keys).await {
        walk.unreadable(&error);
    }
    if let Err(error) = walk.walk_acts(journal).await {
        walk.problem_of_act(0, format!("操作记录无法读取：{error}"), format!("the log of acts cannot be read: {error}"));
    }
    match counted {
        Ok(counted) if counted > walk.report.exchanges => {
            let missing = counted - walk.report.exchanges;
            let zh = format!("有 {missing} 个交换单不在存证链中");
            walk.problem(walk.epoch, 0, None, zh, format!("{missing} exchanges are counted but not in the chain"));
        }
        Ok(_) => {}
        Err(error) => walk.unreadable(&error),
    }
    walk.report
}

/// A walk along the chain: where it stands, and what it has found. It can be left at any head and taken up again.
#[derive(Debug)]
pub struct ChainWalk {
    report: AuditReport,
    /// The head that comes next.
    epoch: u64,
    batch: u64,
    /// The index that its first leaf should have.
    index: u64,
    /// SHA-256 of the head before it.
    previous: Digest,
    /// Ends of the log of acts that heads have signed for since the acts were walked last, each once, in their order.
    signed_acts: Vec<ActsEnd>,
    /// The last act that was walked.
    acts: ActsEnd,
}

impl Default for ChainWalk {
    fn default() -> Self {
        let (report, previous, signed_acts, acts) = Default::default();
        Self { report, epoch: FIRST_EPOCH, batch: 0, index: 0, previous, signed_acts, acts }
    }
}

impl ChainWalk {
    /// What was found so far.
    pub fn report(&self) -> &AuditReport {
        &self.report
    }

    async fn reach_the_end(&mut self, journal: &dyn Journal, keys: &Jwks) -> Result<(), JournalError> {
        while self.step(journal, keys).await? {}
        Ok(())
    }

    /// Walks the next few heads; false where the chain ends for now.
    ///
    /// # Errors
    /// The journal's failures; the next step begins at the head that could not be walked.
    pub async fn step(&mut self, journal: &dyn Journal, keys: &Jwks) -> Result<bool, JournalError> {
        let heads = journal.heads(self.epoch, self.batch, HEADS_PER_READ).await?;
        if heads.is_empty() {
            return self.enter_next_epoch(journal).await;
        }
        for row in heads {
            self.walk_head(journal, keys, &row).await?;
        }
        Ok(true)
    }

    /// Goes to the epoch that has the next heads, if one has.
    async fn enter_next_epoch(&mut self, journal: &dyn Journal) -> Result<bool, JournalError> {
        for epoch in [self.epoch + 1, self.epoch + 2] {
            if journal.heads(epoch, 0, 1).await?.is_empty() {
                continue;
            }
            let first_empty = if self.batch == 0 { self.epoch } else { self.epoch + 1 };
            for empty in first_empty..epoch {
                let zh = format!("第 {empty} 纪元没有签名头，而其后的纪元有");
                self.problem(empty, 0, None, zh, format!("epoch {empty} has no heads, but the one after it has"));
            }
            (self.epoch, self.batch, self.index) = (epoch, 0, 0);
            return Ok(true);
        }
        Ok(false)
    }

    async fn walk_head(&mut self, journal: &dyn Journal, keys: &Jwks, row: &HeadRow) -> Result<(), JournalError> {
        let (epoch, batch) = (self.epoch, self.batch);
        if row.batch != batch {
            let (expected, found) = (batch, row.batch);
            let zh = format!("缺少第 {expected} 批至第 {found} 批之前的签名头");
            self.problem(epoch, expected, None, zh, format!("the heads of batches {expected} up to {found} are missing"));
        }
        self.check_head(keys, row, self.index);
        for (exchange, leaf) in &row.leaves {
            self.check_exchange(journal, row, *exchange, leaf).await?;
        }
        // By what was signed: a leaf that is missing is one problem, not one for each head behind it.
        let size = Head::of_jws(&row.head).map_or(row.leaves.len() as u64, |head| head.size);
        self.batch = row.batch + 1;
        self.index = row.first_index.saturating_add(size);
        self.previous = Digest::of(row.head.as_bytes());
        self.report.epochs += u64::from(batch == 0);
        self.report.heads += 1;
        self.report.exchanges += row.leaves.len() as u64;
        self.report.last_head = Some((epoch, row.batch, self.previous));
        Ok(())
    }

    /// One head: its signature, its link, its place and its root.
    fn check_head(&mut self, keys: &Jwks, row: &HeadRow, index: u64) {
        if let Err(mismatch) = keys.verify_head(&row.head) {
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
    async fn check_exchange(&mut self, journal: &dyn Journal, head: &HeadRow, id: ExchangeId, text: &str) -> Result<(), JournalError> {
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
        let Some(row) = journal.exchange(id).await? else {
            self.problem(head.epoch, head.batch, Some(id), "交换单不存在", "the exchange does not exist");
            return Ok(());
        };
        self.note_failed(head, Some(id), "存证", "the leaf", &compare(head, &leaf, text, &row));
        let body = journal.body(id).await;
        self.check_bytes(head, id, ("报文", "the body"), body, leaf.body.sha256).await;
        let canonical = journal.canonical(id).await;
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

    fn unreadable(&mut self, error: &JournalError) {
        self.problem(self.epoch, 0, None, format!("台账无法读取：{error}"), format!("the journal cannot be read: {error}"));
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
