//! Codes and national numbers: their shapes, check digits and lists.

use super::Misfit;
use crate::mapping::file::Kind;
use crate::mapping::tables;
use jiff::civil::Date;
use serde_json::Value;

/// A code is the text itself; what it should be is told together with it where it is not.
pub fn code(kind: Kind, text: &str) -> Result<Value, Misfit> {
    let Some((rule, zh, en)) = code_words(kind) else { return Ok(Value::from(text)) };
    if is_code(kind, text) {
        return Ok(Value::from(text));
    }
    let mut misfit = Misfit::new(rule, zh, en);
    misfit.checked_only = Some(Value::from(text));
    Err(misfit)
}

/// Whether a text has the shape, the check digits and the place in a list that its kind asks for.
fn is_code(kind: Kind, text: &str) -> bool {
    match kind {
        Kind::TaxOffice => digits(text, 11) && tables::is_division(text.get(..6).unwrap_or("")),
        Kind::Division => digits(text, 6) && tables::is_division(text),
        Kind::Uscc => uscc_check(text),
        Kind::ResidentId => resident_check(text),
        Kind::TaxpayerNumber => is_taxpayer_number(text),
        Kind::Iban => iban_check(text),
        Kind::Bic => bic_shape(text) && tables::is_country(&text[4..6]),
        Kind::Lei => lei_shape(text) && mod_97(text) == Some(1),
        Kind::Uetr => uuid_version_4(text),
        Kind::HsCode => (6..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
        Kind::Currency => text.len() == 3 && tables::currency_decimals(text).is_some(),
        Kind::Country => text.len() == 2 && tables::is_country(text),
        _ => true,
    }
}

/// The rule of a kind of code and what it asks for, in Chinese and English; `None` for what is no code.
fn code_words(kind: Kind) -> Option<(&'static str, &'static str, &'static str)> {
    Some(match kind {
        Kind::TaxOffice => ("type.tax-office", "应为 11 位税务机关代码", "an 11-digit tax office code is expected"),
        Kind::Division => ("type.division", "应为 6 位行政区划代码（GB/T 2260）", "a 6-digit division code (GB/T 2260) is expected"),
        Kind::Uscc => (
            "type.uscc",
            "应为校验位正确的 18 位统一社会信用代码（GB 32100）",
            "an 18-character unified social credit code with a right check character (GB 32100) is expected",
        ),
        Kind::ResidentId => (
            "type.resident-id",
            "应为校验位正确的 18 位公民身份号码（GB 11643）",
            "an 18-character resident identity number with a right check character (GB 11643) is expected",
        ),
        Kind::TaxpayerNumber => (
            "type.taxpayer-number",
            "应为校验位正确的 18 位纳税人识别号，或 15、17、20 位旧号",
            "an 18-character taxpayer number with a right check character, or an older one of 15, 17 or 20, is expected",
        ),
        Kind::Iban => ("type.iban", "应为校验位正确的 IBAN（ISO 13616）", "an IBAN with right check digits (ISO 13616) is expected"),
        Kind::Bic => ("type.bic", "应为 8 或 11 位 BIC（ISO 9362）", "a BIC of 8 or 11 characters (ISO 9362) is expected"),
        Kind::Lei => {
            ("type.lei", "应为校验位正确的 20 位 LEI（ISO 17442）", "a 20-character LEI with right check digits (ISO 17442) is expected")
        }
        Kind::Uetr => ("type.uetr", "应为第 4 版 UUID", "a UUID of version 4 is expected"),
        Kind::HsCode => ("type.hs-code", "应为 6 至 10 位 HS 编码", "an HS code of 6 to 10 digits is expected"),
        Kind::Currency => ("type.currency", "应为 ISO 4217 币种代码", "an ISO 4217 currency code is expected"),
        Kind::Country => ("type.country", "应为 ISO 3166 两位国家代码", "an ISO 3166 two-letter country code is expected"),
        _ => return None,
    })
}

fn digits(text: &str, count: usize) -> bool {
    text.len() == count && text.bytes().all(|b| b.is_ascii_digit())
}

/// The 31 characters of GB 32100-2015: digits and capitals without I, O, S, V, Z.
const USCC_ALPHABET: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

fn uscc_shape(text: &str) -> bool {
    text.len() == 18 && text.bytes().all(|b| USCC_ALPHABET.contains(&b))
}

/// GB 32100-2015: the weights are the powers of 3 modulo 31.
fn uscc_check(text: &str) -> bool {
    if !uscc_shape(text) {
        return false;
    }
    let value = |b: u8| USCC_ALPHABET.iter().position(|&a| a == b).unwrap_or(0);
    let (sum, _) = text.bytes().take(17).fold((0, 1), |(sum, weight), b| (sum + value(b) * weight, weight * 3 % 31));
    text.bytes().last().is_some_and(|last| value(last) == (31 - sum % 31) % 31)
}

fn resident_shape(text: &str) -> bool {
    text.len() == 18 && text.bytes().take(17).all(|b| b.is_ascii_digit()) && matches!(text.as_bytes()[17], b'0'..=b'9' | b'X')
}

/// GB 11643-1999: ISO 7064 MOD 11-2 over 17 digits, of which eight are a day that exists.
fn resident_check(text: &str) -> bool {
    if !resident_shape(text) || Date::strptime("%Y%m%d", &text[6..14]).is_err() {
        return false;
    }
    let remainder = text.bytes().take(17).fold(0_u32, |sum, b| (sum + u32::from(b - b'0')) * 2 % 11);
    let check = (12 - remainder) % 11;
    let expected = if check == 10 { b'X' } else { b'0' + check as u8 };
    text.as_bytes()[17] == expected
}

/// 18 characters: a credit code, or for a person an identity number; else the older 15, 17 or 20.
fn is_taxpayer_number(text: &str) -> bool {
    let old = matches!(text.len(), 15 | 17 | 20) && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    old || uscc_check(text) || resident_check(text)
}

fn iban_shape(text: &str) -> bool {
    (15..=34).contains(&text.len())
        && text.bytes().enumerate().all(|(i, b)| match i {
            0 | 1 => b.is_ascii_uppercase(),
            2 | 3 => b.is_ascii_digit(),
            _ => b.is_ascii_digit() || b.is_ascii_uppercase(),
        })
}

fn iban_check(text: &str) -> bool {
    iban_shape(text) && mod_97(&format!("{}{}", &text[4..], &text[..4])) == Some(1)
}

/// ISO 7064 MOD 97-10 over digits and capitals (A is 10, Z is 35).
fn mod_97(text: &str) -> Option<u32> {
    text.bytes().try_fold(0_u32, |rest, b| match b {
        b'0'..=b'9' => Some((rest * 10 + u32::from(b - b'0')) % 97),
        b'A'..=b'Z' => Some((rest * 100 + u32::from(b - b'A') + 10) % 97),
        _ => None,
    })
}

fn bic_shape(text: &str) -> bool {
    matches!(text.len(), 8 | 11)
        && text.bytes().enumerate().all(|(i, b)| match i {
            4 | 5 => b.is_ascii_uppercase(),
            _ => b.is_ascii_uppercase() || b.is_ascii_digit(),
        })
}

fn lei_shape(text: &str) -> bool {
    text.len() == 20 && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
}

fn uuid_shape(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

fn uuid_version_4(text: &str) -> bool {
    uuid_shape(text) && text.as_bytes()[14] == b'4' && matches!(text.as_bytes()[19], b'8' | b'9' | b'a' | b'b' | b'A' | b'B')
}
