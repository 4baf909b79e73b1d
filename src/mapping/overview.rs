//! A mapping as a table for people: what fills each canonical value, and everything that is said of it.

use super::balance::Balances;
use super::compiled::{Check, CurrencyAt, Field, Group, ListMap, Mapping};
use super::file::{CheckSeverity, Direction};
use super::place::Place as SourcePlace;
use super::read::dotted;
use super::schema::is_unmapped;
use portolan_contract::{NodeId, Repeat, SlotId, Words};

/// Codes of a list that are told one by one; of a longer one the first are, and how many there are.
const CODES_TOLD_MAX: usize = 8;

/// One row: a canonical value, a list of items, or a fixed text of the format.
pub struct Row {
    /// How many lists enclose it.
    pub depth: usize,
    /// Canonical path from the enclosing list's item; empty where the row fills none.
    pub canonical: String,
    /// Its title; empty where it has none.
    pub title: Words,
    /// Source paths as mapping files write them, the preferred one first.
    pub sources: Vec<String>,
    /// What a text means; `list` for a list.
    pub kind: String,
    /// Codes, layout, direction, checks.
    pub notes: Vec<Words>,
}

/// Something said of whole records or bodies.
pub struct Rule {
    /// Its stable id, or the canonical path that is computed.
    pub id: String,
    /// What it says.
    pub words: Words,
    /// The expression, where there is one.
    pub cel: Option<String>,
}

/// Each value and list, in the order of the file, lists after values.
pub fn rows(mapping: &Mapping) -> Vec<Row> {
    let mut rows = Vec::new();
    let record = mapping.plan.anchors.first().map_or_else(String::new, |&anchor| mapping.plan.path(anchor));
    let top = Place { mapping, to: String::new(), base: record, depth: 0 };
    group(&top, &mapping.record, &mut rows);
    for node in (0..mapping.plan.nodes.len() as NodeId).filter_map(|id| mapping.plan.node(id).constant.as_ref().map(|text| (id, text))) {
        let (id, text) = node;
        let notes = vec![Words::new(format!("写出固定文本 {text:?}"), format!("always written as {text:?}"))];
        let sources = vec![top.written(&mapping.plan.path(id))];
        rows.push(Row { depth: 0, canonical: String::new(), title: Words::default(), sources, kind: "constant".to_owned(), notes });
    }
    rows
}

/// What is computed, the rules over a record, and the sums and counts over a body.
pub fn rules(mapping: &Mapping) -> Vec<Rule> {
    let computed = mapping.computed.iter().map(|(to, expression)| {
        let words = Words::new("由其他值计算得出", "computed from other values");
        Rule { id: to.clone(), words, cel: Some(expression.text().to_owned()) }
    });
    let rules = mapping.rules.iter().map(|rule| {
        let (zh, en) = severity(rule.severity);
        let words = Words::new(format!("{}（{zh}）", rule.words.zh), format!("{} ({en})", rule.words.en));
        Rule { id: rule.id.clone(), words, cel: Some(rule.holds.text().to_owned()) }
    });
    let checks = mapping.checks.iter().map(|check| Rule { id: check.id.clone(), words: check_words(mapping, check), cel: None });
    computed.chain(rules).chain(checks).collect()
}

/// What the canonical record must have and no row of a draft fills yet.
pub fn still_open(mapping: &Mapping, rows: &[Row]) -> Option<Words> {
    if !mapping.canonical.is_of_draft() || !mapping.direction.reads() {
        return None;
    }
    let computed = |name: &str| mapping.computed.iter().any(|(to, _)| to == name || to.starts_with(&format!("{name}.")));
    let fills = |row: &Row, name: &str| row.depth == 0 && row.canonical.split(['.', '[']).next() == Some(name);
    let mut open = mapping.canonical.required();
    open.retain(|name| !computed(name) && !rows.iter().any(|row| fills(row, name)));
    let names = open.join(", ");
    (!open.is_empty()).then(|| {
        Words::new(format!("草稿：必填而尚未填的标准路径：{names}"), format!("a draft: required and filled by nothing yet: {names}"))
    })
}

