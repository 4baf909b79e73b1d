//! Exact sums of a statement's amounts.

/// Decimals that sums are kept with; no currency has more than four.
const DECIMALS: usize = 6;

/// What the entries of one message add up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Entries and amount by direction, debits first.
    sides: [Side; 2],
    /// An entry could not be read: the sums say nothing.
    pub unknown: bool,
    /// Decimals of the amount that has the most: a sum of `80.25` and `0.25` is told as `80.50`.
    pub decimals: usize,
}

/// Entries of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side {
    /// How many.
    pub count: u64,
    /// Their sum, in millionths.
    pub sum: i128,
}

impl Tally {
    /// Adds one entry.
    pub fn add(&mut self, credit: bool, amount: &str) {
        let [debits, credits] = &mut self.sides;
        let side = if credit { credits } else { debits };
        side.count += 1;
        self.decimals = self.decimals.max(amount.split_once('.').map_or(0, |(_, part)| part.len()));
        match millionths(amount).and_then(|amount| side.sum.checked_add(amount)) {
            Some(sum) => side.sum = sum,
            None => self.unknown = true,
        }
    }

    /// The entries of one direction.
    pub fn side(&self, credit: bool) -> Side {
        let [debits, credits] = self.sides;
        if credit { credits } else { debits }
    }

    /// A balance after the entries.
    pub fn closing(&self, opening: i128) -> Option<i128> {
        let [debits, credits] = self.sides;
        opening.checked_add(credits.sum)?.checked_sub(debits.sum).filter(|_| !self.unknown)
    }
}

/// A decimal in millionths; `None` for what is none, or is finer or longer.
pub fn millionths(text: &str) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 24 || part.len() > DECIMALS || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    format!("{whole}{part:0<DECIMALS$}").parse().ok()
}

/// A decimal of millionths, with so many decimals or as many as it takes.
pub fn decimal(millionths: i128, decimals: usize) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", millionths.unsigned_abs(), width = DECIMALS + 1);
    let (whole, part) = digits.split_at(digits.len() - DECIMALS);
    let taken = part.trim_end_matches('0').len().max(decimals.min(DECIMALS));
    let part = part.get(..taken).unwrap_or(part);
    let point = if part.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{part}")
}

/// An amount's text on the wire as a decimal: digits with one comma.
pub fn amount(text: &str) -> Option<String> {
    let (whole, part) = text.split_once(',')?;
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || text.len() > 15 || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let point = if part.is_empty() { "" } else { "." };
    Some(format!("{whole}{point}{part}"))
}

/// A decimal's text on the wire; `None` for what is none, or is too long.
pub fn with_comma(decimal: &str) -> Option<String> {
    let text = if decimal.contains('.') { decimal.replacen('.', ",", 1) } else { format!("{decimal},") };
    amount(&text).map(|_| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (wire, expected) in
            [("0,", Some("0")), ("12,5", Some("12.5")), ("00012,50", Some("00012.50")), ("99999999999999,", Some("99999999999999"))]
        {
            assert_eq!(amount(wire).as_deref(), expected, "{wire}");
            assert_eq!(expected.and_then(with_comma).as_deref(), Some(wire));
        }
        for wrong in ["", ",", ",5", "12", "12.5", "1,2,3", "1a,", "999999999999999,"] {
            assert_eq!(amount(wrong), None, "{wrong}");
        }
        assert_eq!(with_comma("-1"), None);
    }

    #[test]
    fn sums_are_exact() {
        let mut tally = Tally::default();
        for _ in 0..10 {
            tally.add(true, "0.1");
            tally.add(false, "0.03");
        }
        let closing = tally.closing(millionths("1").unwrap_or_default()).unwrap_or_default();
        assert_eq!(decimal(closing, tally.decimals), "1.70");
        assert_eq!((decimal(-1_500_000, 0), decimal(-1_500_000, 1), decimal(2_000_000, 0)), ("-1.5".into(), "-1.5".into(), "2".into()));
        tally.add(true, "1.0000001");
        assert_eq!(tally.closing(0), None);
    }
}
