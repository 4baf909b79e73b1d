//! Balances of an account: the one after some movements is the one before them with the movements added.
//!
//! A balance and a movement are canonical objects with `amount`, `currency` and `credit_debit`; a debit counts against. A body that is
//! read is warned of or refused by its `[[check]]` (`read.rs`). One that is written must add up whatever that check means when
//! reading ([`Held`]): a statement that was cut, or whose records are not all there, is never sent as a whole one.

use super::compiled::{Check, Mapping};
use super::file::CheckSeverity;
use super::schema::at_path;
use super::write::Unwritable;
use portolan_contract::{NodeId, Words};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::Value;

/// The canonical paths of two balances.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Balances {
    /// The one before all that is added up.
    pub from: String,
    /// The one after it.
    pub to: String,
}

/// An amount of money with its sign.
#[derive(Clone, Copy)]
pub(super) struct Movement<'v> {
    /// Below zero for a debit.
    pub amount: Decimal,
    /// Its currency.
    pub currency: &'v str,
}

impl<'v> Movement<'v> {
    /// The one at a canonical path; `None` where there is none, or a part of it is missing.
    pub(super) fn at(record: &'v Value, path: &str) -> Option<Self> {
        let object = at_path(record, path)?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let amount = Decimal::from_str_exact(text("amount")?).ok()?;
        let amount = match text("credit_debit")? {
            "credit" => amount,
            "debit" => -amount,
            _ => return None,
        };
        Some(Self { amount, currency: text("currency")? })
    }
}

/// Both balances of the group in which a record stands; `None` where they cannot be compared.
pub(super) fn both(record: &Value, balances: &Balances) -> Option<(Decimal, Decimal)> {
    let (from, to) = (Movement::at(record, &balances.from)?, Movement::at(record, &balances.to)?);
    (from.currency == to.currency).then_some((from.amount, to.amount))
}

/// One check of balances while a body is written: of the group that is open.
pub(super) struct Held<'m> {
    check: &'m Check,
    balances: &'m Balances,
    /// The element that opens a group; `None` for the whole body.
    group: Option<NodeId>,
    /// The element of which the first record alone counts.
    once: Option<NodeId>,
    open: Option<(Decimal, Decimal)>,
}

impl<'m> Held<'m> {
    /// Those of a mapping.
    pub(super) fn of(mapping: &'m Mapping) -> Vec<Self> {
        let node = |slot| mapping.plan.slot(slot).node;
        let held = |check: &'m Check| {
            let balances = check.balance.as_ref().filter(|_| check.severity != CheckSeverity::Off)?;
            Some(Self { check, balances, group: check.group.map(node), once: check.once.map(node), open: None })
        };
        mapping.checks.iter().filter_map(held).collect()
    }

    /// Whether a record can be added up.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn fits(&self, record: &Value) -> Result<(), Unwritable> {
        let Balances { from, to } = self.balances;
        let is_stated = Movement::at(record, from).is_some() && Movement::at(record, to).is_some();
        let is_part = || self.check.passes_over(record) || self.check.part(record).is_some();
        let is_known = !is_stated || (both(record, self.balances).is_some() && is_part());
        let path = self.check.sum.clone().unwrap_or_default();
        let (zh, en) =
            ("无法计入余额：缺少金额、方向，或币种不同", "it cannot be added to a balance: no amount or direction, or another currency");
        if is_known { Ok(()) } else { Err(Unwritable { path, words: Words::new(zh, en) }) }
    }

    /// Takes the next record in, which fits and opened these elements.
    ///
    /// # Errors
    /// The group before it does not add up.
    pub(super) fn take(&mut self, record: &Value, opened: &[NodeId]) -> Result<(), Words> {
        let opens = |node: Option<NodeId>| node.is_some_and(|node| opened.contains(&node));
        if opens(self.group) {
            self.end()?;
        }
        if self.open.is_none() {
            self.open = both(record, self.balances);
        }
        let Some((reached, to)) = self.open else { return Ok(()) };
        if self.check.passes_over(record) || (self.once.is_some() && !opens(self.once)) {
            return Ok(());
        }
        let reached = self.check.part(record).and_then(|part| reached.checked_add(part));
        self.open = Some((reached.ok_or_else(|| Words::new("余额的位数过多", "a balance has too many digits"))?, to));
        Ok(())
    }

    /// The group ends.
    ///
    /// # Errors
    /// It does not add up.
    pub(super) fn end(&mut self) -> Result<(), Words> {
        match self.open.take() {
            Some((reached, to)) if reached != to => {
                let words = &self.check.words;
                let zh = format!("{}（应为 {reached}，记录中为 {to}）", words.zh);
                let en = format!("{} ({reached} is expected, the records say {to})", words.en);
                Err(Words::new(zh, en))
            }
            _ => Ok(()),
        }
    }
}
