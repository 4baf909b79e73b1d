//! Single values from a seed: rare characters, extreme amounts and dates, numbers with right check digits.

use crate::limits::Limits;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use portolan::mapping::Field;
use portolan::mapping::file::Kind;
use portolan::mapping::kinds::{self, KindContext};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use std::collections::BTreeMap;

/// Characters of texts: common, rare (four bytes in UTF-8 and in GB 18030), full-width, Latin, and what formats write marks with.
const CHARACTERS: &str = "国家税务总局北京市朝阳区阿里巴巴·㐂㑇䶮𠮷𡃁𣗋𪚥𰻞龘囍（）《》，。、—…Ａ１％ABCxyz0123456789éßñøЖЯαΩ&<>\"'+-*/=?:;,.|#@!%$^~`_()[]{}\\ ";
const CURRENCIES: [&str; 6] = ["CNY", "EUR", "USD", "HKD", "JPY", "KWD"];
const COUNTRIES: [&str; 8] = ["CN", "DE", "FR", "GB", "HK", "JP", "KR", "US"];
/// Days that go wrong first.
const DAYS: [(i16, i8, i8); 9] = [
    (1900, 1, 1),
    (1900, 2, 28),
    (1904, 2, 29),
    (1970, 1, 1),
    (1999, 12, 31),
    (2000, 2, 29),
    (2024, 2, 29),
    (9999, 12, 29),
    (9999, 12, 31),
];
const OFFSETS: [&str; 6] = ["Z", "+08:00", "-05:00", "+05:45", "+14:00", "-11:30"];
const USCC_ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// Characters of a text where nothing says less.
const TEXT_CHARS_MAX: usize = 200;

/// Makes values.
pub struct Values<'l> {
    limits: &'l Limits,
    zone: &'l TimeZone,
    runner: TestRunner,
    patterns: BTreeMap<String, proptest::strategy::SBoxedStrategy<String>>,
}

impl<'l> Values<'l> {
    pub fn new(limits: &'l Limits, zone: &'l TimeZone, seed: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        Self { limits, zone, runner, patterns: BTreeMap::new() }
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (0..bound.max(1)).new_tree(&mut self.runner).expect("a range has values").current()
    }

    fn one<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    /// The currency at a path.
    pub fn currency(&mut self, path: &str) -> String {
        match self.limits.values.get(path) {
            Some(values) => values[self.below(values.len())].as_str().unwrap_or_default().to_owned(),
            None => self.one(&CURRENCIES).to_owned(),
        }
    }

    /// A value of a field.
    pub fn value(&mut self, field: &Field, path: &str, schema: &Value, currency: Option<&str>) -> Value {
        if let Some(values) = self.limits.values.get(path) {
            let chosen = values[self.below(values.len())].clone();
            return serde_json::to_value(chosen).expect("TOML is JSON");
        }
        if let Some(pattern) = self.limits.pattern.get(path) {
            return Value::from(self.matching(pattern));
        }
        if let (Some(codes), false) = (&field.codes, field.kind == Kind::Boolean) {
            let mut canonical: Vec<&str> = codes.pairs().map(|(_, canonical)| canonical).collect();
            canonical.retain(|code| schema["enum"].as_array().is_none_or(|among| among.iter().any(|value| value == code)));
            return Value::from(self.one(&canonical));
        }
        if let Some(among) = schema["enum"].as_array() {
            return among[self.below(among.len())].clone();
        }
        match field.kind {
            Kind::Boolean => Value::from(self.below(2) == 0),
            Kind::Integer => self.integer(schema),
            Kind::Decimal => Value::from(self.decimal(schema, None)),
            Kind::Money => Value::from(self.decimal(schema, Some(currency_decimals(currency.unwrap_or_default())))),
            Kind::Date | Kind::WorkDate => Value::from(self.day(1).to_string()),
            Kind::DateTime => self.moment(field.layout.as_deref()),
            Kind::TaxPeriod => self.period(),
            kind => Value::from(self.code(kind).unwrap_or_else(|| self.text(field, path, schema))),
        }
    }

    fn integer(&mut self, schema: &Value) -> Value {
        let least = schema["minimum"].as_i64().unwrap_or(0);
        let most = schema["maximum"].as_i64().unwrap_or(999_999_999_999_999);
        let middle = i64::try_from(self.below(100_000)).unwrap_or_default();
        let extremes = [least, least + 1, least + middle, most];
        Value::from(self.one(&extremes).min(most))
    }