/// What is said of the mapping as a whole, a line each.
pub fn head(mapping: &Mapping) -> Vec<Words> {
    let path = |slot: SlotId| mapping.plan.slot(slot).path.clone();
    let ways = match mapping.direction {
        Direction::Both => ("读写", "reads and writes"),
        Direction::Read => ("只读", "reads alone"),
        Direction::Write => ("只写", "writes alone"),
    };
    let (format, canonical) = (&mapping.format_name, &mapping.canonical.name);
    let mut head = vec![Words::new(format!("{format} ⇄ {canonical}，{}", ways.0), format!("{format} ⇄ {canonical}, {}", ways.1))];
    let anchors: Vec<String> = mapping.plan.anchors.iter().map(|&anchor| mapping.plan.path(anchor)).collect();
    let record = anchors.join(", else ");
    head.push(Words::new(format!("记录：{}", record.replace(", else ", "，否则 ")), format!("record: {record}")));
    if let Some(slot) = mapping.message_id {
        head.push(Words::new(format!("报文标识：{}", path(slot)), format!("message id: {}", path(slot))));
    }
    if mapping.records_min != 1 {
        let min = mapping.records_min;
        head.push(Words::new(format!("至少 {min} 条记录"), format!("at least {min} records")));
    }
    if mapping.records_max != u64::MAX {
        let max = mapping.records_max;
        head.push(Words::new(format!("至多 {max} 条记录"), format!("at most {max} records")));
    }
    if !mapping.required.is_empty() {
        let paths = mapping.required.join(", ");
        head.push(Words::new(format!("书写时必需：{paths}"), format!("not written without: {paths}")));
    }
    if let Some(xsd) = &mapping.xsd {
        let files: Vec<&str> = xsd.files.values().filter_map(|file| file.to_str()).collect();
        let files = files.join(", ");
        head.push(Words::new(format!("按 XML Schema 校验：{files}"), format!("checked against the XML Schema {files}")));
    }
    head
}

/// Where rows are being made: in the record, or in the items of a list.
struct Place<'m> {
    mapping: &'m Mapping,
    /// Canonical path of the list; empty in the record.
    to: String,
    /// Source path of the record or item.
    base: String,
    depth: usize,
}

impl Place<'_> {
    /// A source path as a mapping file writes it here: below the item, else from the root.
    fn written(&self, path: &str) -> String {
        let below = |base: &str| if base.is_empty() { Some(path) } else { path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')) };
        match below(&self.base) {
            Some(rest) => rest.to_owned(),
            None if path == self.base => ".".to_owned(),
            None => format!("/{}", below(&self.mapping.root).unwrap_or(path)),
        }
    }

    fn paths(&self, places: &[SourcePlace]) -> Vec<String> {
        places.iter().map(|place| self.written(&place.path(&self.mapping.plan))).collect()
    }

    fn title(&self, to: &str) -> Words {
        self.mapping.canonical.title(&dotted(&self.to, to))
    }
}

fn group(place: &Place<'_>, of: &Group, rows: &mut Vec<Row>) {
    for field in &of.fields {
        value(place, field, rows);
    }
    let (mapping, depth) = (place.mapping, place.depth);
    for list in &of.lists {
        let to = dotted(&place.to, &list.to);
        let base = mapping.plan.lists.get(list.list as usize).map_or_else(String::new, |l| l.path.clone());
        let source = list.pick.as_ref().map_or_else(|| base.clone(), |pick| pick.path(&mapping.plan, &base));
        let (canonical, title, sources) = (format!("{}[]", list.to), place.title(&list.to), vec![place.written(&source)]);
        rows.push(Row { depth, canonical, title, sources, kind: "list".to_owned(), notes: list_notes(list) });
        group(&Place { mapping, to, base, depth: depth + 1 }, &list.item, rows);
    }
}

fn list_notes(list: &ListMap) -> Vec<Words> {
    let mut notes = Vec::new();
    if list.items_max != usize::MAX {
        let max = list.items_max;
        notes.push(Words::new(format!("书写时至多 {max} 项"), format!("at most {max} are written")));
    }
    if list.skip_empty {
        notes.push(Words::new("空项不计", "an empty item is none"));
    }
    notes
}

fn value(place: &Place<'_>, field: &Field, rows: &mut Vec<Row>) {
    rows.push(Row {
        depth: place.depth,
        canonical: field.to.clone(),
        title: place.title(&field.to),
        sources: place.paths(&field.places),
        kind: field.kind.to_string(),
        notes: notes(place.mapping, field),
    });
    let (to, sources, notes) = match &field.currency {
        CurrencyAt::Fixed(code, Some(to)) => (to, Vec::new(), vec![Words::new(format!("固定为 {code}"), format!("always {code}"))]),
        CurrencyAt::Places(to, places) => {
            let of = Words::new(format!("{} 的币种", field.to), format!("currency of {}", field.to));
            (to, place.paths(places), vec![of])
        }
        CurrencyAt::None | CurrencyAt::Fixed(_, None) => return,
    };
    let title = to.strip_prefix('/').map_or_else(|| place.title(to), |of_record| place.mapping.canonical.title(of_record));
    let depth = place.depth;
    rows.push(Row { depth, canonical: to.clone(), title, sources, kind: "currency".to_owned(), notes });
}

