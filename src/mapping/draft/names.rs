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
/// How like a canonical path's names a source path must be to be taken for it.
const LIKENESS_MIN: f64 = 0.5;
/// The same where its words are our own for a code, of which half may be alike in anything.
const LIKENESS_OF_MEANING_MIN: f64 = 0.51;
/// Words that say what a value is and not whose.
const ANYONES: &[&str] = &["code", "name", "street", "city", "postcode", "country", "region"];
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
    /// Of the steps around the last one, up to the list that it is in.
    around: BTreeSet<String>,
    path: BTreeSet<String>,
    title: BTreeSet<String>,
    title_zh: BTreeSet<(char, char)>,
}

impl Target {
    /// A path and its titles in Chinese and English; `list` is the path of the list that it is in, or empty.
    pub fn new(path: &str, list: &str, zh: &str, en: &str) -> Self {
        let around = path.strip_prefix(list).and_then(|own| own.rsplit_once('.')).map_or("", |(around, _)| around);
        // What stands before a colon, such as whose name it is, is no prefix of XML here.
        let title = words(&en.replace(':', " ")).into_iter().filter(|word| !FILLING.contains(&word.as_str())).collect();
        let last = words(path.rsplit('.').next().unwrap_or(path)).into_iter().collect();
        let around = around.split('.').flat_map(words).collect();
        Self { last, around, path: path.split('.').flat_map(words).collect(), title, title_zh: pairs(zh) }
    }
}

/// A source path, ready to be compared: its last step, and the two before it.
pub struct Source {
    last: String,
    own: BTreeSet<String>,
    all: BTreeSet<String>,
    pairs: BTreeSet<(char, char)>,
    /// The words are what codes of the format mean.
    meant: bool,
}

impl Source {
    /// A path whose steps are joined by `/`. Where they are what codes of the format `meant`, they say whose value it is: a
    /// canonical path that says another's is none that it resembles.
    pub fn new(path: &str, meant: bool) -> Self {
        let mut steps = path.trim_start_matches('/').rsplit('/');
        let last = steps.next().unwrap_or(path);
        let own: BTreeSet<String> = words(last).into_iter().collect();
        let all = own.iter().cloned().chain(steps.take(2).flat_map(words)).collect();
        Self { last: last.to_owned(), own, all, pairs: pairs(last), meant }
    }

    /// What to call it where it resembles nothing: its own name, where `free` is none in Latin letters.
    pub fn name<'s>(&'s self, free: &'s str) -> &'s str {
        if self.last.is_ascii() || self.last.contains('.') { free } else { &self.last }
    }

    /// From 0 to 1: how much the names have in common.
    pub fn likeness(&self, target: &Target) -> f64 {
        if self.meant && self.is_of_another(target) {
            return 0.0;
        }
        let path = 0.6 * dice(&self.own, &target.last) + 0.4 * dice(&self.all, &target.path);
        let title = 0.5 * dice(&self.own, &target.title) + 0.5 * dice(&self.all, &target.title);
        let meaning = if self.meant { dice(&self.all, &target.path) } else { 0.0 };
        path.max(title).max(meaning).max(dice(&self.pairs, &target.title_zh))
    }
}

impl Source {
    /// How like a canonical path's names it must be to be taken for it.
    pub fn likeness_min(&self) -> f64 {
        if self.meant { LIKENESS_OF_MEANING_MIN } else { LIKENESS_MIN }
    }

    /// Whether a canonical path says whose value it is, or this one must say it, and they have no word of that in common.
    fn is_of_another(&self, target: &Target) -> bool {
        let others = !target.around.is_empty() && target.around.is_disjoint(&self.all);
        let says_little = self.own.iter().all(|word| ANYONES.contains(&word.as_str()));
        let mut whose = self.all.difference(&self.own).peekable();
        let shared = whose.peek().is_none() || whose.any(|word| target.path.contains(word) || target.title.contains(word));
        others || (says_little && !shared)
    }
}

/// The paths of a schema that are most like one that it does not have, at most [`NEAREST_MAX`], and how many others
/// there are.
pub fn nearest<'s>(path: &str, schema: &'s Canonical) -> (Vec<&'s str>, usize) {
    let source = Source::new(&path.replace('.', "/"), false);
    let rank = |(known, words): (&'s str, &Words)| {
        let likeness = source.likeness(&Target::new(known, "", &words.zh, &words.en));
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
        let target = Target::new("gross_income", "", "收入总额", "Gross income");
        for like in ["GrossIncome", "收入总额", "row/gross_income"] {
            assert!(Source::new(like, false).likeness(&target) > 0.9, "{like}");
        }
        for unlike in ["劳务报酬", "Shop", "SellerId"] {
            assert!(Source::new(unlike, false).likeness(&target) < 0.5, "{unlike}");
        }
    }

    #[test]
    fn what_codes_mean_says_whose_a_value_is() {
        let name = Target::new("lines.seller.name", "lines", "销售方名称", "Seller: name");
        assert!(Source::new("seller/name", true).likeness(&name) > 0.9);
        assert_eq!(Source::new("buyer/name", true).likeness(&name), 0.0);
        let yard = Target::new("yard_code", "", "监管场所代码", "Code of the supervised place");
        assert_eq!(Source::new("exporter/code", true).likeness(&yard), 0.0);
        let quantity = Target::new("lines.quantity", "lines", "数量", "Quantity");
        assert!(Source::new("invoiced quantity", true).likeness(&quantity) > 0.5);
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
