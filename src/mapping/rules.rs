//! CEL expressions over one canonical record: rules, computed values, routing conditions.
//!
//! Expressions come from the operator alone. They are length-capped, compiled when a mapping or a
//! flow is loaded, and their cost is bounded by their shape: nesting is limited, and a macro over a
//! list may not stand inside another. Amounts are decimals as text; arithmetic and order on them go
//! through functions (`decimalAdd(a, b)` and so on), and mixing them with CEL's own numbers fails
//! at load, as does every floating-point literal.

use cel::common::ast::{Expr, IdedExpr, LiteralValue};
use cel::{Context, Program, Value as CelValue};
use rust_decimal::Decimal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Characters of one expression.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;
/// Levels of one expression's syntax tree.
pub const EXPRESSION_DEPTH_MAX: usize = 64;

/// Functions that expressions may call, beside operators and macros.
const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "has",
    "decimalAdd",
    "decimalSubtract",
    "decimalMultiply",
    "decimalCompare",
    "decimalSum",
    "decimalRound",
];
/// Operators under which a decimal would be treated as text or as a binary number.
const ARITHMETIC: &[&str] = &["_+_", "_-_", "_*_", "_/_", "_%_", "-_", "_<_", "_<=_", "_>_", "_>=_", "_==_", "_!=_"];

/// A compiled expression.
pub struct Expression {
    text: String,
    program: Program,
}

impl Expression {
    /// Compiles an expression whose only variable is `record`. `decimals` are the canonical paths
    /// that hold decimals.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn compile(text: &str, decimals: &BTreeSet<String>) -> Result<Self, String> {
        if text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(format!("the expression has more than {EXPRESSION_CHARS_MAX} characters"));
        }
        if nesting(text) > EXPRESSION_DEPTH_MAX {
            return Err(format!("the expression nests more than {EXPRESSION_DEPTH_MAX} deep"));
        }
        let program = Program::compile(text).map_err(|e| format!("not a CEL expression: {e}"))?;
        let references = program.references();
        if let Some(name) =
            references.variables().into_iter().find(|v| !v.starts_with('@') && *v != "record" && !is_macro_variable(text, v))
        {
            return Err(format!("unknown variable {name:?}; the record is called `record`"));
        }
        let named = |f: &&str| f.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        if let Some(name) = references.functions().into_iter().filter(named).find(|f| !FUNCTIONS.contains(f)) {
            return Err(format!("unknown function {name:?}; there are {}", FUNCTIONS.join(", ")));
        }
        examine(program.expression(), decimals, 0, false)?;
        Ok(Self { text: text.to_owned(), program })
    }

    /// The expression as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The canonical paths that the expression names, each to its end: `record.a.b` is `a.b`. What a macro
    /// names of a list's items is not among them.
    pub fn paths(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        name_paths(self.program.expression(), &mut paths);
        paths
    }

    /// The expression's value for a record.
    ///
    /// # Errors
    /// What went wrong, such as a value that is not there.
    pub fn value(&self, runner: &Runner, record: &Value) -> Result<Value, String> {
        let mut scope = runner.context.new_inner_scope();
        scope.add_variable("record", record).map_err(|e| e.to_string())?;
        from_cel(self.program.execute(&scope).map_err(|e| told(&e))?)
    }

    /// Whether the expression is true for a record.
    ///
    /// # Errors
    /// What went wrong, an answer that is neither true nor false included.
    pub fn holds(&self, runner: &Runner, record: &Value) -> Result<bool, String> {
        match self.value(runner, record)? {
            Value::Bool(held) => Ok(held),
            other => Err(format!("the expression gives {other}, neither true nor false")),
        }
    }
}

/// What expressions run with; one for each body that is translated.
pub struct Runner {
    context: Context<'static, 'static>,
}

impl Runner {
    /// A runner with the functions of this module.
    pub fn new() -> Self {
        let mut context = Context::default();
        let added = [
            context.add_function("decimalAdd", |a: Arc<String>, b: Arc<String>| decimal(&a, &b, Decimal::checked_add)),
            context.add_function("decimalSubtract", |a: Arc<String>, b: Arc<String>| decimal(&a, &b, Decimal::checked_sub)),
            context.add_function("decimalMultiply", |a: Arc<String>, b: Arc<String>| decimal(&a, &b, Decimal::checked_mul)),
            context.add_function("decimalCompare", |a: Arc<String>, b: Arc<String>| compare(&a, &b)),
            context.add_function("decimalSum", |list: Arc<Vec<CelValue>>| sum(&list)),
            context.add_function("decimalRound", |a: Arc<String>, places: i64| round(&a, places)),
        ];
        debug_assert!(added.iter().all(Result::is_ok), "no function stands in the way of another");
        Self { context }
    }
}

