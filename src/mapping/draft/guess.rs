//! What texts seem to mean, from samples of them.

use crate::mapping::file::Kind;
use crate::mapping::kinds::{self, KindContext};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use portolan_contract::outline::{OutlinePath, Sample};

/// Different codes of a list that is guessed.
const CODES_MAX: usize = 8;
/// Characters of one of its codes.
const CODE_CHARACTERS_MAX: usize = 20;
/// Values that a code list needs behind it, and how often each code stands on average.
const CODED_VALUES_MIN: u64 = 4;
const CODE_TIMES_MIN: u64 = 2;
/// Digits of a whole number; longer ones are taken for numbers of something.
const INTEGER_DIGITS_MAX: usize = 9;
/// Characters of a text that may be shown as a code although nothing but its canonical path says that it is one.
const SHORT_CHARACTERS_MAX: usize = 6;
/// Years between which eight digits are taken for a day.
const DAY_YEARS: std::ops::RangeInclusive<i16> = 1900..=2100;
/// Layouts of days and of moments that are tried, after the standard one.
const DAYS: [&str; 6] = ["%Y%m%d", "%Y/%m/%d", "%Y年%m月%d日", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"];
const MOMENTS: [&str; 4] = ["%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M"];
/// Numbers with check digits, the most particular first; no text has such a form by chance.
const CHECKED: [Kind; 5] = [Kind::Uscc, Kind::ResidentId, Kind::Iban, Kind::Lei, Kind::Uetr];

/// Words of names of what is told apart by numbers.
const NUMBERS_OF_SOMETHING: [&str; 11] =
    ["type", "code", "number", "id", "function", "cancellation", "agency", "list", "qualifier", "office", "place"];

/// What the texts of a path seem to mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// As what they are read.
    pub kind: Kind,
    /// In which layout.
    pub layout: Option<String>,
    /// They are codes of a short list.
    pub coded: bool,
}

/// A guess that every sample fits. `words` are those of the path's name, in lower case.
pub fn guess(path: &OutlinePath, words: &[String]) -> Guess {
    let plain = |kind: Kind| Guess { kind, layout: None, coded: false };
    if path.samples.is_empty() || path.samples.iter().any(|sample| sample.cut) {
        return plain(Kind::Text);
    }
    let named = |hints: &[&str]| words.iter().any(|word| hints.iter().any(|hint| word.contains(hint)));
    let fits = |kind: Kind, layout: Option<&str>| path.samples.iter().all(|sample| is(kind, layout, &sample.text));
    if let Some(layout) = Some(path.layouts.join("|")).filter(|layout| !layout.is_empty()) {
        let kind = if layout.contains("%H") { Kind::DateTime } else { Kind::Date };
        return if fits(kind, Some(&layout)) { Guess { kind, layout: Some(layout), coded: false } } else { plain(Kind::Text) };
    }
    if let Some(kind) = CHECKED.into_iter().find(|&kind| fits(kind, None)) {
        return plain(kind);
    }
    if let Some(guess) = time(path, &fits) {
        return guess;
    }
    let hinted = [
        (Kind::Bic, &["bic", "swift"][..]),
        (Kind::Currency, &["ccy", "curr", "币"]),
        (Kind::Country, &["ctry", "country", "国"]),
        (Kind::TaxOffice, &["office", "机关"]),
        (Kind::Division, &["division", "行政区"]),
        (Kind::HsCode, &["hs", "gcode", "商品编码", "商品编号"]),
        (Kind::TaxpayerNumber, &["taxpayer", "纳税人识别号", "tin"]),
    ];
    if let Some((kind, _)) = hinted.into_iter().find(|(kind, hints)| named(hints) && fits(*kind, None)) {
        return plain(kind);
    }
    // What a code of the format names is a number of something, and no count, where its name says so.
    let names_one = !path.meaning.is_empty() && named(&NUMBERS_OF_SOMETHING);
    let whole = !names_one && path.samples.iter().all(|sample| is_count(&sample.text));
    let is_flag = named(&["code", "type", "flag", "ind", "status", "sts", "mode", "类型", "标志", "状态", "代码", "方式"]);
    if coded(path) && (!whole || is_flag) && !fits(Kind::Decimal, None) | is_flag | path.samples.iter().any(|s| s.text.starts_with('0')) {
        return match path.samples.iter().all(|sample| matches!(sample.text.as_str(), "true" | "false" | "是" | "否")) {
            true => plain(Kind::Boolean),
            false => Guess { kind: Kind::Text, layout: None, coded: true },
        };
    }
    match () {
        () if path.samples.iter().all(|sample| matches!(sample.text.as_str(), "true" | "false")) => plain(Kind::Boolean),
        () if whole => plain(Kind::Integer),
        () if fits(Kind::Decimal, None) && path.samples.iter().any(|sample| sample.text.contains('.')) => plain(Kind::Decimal),
        () => plain(Kind::Text),
    }
}

