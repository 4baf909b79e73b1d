//! Check digits, for making numbers that pass.
//!
//! Written apart from the gateway's own validators on purpose: each is the other's second opinion.
//! `cases/check-digits.txt` holds numbers judged by a third program.

/// The characters of a unified social credit code: no I, O, S, V, Z (GB 32100-2015, 4).
pub const USCC_CHARACTERS: &[u8] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";

/// The check character of an organization code: 8 characters in, weights 3 7 9 10 5 8 4 2, modulo 11
/// (GB 11714-1997).
pub fn organization_check(code: &str) -> char {
    let weighted: u32 = values(code, 36).zip([3, 7, 9, 10, 5, 8, 4, 2]).map(|(value, weight)| value * weight).sum();
    match 11 - weighted % 11 {
        10 => 'X',
        11 => '0',
        digit => char::from(b'0' + digit as u8),
    }
}

/// The check character of a unified social credit code: 17 characters in, weights 3^i modulo 31
/// (GB 32100-2015, 5).
pub fn uscc_check(code: &str) -> char {
    let mut weight = 1;
    let mut sum = 0;
    for byte in code.bytes() {
        let value = USCC_CHARACTERS.iter().position(|&c| c == byte).unwrap_or(0);
        sum = (sum + value * weight) % 31;
        weight = weight * 3 % 31;
    }
    char::from(USCC_CHARACTERS[(31 - sum) % 31])
}

/// The check character of a resident identity number: 17 digits in, ISO 7064 MOD 11-2 (GB 11643-1999).
pub fn resident_check(number: &str) -> char {
    let product = values(number, 10).fold(0, |product, digit| (product + digit) * 2 % 11);
    match (12 - product) % 11 {
        10 => 'X',
        digit => char::from(b'0' + digit as u8),
    }
}

/// The two check digits of an IBAN: country and account number in, modulo 97 (ISO 13616-1).
pub fn iban_check(country: &str, account: &str) -> String {
    format!("{:02}", 98 - remainder_97(&format!("{account}{country}00")))
}

/// The check digit of a card number, which Chinese bank accounts have too: the digits before it in
/// (ISO/IEC 7812-1, annex B).
pub fn card_check(number: &str) -> char {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte - b'0');
            if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    char::from(b'0' + ((10 - sum % 10) % 10) as u8)
}

/// The values of digits and capital letters; what is not below `radix` counts as 0.
fn values(text: &str, radix: u32) -> impl Iterator<Item = u32> + '_ {
    text.chars().map(move |c| c.to_digit(radix).unwrap_or(0))
}

/// A text of digits and letters (A = 10 … Z = 35) as one number, modulo 97.
fn remainder_97(text: &str) -> u32 {
    values(text, 36).fold(0, |remainder, value| (remainder * if value < 10 { 10 } else { 100 } + value) % 97)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cases/check-digits.txt`: a kind, then a whole number that is good.
    #[test]
    fn known_numbers_have_the_computed_check_digits() {
        let mut checked = 0;
        for line in include_str!("cases/check-digits.txt").lines().filter(|line| !line.starts_with('#')) {
            let (kind, number) = line.split_once(' ').expect("a kind and a number");
            let (before, last) = number.split_at(number.len() - 1);
            let computed = match kind {
                "organization" => organization_check(before).to_string(),
                "uscc" => uscc_check(before).to_string(),
                "resident" => resident_check(before).to_string(),
                "card" => card_check(before).to_string(),
                "iban" => iban_check(&number[..2], &number[4..]),
                other => panic!("{other} is not a kind"),
            };
            let expected = if kind == "iban" { &number[2..4] } else { last };
            assert_eq!(computed, expected, "{line}");
            checked += 1;
        }
        assert!(checked > 50, "{checked} cases");
    }
}
