//! Expressions of rules, computed values and routes: whatever an operator writes is refused in words or costs little.

use portolan::mapping::rules::{EXPRESSION_CHARS_MAX, Expression, Runner};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Items of the list in the record.
const ITEMS: usize = 300;
/// Values that may come of an expression: what it lists itself, and those of a list for each macro over it.
const VALUES_MAX: usize = EXPRESSION_CHARS_MAX * (ITEMS + 1);

static RECORD: LazyLock<Value> = LazyLock::new(|| {
    let lines: Vec<Value> = (0..ITEMS).map(|n| json!({"amount": format!("{n}.25"), "code": if n % 2 == 0 { "A" } else { "B" }})).collect();
    json!({
        "amount": "12.30", "currency": "CNY", "name": "税务", "count": 3, "reversal": true, "none": null,
        "account": {"iban": "DE02120300000000202051", "number": "1"}, "text": "a".repeat(1_000), "lines": lines,
    })
});

/// An expression that compiles gives the same each time, and no more than its text and the record account for.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let decimals: BTreeSet<String> = ["amount", "lines.amount"].into_iter().map(str::to_owned).collect();
    match Expression::compile(text, &decimals) {
        Err(message) => assert!(!message.is_empty()),
        Ok(expression) => {
            assert_eq!(expression.text(), text);
            let one = expression.value(&Runner::new(), &RECORD);
            assert_eq!(one, expression.value(&Runner::new(), &RECORD), "{text}");
            match one {
                Ok(value) => assert!(values(&value) <= VALUES_MAX, "{text} gives {} values", values(&value)),
                Err(message) => assert!(!message.is_empty()),
            }
            drop(expression.holds(&Runner::new(), &json!({})));
        }
    }
}

fn values(value: &Value) -> usize {
    1 + value.as_array().map_or(0, |list| list.iter().map(values).sum())
}