/// Whether a text is one of a kind.
pub fn is(kind: Kind, layout: Option<&str>, text: &str) -> bool {
    let context = KindContext { layout, currency: None, zone: &TimeZone::UTC };
    kinds::read(kind, text, &context).is_ok()
}

/// The texts of a path, where they are few and so short that they can be codes; else none.
pub fn short_texts(path: &OutlinePath) -> Vec<String> {
    let short = |sample: &Sample| !sample.cut && sample.text.is_ascii() && sample.text.len() <= SHORT_CHARACTERS_MAX;
    let all = path.samples_left_out == 0 && path.samples.len() <= CODES_MAX && path.samples.iter().all(short);
    if all { path.samples.iter().map(|sample| sample.text.clone()).collect() } else { Vec::new() }
}

/// Whether every sample is an amount in one of these currencies.
pub fn is_money(samples: &[Sample], currencies: &[Sample]) -> bool {
    let amount = |text: &str, currency: &str| {
        kinds::read(Kind::Money, text, &KindContext { layout: None, currency: Some(currency), zone: &TimeZone::UTC }).is_ok()
    };
    let fits = |sample: &Sample| !sample.cut && currencies.iter().any(|currency| amount(&sample.text, &currency.text));
    currencies.iter().all(|currency| is(Kind::Currency, None, &currency.text)) && samples.iter().all(fits)
}

/// A text of the path for people to see, and no more of it than they need where it may be about a person.
pub fn example(path: &OutlinePath, guess: &Guess) -> String {
    let text = path.samples.first().map_or("", |sample| sample.text.as_str());
    let open = guess.coded
        || matches!(
            guess.kind,
            Kind::Integer | Kind::Decimal | Kind::Money | Kind::Boolean | Kind::Date | Kind::DateTime | Kind::TaxPeriod | Kind::Currency
        )
        || matches!(guess.kind, Kind::Country | Kind::HsCode | Kind::Division | Kind::TaxOffice);
    if open {
        return text.to_owned();
    }
    let shown = if text.chars().count() > 6 { 3 } else { 1 };
    format!("{}…", text.chars().take(shown).collect::<String>())
}

fn time(path: &OutlinePath, fits: &dyn Fn(Kind, Option<&str>) -> bool) -> Option<Guess> {
    let guess = |kind, layout: Option<&str>| Some(Guess { kind, layout: layout.map(str::to_owned), coded: false });
    // A reader takes a figure less; a number that is no time has such a form by chance.
    let is_whole = |layout: &str| digits_of(layout).is_none_or(|digits| path.samples.iter().all(|sample| sample.text.len() == digits));
    if fits(Kind::Date, None) && path.samples.iter().all(|sample| sample.text.len() == 10) {
        return guess(Kind::Date, None);
    }
    if fits(Kind::DateTime, None) {
        return guess(Kind::DateTime, None);
    }
    let day = |layout: &str| {
        let in_years = |sample: &Sample| Date::strptime(layout, &sample.text).is_ok_and(|day| DAY_YEARS.contains(&day.year()));
        path.samples.iter().all(in_years)
    };
    if let Some(layout) = DAYS.into_iter().find(|layout| is_whole(layout) && day(layout)) {
        return guess(Kind::Date, Some(layout));
    }
    if let Some(layout) = MOMENTS.into_iter().find(|layout| is_whole(layout) && fits(Kind::DateTime, Some(layout))) {
        return guess(Kind::DateTime, Some(layout));
    }
    let period = |sample: &Sample| sample.text.contains(['Q', '季', '至', '/', '~', '月']);
    let quarter = path.samples.iter().all(|sample| sample.text.contains('Q'));
    if fits(Kind::TaxPeriod, None) && path.samples.iter().all(period) {
        return guess(Kind::TaxPeriod, quarter.then_some("quarter"));
    }
    None
}

/// How many digits a layout has that is nothing else.
fn digits_of(layout: &str) -> Option<usize> {
    let letters: Option<Vec<&str>> = layout.split('%').skip(1).map(|letter| (letter.len() == 1).then_some(letter)).collect();
    letters.map(|letters| letters.into_iter().map(|letter| if letter == "Y" { 4 } else { 2 }).sum())
}

/// Whether every sample is a whole number.
pub fn are_counts(path: &OutlinePath) -> bool {
    !path.samples.is_empty() && path.samples.iter().all(|sample| !sample.cut && is_count(&sample.text))
}

/// A whole number without leading zeros, and not so long that it must be a number of something.
fn is_count(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.len() <= INTEGER_DIGITS_MAX && (digits == "0" || !digits.starts_with('0')) && is(Kind::Integer, None, text)
}