fn notes(mapping: &Mapping, field: &Field) -> Vec<Words> {
    let mut notes = Vec::new();
    let mut note = |zh: String, en: String| notes.push(Words::new(zh, en));
    if is_unmapped(&field.to) {
        note("草稿：尚未选定标准记录路径".to_owned(), "a draft: its canonical path is still to be chosen".to_owned());
    }
    match field.direction {
        Direction::Both => {}
        Direction::Read => note("只读".to_owned(), "read alone".to_owned()),
        Direction::Write => note("只写".to_owned(), "written alone".to_owned()),
    }
    if let CurrencyAt::Fixed(code, None) = &field.currency {
        note(format!("币种 {code}"), format!("in {code}"));
    }
    if let Some(layout) = &field.layout {
        note(format!("格式 {layout}"), format!("layout {layout}"));
    }
    if let Some(codes) = &field.codes {
        let all: Vec<String> = codes.pairs().map(|(source, canonical)| format!("{source} → {canonical}")).collect();
        let told = all.iter().take(CODES_TOLD_MAX).cloned().collect::<Vec<_>>().join(", ");
        let more = if all.len() > CODES_TOLD_MAX { format!(", … ({})", all.len()) } else { String::new() };
        note(format!("代码 {told}{more}"), format!("codes {told}{more}"));
    }
    if let Some(default) = &field.default {
        note(format!("默认 {default}"), format!("default {default}"));
    }
    if !field.absent.is_empty() {
        let texts = field.absent.join(", ");
        note(format!("{texts} 表示没有值"), format!("{texts} means no value"));
    }
    if field.items_max != usize::MAX {
        let max = field.items_max;
        note(format!("书写时至多 {max} 个"), format!("at most {max} are written"));
    }
    match field.repeat {
        Repeat::Once => {}
        Repeat::First => note("取第一个".to_owned(), "the first of several counts".to_owned()),
        Repeat::List => note("可有多个".to_owned(), "several values".to_owned()),
    }
    if field.places.iter().any(|place| mapping.plan.slot(place.slot).after) {
        note("位于记录之后".to_owned(), "stands after the records".to_owned());
    }
    match field.check {
        CheckSeverity::Error => {}
        CheckSeverity::Warning => note("校验不符只作提示".to_owned(), "a failed check is a warning".to_owned()),
        CheckSeverity::Off => note("不校验".to_owned(), "not checked".to_owned()),
    }
    if let Some(condition) = &field.check_if {
        let (of, is) = (&condition.field, &condition.is);
        let (zh, en) = if condition.or_absent { ("或没有", " or absent") } else { ("", "") };
        note(format!("仅当 {of} 为 {is}{zh}时校验"), format!("checked where {of} is {is}{en}"));
    }
    notes
}

fn check_words(mapping: &Mapping, check: &Check) -> Words {
    let equals = check.balance.as_ref().map_or(&mapping.plan.slot(check.equals).path, |balances| &balances.to);
    let (zh, en) = severity(check.severity);
    let place = check.group.map(|slot| mapping.plan.slot(slot).path.trim_end_matches("/##").to_owned());
    let (within_zh, within_en) =
        place.map_or(("全文".to_owned(), "the whole body".to_owned()), |path| (format!("每个 {path}"), format!("each {path}")));
    let (what_zh, what_en) = match (&check.sum, &check.balance) {
        (Some(sum), Some(Balances { from, .. })) => (format!("{from} 加 {sum}"), format!("{from} with the sum of {sum}")),
        (Some(sum), None) => (format!("{sum} 之和"), format!("the sum of {sum}")),
        (None, _) => ("记录数".to_owned(), "the number of records".to_owned()),
    };
    Words::new(
        format!("{}（{within_zh}：{what_zh} = {equals}；{zh}）", check.words.zh),
        format!("{} (in {within_en}, {what_en} equals {equals}; {en})", check.words.en),
    )
}

fn severity(of: CheckSeverity) -> (&'static str, &'static str) {
    match of {
        CheckSeverity::Error => ("错误", "error"),
        CheckSeverity::Warning => ("提示", "warning"),
        CheckSeverity::Off => ("不校验", "off"),
    }
}
