//! What a cell's number means: the text of numbers and dates, as far as the cell's format says so.
//!
//! A number gives the shortest plain decimal of at most 15 significant digits, which is what
//! spreadsheets hold to be exact: `0.1+0.2` is `0.3`. A format changes no number: an amount gives no
//! currency sign and no separators, 12.5 % is `0.125`, and what is shown rounded is told in full. That a
//! percentage or a currency other than the yuan is shown is told beside it, since the text says neither. A
//! date gives `YYYY-MM-DD`, with a time `YYYY-MM-DDTHH:MM:SS`, a time of day alone `HH:MM:SS`.

use jiff::civil::Date;
use std::fmt::Write as _;

/// Significant digits of a number that a spreadsheet keeps.
const DIGITS_MAX: usize = 15;
/// Zeros after the point beyond which a number is told with an exponent.
const SMALL_EXPONENT_MIN: i32 = -20;
/// The last day that spreadsheets know, 9999-12-31.
const LAST_DAY_1900: f64 = 2_958_465.0;
/// Days between the two ways of counting.
const DAYS_TO_1904: f64 = 1_462.0;
/// What the yuan is called in a format's brackets.
const YUAN: &[&str] = &["¥", "￥", "CNY", "RMB", "元", "人民币"];
/// How the number of the Japanese language ends in a format's brackets.
const JAPANESE: &str = "411";
/// Names of currencies that stand in formats as text.
const FOREIGN: &[&str] = &["USD", "EUR", "HKD", "JPY", "GBP", "TWD", "MOP", "KRW", "美元", "欧元", "港元", "港币", "日元", "英镑", "韩元"];
const SECONDS_OF_DAY: f64 = 86_400.0;

/// What a cell's number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFormat {
    /// A number.
    Number,
    /// A number that is shown a hundred times as large, with a percent sign.
    Percent,
    /// A number that is shown with a currency other than the yuan.
    Foreign,
    /// A day.
    Date,
    /// A day and a time.
    DateTime,
    /// A time of day.
    Time,
    /// Hours, minutes and seconds that went by.
    Elapsed,
}

/// Why a number has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is none.
    NoNumber,
    /// More digits than a spreadsheet keeps.
    Digits,
    /// No day, such as the 29 February 1900.
    NoDay,
}

impl CellFormat {
    /// The format with one of the numbers that every spreadsheet knows, East Asian ones included.
    pub fn built_in(id: u32) -> Self {
        match id {
            9 | 10 => Self::Percent,
            14..=17 | 27..=31 | 36 | 50..=54 | 57 | 58 => Self::Date,
            22 => Self::DateTime,
            18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Self::Time,
            46 => Self::Elapsed,
            _ => Self::Number,
        }
    }

    /// The format that a code such as `yyyy"年"m"月"d"日"` describes, by its first section.
    pub fn of_code(code: &str) -> Self {
        let letters = letters(code);
        let has = |wanted: &str| letters.chars().any(|c| wanted.contains(c));
        if letters == "general" {
            return Self::of_number(code, &letters);
        }
        let clock = has("hs");
        // An `e` is a year, unless it stands for an exponent; an `m` beside hours or seconds is minutes.
        let day = has("ydg") || (has("e") && !has("0#?")) || (has("m") && !clock && !letters.contains('['));
        match (letters.contains('['), day, clock) {
            (true, ..) => Self::Elapsed,
            (_, true, true) => Self::DateTime,
            (_, true, false) => Self::Date,
            (_, false, true) => Self::Time,
            (_, false, false) => Self::of_number(code, &letters),
        }
    }

    fn of_number(code: &str, letters: &str) -> Self {
        if letters.contains('%') {
            Self::Percent
        } else if is_foreign(code) {
            Self::Foreign
        } else {
            Self::Number
        }
    }

    /// The text of a number as it is stored.
    ///
    /// # Errors
    /// A number that has none.
    pub fn text(self, stored: &str, is_1904: bool) -> Result<String, Unfit> {
        let plain = !stored.is_empty() && stored.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
        let number: f64 = stored.parse().ok().filter(|n: &f64| plain && n.is_finite()).ok_or(Unfit::NoNumber)?;
        match self {
            Self::Number | Self::Percent | Self::Foreign => decimal(number),
            Self::Date => day(number.floor(), is_1904).map(|day| day.to_string()),
            Self::Time => Ok(clock(((number - number.floor()) * SECONDS_OF_DAY).round() % SECONDS_OF_DAY)),
            Self::Elapsed if (0.0..=LAST_DAY_1900).contains(&number) => Ok(clock((number * SECONDS_OF_DAY).round())),
            Self::Elapsed => Err(Unfit::NoDay),
            Self::DateTime => {
                let seconds = (number * SECONDS_OF_DAY).round();
                let whole = (seconds / SECONDS_OF_DAY).floor();
                Ok(format!("{}T{}", day(whole, is_1904)?, clock(seconds - whole * SECONDS_OF_DAY)))
            }
        }
    }
}