    /// A decimal without superfluous zeros before its point, never a negative zero.
    fn decimal(&mut self, schema: &Value, decimals: Option<usize>) -> String {
        let signed = schema["pattern"].as_str().is_some_and(|p| p.starts_with("^-?"));
        let digits_max = self.limits.digits_max.unwrap_or(15);
        let digits = [1, 2, 5, digits_max][self.below(4)].min(digits_max);
        let decimals = decimals.unwrap_or_else(|| self.below(self.limits.decimals_max.unwrap_or(4) + 1));
        let whole = match self.below(4) {
            0 => "0".to_owned(),
            _ => self.matching(&format!("[1-9][0-9]{{{}}}", digits - 1)),
        };
        let part = match self.below(3) {
            0 => "0".repeat(decimals),
            1 if decimals > 0 => format!("{}1", "0".repeat(decimals - 1)),
            _ => self.matching(&format!("[0-9]{{{decimals}}}")),
        };
        let text = if decimals == 0 { whole } else { format!("{whole}.{part}") };
        let zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
        if signed && !zero && self.below(3) == 0 { format!("-{text}") } else { text }
    }

    /// A day; `last` days before the end of time are left for offsets.
    fn day(&mut self, last: i8) -> Date {
        let (first_year, last_year) = self.limits.years.unwrap_or((1900, 9999));
        loop {
            let random = (1900 + self.below(200) as i16, 1 + self.below(12) as i8, 1 + self.below(31) as i8);
            let extreme = self.one(&DAYS);
            let (year, month, day) = if self.below(2) == 0 { random } else { extreme };
            let end = (9999, 12, 32 - last);
            if let Ok(date) = Date::new(year, month, day)
                && (first_year..=last_year).contains(&year)
                && (year, month, day) <= end
            {
                return date;
            }
        }
    }

    fn moment(&mut self, layout: Option<&str>) -> Value {
        let day = self.day(3);
        let time = [(0, 0, 0), (23, 59, 59), (12, 30, 1)][self.below(3)];
        // Of several, the first is written.
        if let Some(layout) = layout.and_then(|layouts| layouts.split('|').next()) {
            let civil: DateTime = day.at(time.0, time.1, time.2, 0);
            let zoned = civil.to_zoned_datetime(self.zone.clone()).expect("an hour that there is");
            let context = KindContext { layout: Some(layout), currency: None, zone: self.zone };
            return kinds::read(Kind::DateTime, &zoned.strftime(layout).to_string(), &context).expect("a moment in its layout");
        }
        let fraction = match self.limits.fraction_digits_max.unwrap_or(9) {
            0 => "",
            1..=8 => [""; 3][self.below(3)],
            _ => ["", ".5", ".123456789", ".001"][self.below(4)],
        };
        let offset = self.one(&OFFSETS);
        Value::from(format!("{day}T{:02}:{:02}:{:02}{fraction}{offset}", time.0, time.1, time.2))
    }

    /// A period: a quarter, a month, a year, or two days.
    fn period(&mut self) -> Value {
        let year = self.day(1).year();
        let (first, months) = [(1, 3), (10, 3), (2, 1), (12, 1), (1, 12)][self.below(5)];
        let start = Date::new(year, first, 1).expect("a month has a first day");
        let end = Date::new(year, first + months - 1, 1).expect("a month has a first day").last_of_month();
        let start = if self.below(4) == 0 { Date::new(year, first, 15).expect("a month has 15 days") } else { start };
        Value::from(format!("{start}/{end}"))
    }

