//! Rules over a record, and sums and counts over groups of records.

use super::super::balance::Balances;
use super::super::compiled::{Check, Group, Rule};
use super::super::file::{CheckEntry, RuleEntry, SeverityEntry};
use super::{Compiler, Parts, join};
use portolan_contract::{Repeat, SlotId};

impl Compiler<'_> {
    pub(super) fn rule(&mut self, entry: &RuleEntry) -> Option<Rule> {
        if let Some(field) = &entry.field {
            self.knows(field);
        }
        let holds = self.expression(&entry.cel)?;
        Some(Rule { id: entry.id.clone(), holds, severity: entry.severity, field: entry.field.clone(), words: entry.words.clone() })
    }

    pub(super) fn check(&mut self, entry: &CheckEntry, record: &Group) -> Option<Check> {
        let base = join(&self.body.root, &self.body.record);
        if let Some(sum) = &entry.sum {
            self.knows(sum);
        }
        entry.against.iter().flatten().for_each(|path| self.knows(path));
        entry.only.iter().for_each(|only| self.knows(&only.field));
        let group = match &entry.within {
            None => None,
            Some(_) if entry.after => {
                self.problem("after = true is for a check of the whole body: a group is forgotten once it has closed".to_owned());
                return None;
            }
            Some(path) => Some(self.serial(&base, path)?),
        };
        let once = match &entry.once {
            None => None,
            Some(path) => Some(self.serial(&base, path)?),
        };
        let equals = match (&entry.equals, &entry.balance) {
            (Some(equals), None) => {
                let equals = self.resolve(&base, equals);
                let equals = self.plan.slot(&equals, Repeat::Once, entry.after);
                self.note(equals)?
            }
            (None, Some(balances)) => self.balance(balances, record)?,
            _ => {
                self.problem("a check needs `equals`, a source path, or `balance`, two canonical balances".to_owned());
                return None;
            }
        };
        let comparable = match &entry.comparable {
            None => None,
            Some(pair) => {
                self.knows(&pair.field);
                let path = self.resolve(&base, &pair.path);
                let slot = self.plan.slot(&path, Repeat::Once, entry.after);
                Some((pair.field.clone(), self.note(slot)?))
            }
        };
        let CheckEntry { id, sum, against, only, balance, severity, words, .. } = entry.clone();
        if balance.is_some() && (sum.is_none() || against.is_some() || comparable.is_some() || entry.after) {
            self.problem(
                "`balance` needs `sum`, and goes without `against`, `comparable` and `after`: all of it has signs and currencies"
                    .to_owned(),
            );
        }
        Some(Check { id, group, sum, against, once, only, equals, balance, comparable, severity, words })
    }

    /// The slot of the amount of the balance that is expected; an entry before the check must read it.
    fn balance(&mut self, balances: &Balances, record: &Group) -> Option<SlotId> {
        for of in [&balances.from, &balances.to] {
            ["amount", "currency", "credit_debit"].iter().for_each(|part| self.knows(&format!("{of}.{part}")));
        }
        let amount = format!("{}.amount", balances.to);
        let slot = record.fields.iter().find(|field| field.to == amount).and_then(|field| field.places.first()).map(|place| place.slot);
        if slot.is_none() {
            self.problem(format!("balance: no entry before this one fills {amount:?}"));
        }
        slot
    }

    /// The slot of an element's serial number in the body.
    fn serial(&mut self, base: &str, path: &str) -> Option<SlotId> {
        let path = format!("{}/##", self.resolve(base, path));
        let slot = self.plan.slot(&path, Repeat::Once, false);
        self.note(slot)
    }

    /// Takes what the failure of rules and checks means instead of what their entries say.
    pub(super) fn severity(&mut self, entry: &SeverityEntry, parts: &mut Parts) {
        for id in &entry.of {
            let rules = parts.rules.iter_mut().filter(|rule| rule.id == *id).map(|rule| &mut rule.severity);
            let checks = parts.checks.iter_mut().filter(|check| check.id == *id).map(|check| &mut check.severity);
            let mut named = self.doubts.contains(&id.as_str());
            if named {
                parts.doubts.insert(id.clone(), entry.is);
            }
            for severity in rules.chain(checks) {
                *severity = entry.is;
                named = true;
            }
            if !named {
                let doubts =
                    if self.doubts.is_empty() { String::new() } else { format!("; the format's own are {}", self.doubts.join(", ")) };
                self.problem(format!("there is no rule and no check {id:?}{doubts}"));
            }
        }
    }
}