impl Default for Runner {
    fn default() -> Self {
        Self::new()
    }
}

type CelResult<T> = Result<T, cel::ExecutionError>;

fn parse(text: &str) -> CelResult<Decimal> {
    Decimal::from_str_exact(text).map_err(|e| cel::ExecutionError::function_error("decimal", format!("{text:?}: {e}")))
}

fn decimal(a: &str, b: &str, operation: fn(Decimal, Decimal) -> Option<Decimal>) -> CelResult<CelValue> {
    let result = operation(parse(a)?, parse(b)?);
    result
        .map(|d| CelValue::from(d.to_string()))
        .ok_or_else(|| cel::ExecutionError::function_error("decimal", "the result has too many digits"))
}

fn compare(a: &str, b: &str) -> CelResult<CelValue> {
    Ok(CelValue::Int(parse(a)?.cmp(&parse(b)?) as i64))
}

/// Half a unit goes away from zero, as in commerce.
fn round(a: &str, places: i64) -> CelResult<CelValue> {
    let refused = |message: &str| cel::ExecutionError::function_error("decimalRound", message);
    let places =
        u32::try_from(places).ok().filter(|p| *p <= Decimal::MAX_SCALE).ok_or_else(|| refused("0 to 28 decimal places are allowed"))?;
    let rounded = parse(a)?.round_dp_with_strategy(places, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    Ok(CelValue::from(rounded.to_string()))
}

fn sum(list: &[CelValue]) -> CelResult<CelValue> {
    list.iter()
        .try_fold(Decimal::ZERO, |sum, value| match value {
            CelValue::String(text) => {
                let part = parse(text)?;
                sum.checked_add(part).ok_or_else(|| cel::ExecutionError::function_error("decimalSum", "the result has too many digits"))
            }
            _ => Err(cel::ExecutionError::function_error("decimalSum", "a list of decimals as text is expected")),
        })
        .map(|d| CelValue::from(d.to_string()))
}

/// How deep brackets and operators of prefix kind nest, before the parser is let near the text.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest, mut prefixes) = (0_usize, 0, 0);
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '!' | '-' => prefixes += 1,
            '?' => prefixes += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest + prefixes
}

/// Whether a name is bound by a macro such as `record.items.all(item, …)`.
fn is_macro_variable(text: &str, name: &str) -> bool {
    ["all", "exists", "exists_one", "map", "filter"]
        .iter()
        .any(|m| text.match_indices(&format!(".{m}(")).any(|(at, found)| text[at + found.len()..].trim_start().starts_with(name)))
}

fn examine(at: &IdedExpr, decimals: &BTreeSet<String>, depth: usize, in_macro: bool) -> Result<(), String> {
    if depth > EXPRESSION_DEPTH_MAX {
        return Err(format!("the expression nests more than {EXPRESSION_DEPTH_MAX} deep"));
    }
    let below = |part: &IdedExpr| examine(part, decimals, depth + 1, in_macro);
    match &at.expr {
        Expr::Literal(LiteralValue::Double(_)) => {
            Err("a floating-point literal is not allowed; write decimals as text, such as \"0.06\"".to_owned())
        }
        Expr::Call(call) => {
            if ARITHMETIC.contains(&call.func_name.as_str())
                && let Some(path) = call.args.iter().find_map(|a| decimal_path(a, decimals))
            {
                return Err(format!(
                    "{path} is a decimal: use decimalAdd, decimalSubtract, decimalMultiply, decimalSum, decimalRound or decimalCompare on it"
                ));
            }
            call.target.iter().map(AsRef::as_ref).chain(&call.args).try_for_each(below)
        }
        Expr::Comprehension(of) => {
            if in_macro {
                return Err("a macro over a list may not stand inside another".to_owned());
            }
            examine(&of.iter_range, decimals, depth + 1, in_macro)?;
            examine(&of.accu_init, decimals, depth + 1, true)?;
            examine(&of.loop_cond, decimals, depth + 1, true)?;
            examine(&of.loop_step, decimals, depth + 1, true)?;
            examine(&of.result, decimals, depth + 1, true)
        }
        Expr::Select(select) => below(&select.operand),
        Expr::List(list) => list.elements.iter().try_for_each(below),
        Expr::Map(_) | Expr::Struct(_) => Err("maps and structures are not needed here and not allowed".to_owned()),
        _ => Ok(()),
    }
}

fn name_paths(at: &IdedExpr, paths: &mut BTreeSet<String>) {
    match &at.expr {
        Expr::Select(select) => match selected(at) {
            Some(("record", path)) => drop(paths.insert(path)),
            _ => name_paths(&select.operand, paths),
        },
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).for_each(|part| name_paths(part, paths)),
        Expr::Comprehension(of) => {
            [&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result].into_iter().for_each(|part| name_paths(part, paths));
        }
        Expr::List(list) => list.elements.iter().for_each(|part| name_paths(part, paths)),
        _ => {}
    }
}