    /// A code with right check digits; `None` for a kind that has none.
    fn code(&mut self, kind: Kind) -> Option<String> {
        Some(match kind {
            Kind::Uscc => self.credit_code(),
            Kind::ResidentId => self.resident_id(),
            Kind::TaxpayerNumber => match self.below(4) {
                0 => self.matching("[1-9][0-9]{14}"),
                1 => self.resident_id(),
                2 => self.matching("[1-9][0-9]{19}"),
                _ => self.credit_code(),
            },
            Kind::Iban => {
                let (country, length) = self.one(&[("DE", 18), ("FR", 23), ("GB", 18), ("MT", 27), ("NO", 11)]);
                let account = self.matching(&format!("[0-9A-Z]{{{length}}}"));
                let check = 98 - mod_97(&format!("{account}{country}00"));
                format!("{country}{check:02}{account}")
            }
            Kind::Bic => format!("{}{}{}", self.matching("[A-Z]{4}"), self.one(&COUNTRIES), self.matching("[A-Z0-9]{2}([A-Z0-9]{3})?")),
            Kind::Lei => {
                let stem = self.matching("[0-9A-Z]{18}");
                format!("{stem}{:02}", 98 - mod_97(&format!("{stem}00")))
            }
            Kind::Uetr => self.matching("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
            Kind::HsCode => self.matching("[0-9]{6,10}"),
            Kind::Currency => self.one(&CURRENCIES).to_owned(),
            Kind::Country => self.one(&COUNTRIES).to_owned(),
            Kind::TaxOffice => self.matching("(11|31|44|65|82)[0-9]{9}"),
            Kind::Division => self.matching("(11|31|44|65|82)[0-9]{4}"),
            _ => return None,
        })
    }

    /// GB 32100: the last character makes the weighted sum divisible by 31.
    fn credit_code(&mut self) -> String {
        let stem = format!("91{}{}", self.matching("[0-9]{6}"), self.matching("[0-9A-HJ-NP-RTUW-Y]{9}"));
        let value = |b: u8| USCC_ALPHABET.iter().position(|&a| a == b).expect("of the alphabet");
        let sum: usize =
            stem.bytes().zip([1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28]).map(|(b, w)| value(b) * w).sum();
        format!("{stem}{}", char::from(USCC_ALPHABET[(31 - sum % 31) % 31]))
    }

    /// GB 11643: the weights and check characters as the standard's annex lists them.
    fn resident_id(&mut self) -> String {
        let stem = format!("{}{}{}", self.matching("(11|31|44|65)[0-9]{4}"), self.day(1).strftime("%Y%m%d"), self.matching("[0-9]{3}"));
        let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        let sum: usize = stem.bytes().zip(weights).map(|(b, w)| usize::from(b - b'0') * w).sum();
        format!("{stem}{}", char::from(b"10X98765432"[sum % 11]))
    }

    fn text(&mut self, field: &Field, path: &str, schema: &Value) -> String {
        if let Some(pattern) = schema["pattern"].as_str() {
            return self.matching(pattern.trim_start_matches('^').trim_end_matches('$'));
        }
        let schema_max = schema["maxLength"].as_u64().map_or(TEXT_CHARS_MAX, |max| max as usize);
        let most = self.limits.max.get(path).copied().unwrap_or(TEXT_CHARS_MAX).min(schema_max);
        let least = schema["minLength"].as_u64().map_or(1, |min| min as usize).min(most);
        let length = match self.below(4) {
            0 => least,
            1 => most,
            _ => least + self.below(most.min(24).saturating_sub(least) + 1),
        };
        if let Some(pattern) = self.limits.pattern.get("*").cloned() {
            return self.matching(&format!("{pattern}{{{least},{length}}}"));
        }
        let without = &self.limits.without;
        let characters: Vec<char> = CHARACTERS.chars().filter(|&c| !without.contains(c)).collect();
        loop {
            let text: String = (0..length).map(|_| self.one(&characters)).collect();
            // White space around a text is another matter, and formats differ in it.
            if text.trim() == text && !field.absent.contains(&text) {
                return text;
            }
        }
    }

    fn matching(&mut self, pattern: &str) -> String {
        let strategy = self
            .patterns
            .entry(pattern.to_owned())
            .or_insert_with(|| proptest::string::string_regex(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).sboxed());
        strategy.new_tree(&mut self.runner).expect("a pattern has values").current()
    }
}

fn currency_decimals(currency: &str) -> usize {
    match currency {
        "JPY" => 0,
        "KWD" => 3,
        _ => 2,
    }
}

/// ISO 7064 MOD 97-10.
fn mod_97(text: &str) -> u32 {
    text.chars().filter_map(|c| c.to_digit(36)).fold(0, |rest, value| (rest * if value > 9 { 100 } else { 10 } + value) % 97)
}