/// The letters of a format's first section, in lower case: without what is quoted or escaped, and
/// of what is in brackets only a `[` where it counts time that went by.
fn letters(code: &str) -> String {
    let mut letters = String::new();
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => break,
            '"' => drop(characters.by_ref().find(|c| *c == '"')),
            '\\' | '_' | '*' => drop(characters.next()),
            '[' => {
                let within: String = characters.by_ref().take_while(|c| *c != ']').flat_map(char::to_lowercase).collect();
                let elapsed =
                    !within.is_empty() && ["h", "m", "s"].iter().any(|unit| within.trim_matches(|c| unit.starts_with(c)).is_empty());
                letters.push_str(if elapsed { "[" } else { "" });
            }
            _ => letters.extend(character.to_lowercase()),
        }
    }
    letters
}

/// Whether a format's first section shows a currency other than the yuan: in brackets (`[$€-407]`), or as a sign or a code that is
/// plain, quoted or escaped. `¥` is the yuan's too, but for the Japanese language.
fn is_foreign(code: &str) -> bool {
    let mut shown = String::new();
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character {
            ';' => break,
            '"' => shown.extend(characters.by_ref().take_while(|c| *c != '"')),
            '\\' => shown.extend(characters.next()),
            '_' | '*' => drop(characters.next()),
            '[' => {
                let within: String = characters.by_ref().take_while(|c| *c != ']').collect();
                let Some(currency) = within.strip_prefix('$') else { continue };
                let (sign, language) = currency.rsplit_once('-').unwrap_or((currency, ""));
                let is_japanese = language.to_ascii_lowercase().ends_with(JAPANESE);
                if !sign.is_empty() && (is_japanese || !YUAN.contains(&sign.trim().to_uppercase().as_str())) {
                    return true;
                }
            }
            _ => shown.push(character),
        }
    }
    let is_sign = |c: char| matches!(c, '$' | '¢' | '£' | '฿' | '\u{20A0}'..='\u{20CF}' | '＄' | '￠' | '￡' | '￦');
    let shown = shown.to_uppercase();
    shown.contains(is_sign) || FOREIGN.iter().any(|name| shown.contains(name))
}

/// A number's shortest text of at most 15 significant digits.
fn decimal(number: f64) -> Result<String, Unfit> {
    let scientific = format!("{number:.*e}", DIGITS_MAX - 1);
    let (mantissa, exponent) = scientific.split_once('e').ok_or(Unfit::NoNumber)?;
    let exponent: i32 = exponent.parse().map_err(|_| Unfit::NoNumber)?;
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Ok("0".to_owned());
    }
    if exponent >= DIGITS_MAX as i32 {
        return Err(Unfit::Digits);
    }
    if exponent < SMALL_EXPONENT_MIN {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return Ok(format!("{sign}{first}{point}{rest}E{exponent}"));
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return Ok(format!("{sign}0.{zeros}{digits}"));
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return Ok(format!("{sign}{digits}{}", "0".repeat(whole - digits.len())));
    }
    let (whole, part) = digits.split_at(whole);
    Ok(format!("{sign}{whole}.{part}"))
}

/// A day by its number. The 1900 count holds a 29 February that never was.
fn day(number: f64, is_1904: bool) -> Result<Date, Unfit> {
    let number = if is_1904 { number + DAYS_TO_1904 } else { number };
    let phantom = !is_1904 && number == 60.0;
    if phantom || !(1.0..=LAST_DAY_1900).contains(&number) {
        return Err(Unfit::NoDay);
    }
    let before_phantom = i32::from(number < 60.0);
    let start = Date::constant(1899, 12, 30);
    start.checked_add(jiff::Span::new().days(number as i32 + before_phantom)).map_err(|_| Unfit::NoDay)
}

fn clock(seconds: f64) -> String {
    let seconds = seconds as u64;
    let mut text = String::new();
    let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    text
}

#[cfg(test)]
mod tests {
    //! Expected values are what LibreOffice and Excel show for the cell, in ISO order.

    use super::*;