/// The variable and the path below it of `variable.a.b`.
fn selected(at: &IdedExpr) -> Option<(&str, String)> {
    let mut names = Vec::new();
    let mut part = at;
    while let Expr::Select(select) = &part.expr {
        names.push(select.field.as_str());
        part = &select.operand;
    }
    let Expr::Ident(variable) = &part.expr else { return None };
    names.reverse();
    (!names.is_empty()).then(|| (variable.as_str(), names.join(".")))
}

/// The canonical path of an operand that is a decimal: `record.a.b`, or `item.b` of a list's items.
fn decimal_path(at: &IdedExpr, decimals: &BTreeSet<String>) -> Option<String> {
    let (variable, path) = selected(at)?;
    let known = if variable == "record" { decimals.contains(&path) } else { decimals.iter().any(|d| d.ends_with(&format!(".{path}"))) };
    known.then_some(path)
}

/// Why an expression has no value. What it was given is told by its type: the library's own words would repeat whole records,
/// and the parts of each in a different order every time.
fn told(error: &cel::ExecutionError) -> String {
    use cel::ExecutionError as Error;
    match error {
        Error::UnsupportedTargetType { target } => format!("this cannot be asked of a {}", target.type_of()),
        Error::NotSupportedAsMethod { method, target } => format!("{method} cannot be asked of a {}", target.type_of()),
        Error::UnsupportedKeyType(key) => format!("a {} is no key", key.type_of()),
        Error::ValuesNotComparable(a, b) => format!("a {} cannot be compared with a {}", a.type_of(), b.type_of()),
        Error::UnsupportedBinaryOperator(operator, a, b) => format!("{operator} of a {} and a {} is not defined", a.type_of(), b.type_of()),
        Error::UnsupportedIndex(index, of) => format!("a {} is no index into a {}", index.type_of(), of.type_of()),
        Error::Overflow(operator, ..) => format!("{operator} gives a number that is too large"),
        Error::DivisionByZero(_) | Error::RemainderByZero(_) => "a division by zero".to_owned(),
        Error::IndexOutOfBounds(_) => "the list has no item with this index".to_owned(),
        Error::DuplicateKey(_) => "a key stands twice".to_owned(),
        Error::InvalidArgumentCount { .. }
        | Error::UnexpectedType { .. }
        | Error::NoSuchKey(_)
        | Error::NoSuchOverload(_)
        | Error::UndeclaredReference(_)
        | Error::MissingArgumentOrTarget
        | Error::FunctionError { .. } => error.to_string(),
        _ => "it cannot be evaluated".to_owned(),
    }
}

fn from_cel(value: CelValue) -> Result<Value, String> {
    match value {
        CelValue::Bool(b) => Ok(Value::Bool(b)),
        CelValue::Int(i) => Ok(Value::from(i)),
        CelValue::UInt(u) => Ok(Value::from(u)),
        CelValue::String(s) => Ok(Value::from(s.as_str())),
        CelValue::Null => Ok(Value::Null),
        CelValue::List(list) => list.iter().cloned().map(from_cel).collect::<Result<Vec<_>, _>>().map(Value::Array),
        other => Err(format!("the expression gives a {}, which no canonical value can be", other.type_of())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row of `cases/cel.tsv`: expression, then its value for the record of the first line, or
    /// `!` and a part of what the load or the run says.
    #[test]
    fn expressions_give_what_cel_says() {
        let mut lines = include_str!("cases/cel.tsv").lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
        let record: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let decimals = ["amount", "fee", "items.price"].map(str::to_owned).into();
        let runner = Runner::new();
        for line in lines {
            let (expression, expected) = line.split_once('\t').unwrap();
            let got = Expression::compile(expression, &decimals).and_then(|e| e.value(&runner, &record));
            match (got, expected.strip_prefix('!')) {
                (Err(message), Some(part)) => assert!(message.contains(part), "{expression}: {message}"),
                (Ok(value), None) => assert_eq!(value.to_string(), expected, "{expression}"),
                (got, _) => panic!("{expression}: {got:?} instead of {expected}"),
            }
        }
    }

    #[test]
    fn a_hostile_expression_is_refused_and_ends() {
        for text in ["(".repeat(1_500), "!".repeat(1_500), "-".repeat(1_900), "[".repeat(900) + &"]".repeat(900), "x".repeat(3_000)] {
            assert!(Expression::compile(&text, &BTreeSet::new()).is_err());
        }
    }
}
