//! Names of source paths and of canonical paths, and how much they have in common.

use crate::alike::edits;
use crate::mapping::schema::Canonical;
use portolan_contract::Words;
use std::collections::BTreeSet;

/// Paths that a message names.
const NEAREST_MAX: usize = 12;

/// What abbreviations of message standards (ISO 20022, CEB) stand for.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("acct", "account"),
    ("addtl", "additional"),
    ("agt", "agent"),
    ("amt", "amount"),
    ("app", "application"),
    ("bk", "bank"),
    ("bookg", "booking"),
    ("ccy", "currency"),
    ("cd", "code"),
    ("cdt", "credit"),
    ("cdtr", "creditor"),
    ("cre", "created"),
    ("creation", "created"),
    ("ctry", "country"),
    ("curr", "currency"),
    ("dbit", "debit"),
    ("dbt", "debit"),
    ("dbtr", "debtor"),
    ("doc", "document"),
    ("dt", "date"),
    ("gcode", "hs"),
    ("gname", "name"),
    ("gnum", "number"),
    ("id", "id"),
    ("identification", "id"),
    ("identifier", "id"),
    ("inf", "information"),
    ("instr", "instruction"),
    ("invt", "inventory"),
    ("mndt", "mandate"),
    ("msg", "message"),
    ("nb", "number"),
    ("nm", "name"),
    ("no", "number"),
    ("ntfctn", "notification"),
    ("ntry", "entry"),
    ("org", "organisation"),
    ("pmt", "payment"),
    ("prc", "price"),
    ("prtry", "proprietary"),
    ("pty", "party"),
    ("qty", "quantity"),
    ("ref", "reference"),
    ("refs", "reference"),
    ("rmt", "remittance"),
    ("rvsl", "reversal"),
    ("sts", "status"),
    ("svcr", "servicer"),
    ("tax", "tax"),
    ("tm", "at"),
    ("time", "at"),
    ("tp", "type"),
    ("tx", "transaction"),
    ("ustrd", "unstructured"),
    ("val", "value"),
    ("wght", "weight"),
];
/// Words of titles that say nothing.
const FILLING: &[&str] = &["of", "the", "a", "an", "or", "and", "in", "by", "for", "to", "other"];

/// The words of a name, in lower case, abbreviations written out.
pub fn words(name: &str) -> Vec<String> {
    let name = name.rsplit(':').next().unwrap_or(name).trim_start_matches('@');
    let mut words = vec![String::new()];
    let mut before = ' ';
    for character in name.chars() {
        let begins = character.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if begins || !character.is_alphanumeric() {
            words.push(String::new());
        }
        if character.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    let full = |word: String| ABBREVIATIONS.iter().find(|(short, _)| *short == word).map_or(word, |(_, full)| (*full).to_owned());
    words.into_iter().filter(|word| !word.is_empty()).map(full).collect()
}

/// A name for a canonical record; `None` for one that is not in Latin letters.
pub fn snake(name: &str) -> Option<String> {
    let all = words(name);
    let latin = !all.is_empty() && all.iter().all(|word| word.is_ascii());
    let joined = all.join("_");
    latin.then(|| if joined.starts_with(|c: char| c.is_ascii_digit()) { format!("value_{joined}") } else { joined })
}

/// A canonical path with its titles, ready to be compared.
pub struct Target {
    last: BTreeSet<String>,
    path: BTreeSet<String>,
    title: BTreeSet<String>,
    title_zh: BTreeSet<(char, char)>,
}

impl Target {
    /// A path and its titles in Chinese and English.
    pub fn new(path: &str, zh: &str, en: &str) -> Self {
        let title = words(en).into_iter().filter(|word| !FILLING.contains(&word.as_str())).collect();
        let last = words(path.rsplit('.').next().unwrap_or(path)).into_iter().collect();
        Self { last, path: path.split('.').flat_map(words).collect(), title, title_zh: pairs(zh) }
    }
}

/// A source path, ready to be compared: its last step, and the two before it.
pub struct Source {
    last: String,
    own: BTreeSet<String>,
    all: BTreeSet<String>,
    pairs: BTreeSet<(char, char)>,
}

impl Source {
    /// A path whose steps are joined by `/`.
    pub fn new(path: &str) -> Self {
        let mut steps = path.trim_start_matches('/').rsplit('/');
        let last = steps.next().unwrap_or(path);
        let own: BTreeSet<String> = words(last).into_iter().collect();
        let all = own.iter().cloned().chain(steps.take(2).flat_map(words)).collect();
        Self { last: last.to_owned(), own, all, pairs: pairs(last) }
    }

    /// What to call it where it resembles nothing: its own name, where `free` is none in Latin letters.
    pub fn name<'s>(&'s self, free: &'s str) -> &'s str {
        if self.last.is_ascii() || self.last.contains('.') { free } else { &self.last }
    }

    /// From 0 to 1: how much the names have in common.
    pub fn likeness(&self, target: &Target) -> f64 {
        let path = 0.6 * dice(&self.own, &target.last) + 0.4 * dice(&self.all, &target.path);
        let title = 0.5 * dice(&self.own, &target.title) + 0.5 * dice(&self.all, &target.title);
        path.max(title).max(dice(&self.pairs, &target.title_zh))
    }
}

/// The paths of a schema that are most like one that it does not have, at most [`NEAREST_MAX`], and how many others
/// there are.
pub fn nearest<'s>(path: &str, schema: &'s Canonical) -> (Vec<&'s str>, usize) {
    let source = Source::new(&path.replace('.', "/"));
    let rank = |(known, words): (&'s str, &Words)| {
        let likeness = source.likeness(&Target::new(known, &words.zh, &words.en));
        // By letters where no whole word is the same.
        (edits(path, known) as f64 / path.len().max(known.len()).max(1) as f64 - likeness, known)
    };
    let mut all: Vec<(f64, &str)> = schema.paths().map(rank).collect();
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let left_out = all.len().saturating_sub(NEAREST_MAX);
    (all.into_iter().take(NEAREST_MAX).map(|(_, known)| known).collect(), left_out)
}

