//! Cells that are written as numbers and days, with the format in which they are shown.
//!
//! A text is written so only where reading the cell gives it back: a number of more than 15 digits, or a day before March 1900, stays
//! text, and nothing is lost.

use jiff::civil::Date;
use portolan_contract::{Form, Plan};

/// Digits of a number that spreadsheets keep.
const DIGITS_MAX: usize = 15;
/// The day that spreadsheets count as 0 from March 1900 on, the 29 February 1900 that they know included.
const DAY_ZERO: Date = Date::constant(1899, 12, 30);
/// The first day that all count alike.
const FIRST_DAY: Date = Date::constant(1900, 3, 1);
/// Numbers of styles, in the order of [`STYLES`]: days, then numbers with 0 to 4 decimals; of more, as they come.
const DAY: u32 = 3;
const DECIMALS: u32 = 4;
const DECIMALS_MAX: usize = 4;
const GENERAL: u32 = 0;

/// The styles of a workbook that has such cells: those of one without, then these.
pub const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="4"><numFmt numFmtId="164" formatCode="yyyy-mm-dd"/><numFmt numFmtId="165" formatCode="0.0"/><numFmt numFmtId="166" formatCode="0.000"/><numFmt numFmtId="167" formatCode="0.0000"/></numFmts><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="9"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/><xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="1" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="2" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="166" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="167" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;

/// What a cell holds: a number, and the style in which it is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// The number.
    pub number: String,
    /// The style.
    pub style: u32,
}

/// Whether anything of a plan is written as a number or a day.
pub fn is_in(plan: &Plan) -> bool {
    plan.slots.iter().any(|slot| slot.form != Form::Text)
}

/// A text as a number; `None` for one that stays text.
pub fn typed(text: &str, form: Form) -> Option<Typed> {
    match form {
        Form::Text => None,
        Form::Number => number(text).filter(|_| !(text.contains('.') && text.ends_with('0'))),
        Form::Amount => number(text),
        Form::Date => day(text),
    }
}

fn number(text: &str) -> Option<Typed> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').map_or((digits, None), |(whole, part)| (whole, Some(part)));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_plain = all_digits(whole) && part.is_none_or(all_digits) && (whole == "0" || !whole.starts_with('0'));
    let part = part.unwrap_or_default();
    let is_zero = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    if !is_plain || whole.len() + part.len() > DIGITS_MAX || (is_zero && digits != text) {
        return None;
    }
    let decimals = u32::try_from(part.len()).ok().filter(|_| part.len() <= DECIMALS_MAX);
    Some(Typed { number: text.to_owned(), style: decimals.map_or(GENERAL, |decimals| DECIMALS + decimals) })
}

fn day(text: &str) -> Option<Typed> {
    let date: Date = text.parse().ok().filter(|date: &Date| *date >= FIRST_DAY && date.to_string() == text)?;
    Some(Typed { number: date.since(DAY_ZERO).ok()?.get_days().to_string(), style: DAY })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, form: Form, expected: Option<(&str, u32)>) {
        let expected = expected.map(|(number, style)| Typed { number: number.to_owned(), style });
        assert_eq!(typed(text, form), expected, "{text} as {form:?}");
    }

    // Serial numbers of days as Microsoft documents them for DATEVALUE and DATE.
    #[test]
    fn what_becomes_a_number() {
        check("007", Form::Text, None);
        check("7", Form::Text, None);
        check("0", Form::Amount, Some(("0", 4)));
        check("-12.50", Form::Amount, Some(("-12.50", 6)));
        check("1234567890123.45", Form::Amount, Some(("1234567890123.45", 6)));
        check("12345678901234.56", Form::Amount, None);
        check("0.1234567", Form::Number, Some(("0.1234567", 0)));
        check("12.5", Form::Number, Some(("12.5", 5)));
        check("12.50", Form::Number, None);
        check("100", Form::Number, Some(("100", 4)));
        check("2011-08-22", Form::Date, Some(("40777", 3)));
        check("2008-01-01", Form::Date, Some(("39448", 3)));
        check("1900-03-01", Form::Date, Some(("61", 3)));
        check("9999-12-31", Form::Date, Some(("2958465", 3)));
    }

    #[test]
    fn what_stays_text() {
        for text in ["", "-", ".", "1.", ".5", "01", "00.5", "-0", "-0.00", "1e5", "1,5", "１", "+1", " 1", "1 "] {
            check(text, Form::Amount, None);
            check(text, Form::Number, None);
        }
        for text in ["", "1900-02-28", "2025-02-29", "2025-7-1", "20250701", "2025-07-01T00:00:00", "-002025-07-01", "45839"] {
            check(text, Form::Date, None);
        }
    }
}