    #[test]
    fn numbers_are_told_as_they_are_seen() {
        for (stored, expected) in [
            ("0.30000000000000004", Ok("0.3")),
            ("640.0300000000001", Ok("640.03")),
            ("12800.5", Ok("12800.5")),
            ("-1.5E-3", Ok("-0.0015")),
            ("1E2", Ok("100")),
            ("-0", Ok("0")),
            ("007", Ok("7")),
            ("999999999999999", Ok("999999999999999")),
            ("99999999999.99", Ok("99999999999.99")),
            ("1000000000000000", Err(Unfit::Digits)),
            ("110101199003070000", Err(Unfit::Digits)),
            ("1E-300", Ok("1E-300")),
            ("1e999", Err(Unfit::NoNumber)),
            ("nan", Err(Unfit::NoNumber)),
            ("", Err(Unfit::NoNumber)),
            ("１", Err(Unfit::NoNumber)),
        ] {
            assert_eq!(CellFormat::Number.text(stored, false), expected.map(str::to_owned), "{stored}");
        }
    }

    #[test]
    fn dates_are_told_in_both_counts() {
        for (format, stored, is_1904, expected) in [
            (CellFormat::Date, "1", false, Ok("1900-01-01")),
            (CellFormat::Date, "59", false, Ok("1900-02-28")),
            (CellFormat::Date, "60", false, Err(Unfit::NoDay)),
            (CellFormat::Date, "61", false, Ok("1900-03-01")),
            (CellFormat::Date, "45930.75", false, Ok("2025-09-30")),
            (CellFormat::Date, "2958465", false, Ok("9999-12-31")),
            (CellFormat::Date, "2958466", false, Err(Unfit::NoDay)),
            (CellFormat::Date, "-1", false, Err(Unfit::NoDay)),
            (CellFormat::Date, "0", true, Ok("1904-01-01")),
            (CellFormat::Date, "44468", true, Ok("2025-09-30")),
            (CellFormat::DateTime, "45930.75", false, Ok("2025-09-30T18:00:00")),
            (CellFormat::DateTime, "45930.99999999", false, Ok("2025-10-01T00:00:00")),
            (CellFormat::Time, "0.5", false, Ok("12:00:00")),
            (CellFormat::Elapsed, "1.5", false, Ok("36:00:00")),
        ] {
            assert_eq!(format.text(stored, is_1904), expected.map(str::to_owned), "{format:?} {stored}");
        }
    }

    #[test]
    fn format_codes_are_understood() {
        for (code, expected) in [
            ("General", CellFormat::Number),
            ("0.00E+00", CellFormat::Number),
            ("#,##0.00", CellFormat::Number),
            ("0.0%", CellFormat::Percent),
            ("0\"%\"", CellFormat::Number),
            ("[$$-409]#,##0.00", CellFormat::Foreign),
            ("[$€-2]\\ #,##0.00", CellFormat::Foreign),
            ("[$¥-411]#,##0", CellFormat::Foreign),
            ("[$HK$-C04]General", CellFormat::Foreign),
            ("#,##0.00\\ [$USD]", CellFormat::Foreign),
            ("#,##0.00\\ \"USD\"", CellFormat::Foreign),
            ("_(\"$\"* #,##0.00_)", CellFormat::Foreign),
            ("$#,##0", CellFormat::Foreign),
            ("0.00\"美元\"", CellFormat::Foreign),
            ("#,##0.00\\ [$CNY]", CellFormat::Number),
            ("[$-804]#,##0.00", CellFormat::Number),
            ("0.00_$", CellFormat::Number),
            ("\"¥\"#,##0.00", CellFormat::Number),
            ("0\"元\"", CellFormat::Number),
            ("[$$-409]mmmm\\ d", CellFormat::Date),
            ("[$¥-804]#,##0.00;[Red]-[$¥-804]#,##0.00", CellFormat::Number),
            ("\"day\" 0", CellFormat::Number),
            ("0\\d", CellFormat::Number),
            ("@", CellFormat::Number),
            ("yyyy\\-mm\\-dd", CellFormat::Date),
            ("yyyy\"年\"m\"月\"d\"日\"", CellFormat::Date),
            ("[$-804]e\"年\"m\"月\"", CellFormat::Date),
            ("m/d/yy h:mm", CellFormat::DateTime),
            ("yyyy-mm-dd hh:mm:ss;@", CellFormat::DateTime),
            ("h:mm AM/PM", CellFormat::Time),
            ("mm:ss", CellFormat::Time),
            ("[h]:mm", CellFormat::Elapsed),
            ("[mm]:ss", CellFormat::Elapsed),
        ] {
            assert_eq!(CellFormat::of_code(code), expected, "{code}");
        }
    }
}