fn coded(path: &OutlinePath) -> bool {
    let different = path.samples.len();
    let short = |sample: &Sample| sample.text.chars().count() <= CODE_CHARACTERS_MAX && !sample.text.contains(char::is_whitespace);
    path.samples_left_out == 0
        && different <= CODES_MAX
        && path.texts >= CODED_VALUES_MIN
        && path.texts >= different as u64 * CODE_TIMES_MIN
        && path.samples.iter().all(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts with ` ` between them, each standing once; `*` after one makes it stand six times.
    #[track_caller]
    fn check(name: &str, texts: &str, expected: (Kind, Option<&str>, bool)) {
        check_laid_out(name, texts, &[], expected);
    }

    #[track_caller]
    fn check_laid_out(name: &str, texts: &str, layouts: &[&str], expected: (Kind, Option<&str>, bool)) {
        let sample = |text: &str| match text.strip_suffix('*') {
            Some(text) => Sample { text: text.replace('_', " "), cut: false, times: 6 },
            None => Sample { text: text.replace('_', " "), cut: false, times: 1 },
        };
        let samples: Vec<Sample> = texts.split(' ').map(sample).collect();
        let layouts = layouts.iter().map(|layout| (*layout).to_owned()).collect();
        let path = OutlinePath { texts: samples.iter().map(|s| s.times).sum(), samples, layouts, ..OutlinePath::default() };
        let found = guess(&path, &[name.to_owned()]);
        assert_eq!((found.kind, found.layout.as_deref(), found.coded), expected, "{texts}");
    }

    /// Numbers with check digits are the published examples of their standards.
    #[test]
    fn texts_are_taken_for_what_they_fit() {
        check("number", "91350100M000100Y43", (Kind::Uscc, None, false));
        check("number", "11010519491231002X 440524188001010014", (Kind::ResidentId, None, false));
        check("number", "DE89370400440532013000 GB29NWBK60161331926819", (Kind::Iban, None, false));
        // One check digit is wrong.
        check("number", "91350100M000100Y43 91350100M000100Y42", (Kind::Text, None, false));
        check("day", "2026-07-01 2026-07-15", (Kind::Date, None, false));
        check("day", "20260701 20261231", (Kind::Date, Some("%Y%m%d"), false));
        check("number", "20261301 99991231", (Kind::Integer, None, false));
        check("when", "2026-07-01T08:00:00+08:00 2026-07-01T08:00:00", (Kind::DateTime, None, false));
        check("when", "20260701080000", (Kind::DateTime, Some("%Y%m%d%H%M%S"), false));
        check("when", "2026070108000", (Kind::Text, None, false));
        check("day", "2026071", (Kind::Integer, None, false));
        check_laid_out("when", "129:20260701:102", &["129:%Y%m%d:102"], (Kind::Date, Some("129:%Y%m%d:102"), false));
        let both = &["148:%Y%m%d%H%M:203", "148:%Y%m%d%H%M%S:204"];
        let either = "148:%Y%m%d%H%M:203|148:%Y%m%d%H%M%S:204";
        check_laid_out("when", "148:202607010815:203 148:20260701081500:204", both, (Kind::DateTime, Some(either), false));
        // A text that is not what it says.
        check_laid_out("when", "129:20261301:102", &["129:%Y%m%d:102"], (Kind::Text, None, false));
        check("when", "2026-07-01_08:00:00", (Kind::DateTime, Some("%Y-%m-%d %H:%M:%S"), false));
        check("period", "2026Q3 2026Q4", (Kind::TaxPeriod, Some("quarter"), false));
        check("currency", "CNY EUR", (Kind::Currency, None, false));
        check("name", "CNY EUR", (Kind::Text, None, false));
        check("swift", "ICBKCNBJ", (Kind::Bic, None, false));
        check("amount", "12.50 0.05 7", (Kind::Decimal, None, false));
        check("quantity", "1* 2* 3", (Kind::Integer, None, false));
        check("quantity", "007 012", (Kind::Text, None, false));
        check("reference", "1234567890", (Kind::Text, None, false));
        check("kind", "CRDT* DBIT*", (Kind::Text, None, true));
        check("status", "1* 2*", (Kind::Text, None, true));
        check("kind", "CRDT DBIT", (Kind::Text, None, false));
        check("reversed", "true* false", (Kind::Boolean, None, false));
        check("name", "１２ 测试", (Kind::Text, None, false));
    }

    #[test]
    fn an_example_shows_little_of_a_person() {
        let sample =
            |text: &str| OutlinePath { samples: vec![Sample { text: text.to_owned(), cut: false, times: 1 }], ..OutlinePath::default() };
        let shown = |kind, text| example(&sample(text), &Guess { kind, layout: None, coded: false });
        assert_eq!(shown(Kind::Text, "张三丰"), "张…");
        assert_eq!(shown(Kind::ResidentId, "11010519491231002X"), "110…");
        assert_eq!(shown(Kind::Date, "2026-07-01"), "2026-07-01");
    }
}