/// Neighbouring characters of a Chinese name.
fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let characters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric() && !c.is_ascii()).collect();
    characters.windows(2).filter_map(|pair| if let [one, two] = pair { Some((*one, *two)) } else { None }).collect()
}

/// The share of what two sets have in common (Dice's coefficient).
fn dice<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> f64 {
    let all = one.len() + other.len();
    if all == 0 { 0.0 } else { 2.0 * one.intersection(other).count() as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let cases = [
            ("MsgId", "message_id"),
            ("cbc:IssueDate", "issue_date"),
            ("@Ccy", "currency"),
            ("seller_id", "seller_id"),
            ("appTime", "application_at"),
            ("qty1", "qty1"),
            ("Order No.", "order_number"),
        ];
        cases.into_iter().for_each(|(name, expected)| assert_eq!(snake(name).as_deref(), Some(expected), "{name}"));
        assert_eq!(snake("收入总额"), None);
    }

    #[test]
    fn the_like_are_nearest() {
        let target = Target::new("gross_income", "收入总额", "Gross income");
        for like in ["GrossIncome", "收入总额", "row/gross_income"] {
            assert!(Source::new(like).likeness(&target) > 0.9, "{like}");
        }
        for unlike in ["劳务报酬", "Shop", "SellerId"] {
            assert!(Source::new(unlike).likeness(&target) < 0.5, "{unlike}");
        }
    }

    #[test]
    fn a_path_that_is_none_finds_its_like() {
        // A path, and the one that is meant.
        let cases = [
            ("gross_incom", "gross_income"),
            ("grossIncome", "gross_income"),
            ("currancy", "currency"),
            ("unmapped.taxpayer_number", "operator.taxpayer_number"),
            ("operator.taxpayer", "operator.taxpayer_number"),
            ("perod", "period"),
        ];
        let library = crate::mapping::Library::of_canonicals(&[]).unwrap();
        let schema = library.canonical("platform-income.v1").unwrap();
        for (path, meant) in cases {
            let (near, left_out) = nearest(path, schema);
            assert!(near[..3].contains(&meant), "{path}: {near:?}");
            assert_eq!((near.len(), left_out), (NEAREST_MAX, schema.paths().count() - NEAREST_MAX));
        }
    }
}
