//! The audit of the log of administrative acts: every entry's hash, its link to the one before, and the ends
//! of the log that the heads have signed for. What came after the last head is linked, and not signed yet.

use super::{AuditProblem, ChainWalk};
use crate::domain::Digest;
use crate::journal::acts::{ActsEnd, Entry};
use crate::journal::{Journal, JournalError, PAGE_ROWS_MAX};
use portolan_contract::Words;

impl ChainWalk {
    /// Walks the acts that came since the last time.
    ///
    /// # Errors
    /// The journal's failures; the next walk goes on where this one stopped.
    pub async fn walk_acts(&mut self, journal: &dyn Journal) -> Result<(), JournalError> {
        // A head may sign only now for an act that was walked already.
        while let Some(known) = self.signed_acts.first().copied().filter(|known| known.number <= self.acts.number) {
            if known != self.acts && known != ActsEnd::default() {
                let found = journal.act_entries(known.number.saturating_sub(1), 1).await?.into_iter().next();
                let found = found.map(|(number, _, sha256)| ActsEnd { number, sha256 });
                self.check_signed(known, found);
            }
            self.signed_acts.remove(0);
        }
        loop {
            let entries = journal.act_entries(self.acts.number, PAGE_ROWS_MAX).await?;
            if entries.is_empty() {
                break;
            }
            for (number, text, hash) in entries {
                self.check_act(self.acts, number, &text, hash);
                self.acts = ActsEnd { number, sha256: hash };
                let passed = self.signed_acts.iter().take_while(|signed| signed.number <= number).count();
                for known in self.signed_acts.drain(..passed).collect::<Vec<_>>() {
                    self.check_signed(known, Some(self.acts));
                }
                self.report.acts += 1;
            }
        }
        if let Some(missing) = self.signed_acts.first() {
            self.problem_of_act(missing.number, "签名头记有此项，台账中没有", "a head has signed for it, and it is missing");
        }
        self.signed_acts.clear();
        Ok(())
    }

    fn check_signed(&mut self, known: ActsEnd, found: Option<ActsEnd>) {
        if found != Some(known) {
            self.problem_of_act(known.number, "与签名头所记不符", "it is not what a head has signed for");
        }
    }

    fn check_act(&mut self, before: ActsEnd, number: u64, text: &str, hash: Digest) {
        let entry: Entry = match serde_json::from_str(text) {
            Ok(entry) => entry,
            Err(error) => return self.problem_of_act(number, format!("无法读取：{error}"), format!("it cannot be read: {error}")),
        };
        let checks = [
            (number == before.number + 1 && entry.number == number, "序号", "the number"),
            (entry.previous == before.sha256, "与前一项的链接", "the link to the act before it"),
            (Digest::of(text.as_bytes()) == hash, "摘要", "the digest"),
        ];
        for (_, zh, en) in checks.iter().filter(|(holds, ..)| !holds) {
            self.problem_of_act(number, format!("不符：{zh}"), format!("it does not match: {en}"));
        }
    }

    pub(super) fn problem_of_act(&mut self, number: u64, zh: impl Into<String>, en: impl Into<String>) {
        self.note(AuditProblem { epoch: 0, batch: 0, exchange: None, act: Some(number), words: Words::new(zh, en) });
    }
}
