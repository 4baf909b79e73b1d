//! The audit of the log of administrative acts: every entry's hash, its link to the one before, and the ends
//! of the log that the heads have signed for. What came after the last head is linked, and not signed yet.

use super::{Audit, AuditProblem};
use crate::domain::Digest;
use crate::journal::acts::{ActsEnd, Entry};
use crate::journal::{JournalError, PAGE_ROWS_MAX};
use portolan_contract::Words;

impl Audit<'_> {
    pub(super) async fn walk_acts(&mut self) -> Result<(), JournalError> {
        let mut end = ActsEnd::default();
        let mut signed = std::mem::take(&mut self.signed_acts).into_iter().peekable();
        loop {
            let entries = self.journal.act_entries(end.number, PAGE_ROWS_MAX).await?;
            if entries.is_empty() {
                break;
            }
            for (number, text, hash) in entries {
                self.check_act(end, number, &text, hash);
                while let Some(known) = signed.next_if(|signed| signed.number <= number) {
                    if known != (ActsEnd { number, sha256: hash }) {
                        let zh = "与签名头所记不符";
                        self.problem_of_act(known.number, zh, "it is not what a head has signed for");
                    }
                }
                end = ActsEnd { number, sha256: hash };
                self.report.acts += 1;
            }
        }
        if let Some(missing) = signed.next() {
            self.problem_of_act(missing.number, "签名头记有此项，台账中没有", "a head has signed for it, and it is missing");
        }
        Ok(())
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
