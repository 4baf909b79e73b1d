//! The map: who sends under which flow, and who receives it, with what went over each way in the last minute. It is drawn on
//! the server. A way is as thick as it is busy; where it hurts it is thick and red, says why, and has a mark. On
//! a narrow screen the ways are a table instead.
//!
//! Limits: [`NODES_MAX`] in each of the three columns; how many more there are is said.

use super::partner::destination_troubles;
use super::parts::{Column, Tone, badge, mark_at, table};
use super::words::{self, Lang, text};
use super::{alarms, figures};
use crate::config::Config;
use crate::figures::thousands;
use crate::journal::acts::Pausable;
use crate::journal::alarms::AlarmRow;
use crate::ops::partners::Standing;
use crate::ops::standing::{State, worst_of_feed, worst_of_route};
use maud::{Markup, html};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Nodes of one column.
pub const NODES_MAX: usize = 60;

/// Sizes in the drawing's own units, which are pixels at its full width.
const WIDTH: usize = 1_200;
const NODE_WIDTH: usize = 236;
const NODE_HEIGHT: usize = 40;
const PITCH: usize = 52;
const MARGIN: usize = 4;
/// Widths of text, where an ASCII letter is 1.
const TITLE_LETTERS: f32 = 27.0;
const NAME_LETTERS: f32 = 32.0;
/// The width of one of a label.
const LABEL_LETTER: f32 = 6.6;

struct Node {
    name: String,
    title: String,
    address: String,
    /// The worst first.
    troubles: Vec<(Tone, &'static str)>,
}

struct Way {
    from: usize,
    to: usize,
    records: u64,
    trouble: Option<Trouble>,
}

/// What is wrong on a way: a short word, and the sentence behind it.
struct Trouble {
    tone: Tone,
    word: &'static str,
    sentence: String,
}

impl Trouble {
    fn of(alarm: &AlarmRow, lang: Lang) -> Self {
        let word = State::of_alarm(alarm).map_or(lang.of(words::ALARM), |state| lang.state(state));
        Self { tone: alarms::tone(alarm), word, sentence: lang.words(&alarm.state.words).to_owned() }
    }
}

/// The three columns, from left to right, and the ways between them.
#[derive(Default)]
struct Chart {
    columns: [Vec<Node>; 3],
    ways: [Vec<Way>; 2],
    left_out: usize,
}

/// The map of what is configured, as it stands.
pub fn map(config: &Config, standing: &Standing, lang: Lang) -> Markup {
    let chart = Chart::new(config, standing, lang);
    html! {
        p.soft.map-legend {
            (lang.say("报送方 → 交换业务 → 接收方；数字为最近一分钟的记录数，红色粗线为故障所在。", "Senders → flows → receivers; figures are records of the last minute, and a thick red line is where it hurts."))
            @if chart.left_out > 0 { " " (lang.say("未列出：", "Left out: ")) (chart.left_out) }
        }
        (chart.drawing(lang))
        div.ways { (chart.table(lang)) }
    }
}

impl Chart {
    fn new(config: &Config, standing: &Standing, lang: Lang) -> Self {
        let mut chart = Self::default();
        let mut places: [BTreeMap<String, usize>; 3] = Default::default();
        for flow in config.flows.values() {
            let is_paused = standing.is_paused(&Pausable::Flow(flow.id.clone()));
            let here = chart.place(&mut places, 1, &flow.id, || Node {
                name: flow.id.to_string(),
                title: lang.words(&flow.title).to_owned(),
                address: format!("/flows/{}", flow.id),
                troubles: is_paused.then(|| (Tone::Warn, lang.state(State::Paused))).into_iter().collect(),
            });
            let Some(here) = here else { continue };
            for partner in flow.senders.keys() {
                let from = chart.place(&mut places, 0, partner, || Node {
                    name: partner.to_string(),
                    title: config.partners.get(partner).map_or_else(String::new, |known| lang.words(&known.title).to_owned()),
                    address: format!("/partners/{partner}"),
                    troubles: Vec::new(),
                });
                let records = standing.last_minute.sent.get(&(partner.clone(), flow.id.clone())).copied().unwrap_or(0);
                let trouble = worst_of_feed(&standing.alarms, partner, &flow.id).map(|alarm| Trouble::of(alarm, lang));
                chart.way(0, from, Some(here), records, trouble);
            }
            for route in &flow.routes {
                let troubles = destination_troubles(standing, &route.to, lang);
                let partner = config.partners.get(&route.to.partner);
                let to = chart.place(&mut places, 2, &route.to, || Node {
                    name: route.to.to_string(),
                    title: partner.map_or_else(String::new, |known| lang.words(&known.title).to_owned()),
                    address: format!("/partners/{}", route.to.partner),
                    troubles: troubles.clone(),
                });
                let records = standing.last_minute.delivered.get(&(flow.id.clone(), route.to.clone())).copied().unwrap_or(0);
                let alarmed = worst_of_route(&standing.alarms, Some(&flow.id), &route.to).map(|alarm| Trouble::of(alarm, lang));
                // Dead letters may be of another flow; their node has the mark.
                let own = troubles.iter().find(|(_, word)| *word != lang.of(words::DEAD_LETTERS));
                let own = own.map(|(tone, word)| Trouble { tone: *tone, word, sentence: (*word).to_owned() });
                chart.way(1, Some(here), to, records, alarmed.or(own));
            }
        }
        chart.order();
        chart
    }

    /// The place of a node in its column, which is made where it has none yet; none once the column is full.
    fn place(
        &mut self,
        places: &mut [BTreeMap<String, usize>; 3],
        column: usize,
        id: &dyn Display,
        node: impl FnOnce() -> Node,
    ) -> Option<usize> {
        let (nodes, places) = (self.columns.get_mut(column)?, places.get_mut(column)?);
        let id = id.to_string();
        if let Some(place) = places.get(&id) {
            return Some(*place);
        }
        if nodes.len() == NODES_MAX {
            self.left_out += 1;
            return None;
        }
        places.insert(id, nodes.len());
        nodes.push(node());
        Some(nodes.len() - 1)
    }

    fn way(&mut self, side: usize, from: Option<usize>, to: Option<usize>, records: u64, trouble: Option<Trouble>) {
        if let (Some(from), Some(to), Some(ways)) = (from, to, self.ways.get_mut(side)) {
            // Several routes of a flow may lead to one place.
            if !ways.iter().any(|way| (way.from, way.to) == (from, to)) {
                ways.push(Way { from, to, records, trouble });
            }
        }
    }

    /// Puts the second and third column in the order of what leads to them, so that few ways cross.
    fn order(&mut self) {
        for side in 0..2 {
            let count = self.columns.get(side + 1).map_or(0, Vec::len);
            let Some(ways) = self.ways.get(side) else { continue };
            let middle = |place: usize| {
                let from: Vec<usize> = ways.iter().filter(|way| way.to == place).map(|way| way.from).collect();
                from.iter().sum::<usize>() * 1_000 / from.len().max(1)
            };
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_key(|place| middle(*place));
            let mut moved = vec![0; count];
            order.iter().enumerate().for_each(|(new, old)| moved[*old] = new);
            if let Some(nodes) = self.columns.get_mut(side + 1) {
                let mut sorted: Vec<(usize, Node)> = nodes.drain(..).enumerate().map(|(old, node)| (moved[old], node)).collect();
                sorted.sort_by_key(|(new, _)| *new);
                nodes.extend(sorted.into_iter().map(|(_, node)| node));
            }
            self.ways[side].iter_mut().for_each(|way| way.to = moved[way.to]);
            if side == 0 {
                self.ways[1].iter_mut().for_each(|way| way.from = moved[way.from]);
            }
        }
    }

    fn drawing(&self, lang: Lang) -> Markup {
        let rows = self.columns.iter().map(Vec::len).max().unwrap_or(0);
        let height = rows * PITCH + 2 * MARGIN;
        html! {
            svg.map viewBox={ "0 0 " (WIDTH) " " (height) } role="group" aria-label=(lang.say("数据流向图", "Map of the flows")) {
                // What hurts is drawn last, over the rest.
                @for side in 0..2 { @for way in self.sorted(side) { (self.line(side, way, height)) } }
                @for side in 0..2 { @for way in self.sorted(side) { (self.label(side, way, height)) } }
                @for (column, nodes) in self.columns.iter().enumerate() {
                    @for (place, node) in nodes.iter().enumerate() { (drawn(node, left(column), top(place, nodes.len(), height))) }
                }
            }
        }
    }

    fn sorted(&self, side: usize) -> Vec<&Way> {
        let mut ways: Vec<&Way> = self.ways.get(side).into_iter().flatten().collect();
        ways.sort_by_key(|way| (way.trouble.as_ref().map_or(Tone::Good, |trouble| trouble.tone), way.records));
        ways
    }

    /// Where a way begins and ends.
    fn ends(&self, side: usize, way: &Way, height: usize) -> [usize; 4] {
        let count = |column: usize| self.columns.get(column).map_or(0, Vec::len);
        let ways = self.ways.get(side).map(Vec::as_slice).unwrap_or_default();
        let port = |column: usize, place: usize, rank: usize, of: usize| {
            let step = (NODE_HEIGHT - 8) / of.max(1);
            top(place, count(column), height) + NODE_HEIGHT / 2 + rank * step.min(12) - (of - 1) * step.min(12) / 2
        };
        let mut leaving: Vec<usize> = ways.iter().filter(|other| other.from == way.from).map(|other| other.to).collect();
        let mut coming: Vec<usize> = ways.iter().filter(|other| other.to == way.to).map(|other| other.from).collect();
        leaving.sort_unstable();
        coming.sort_unstable();
        let rank = |places: &[usize], own: usize| places.iter().position(|place| *place == own).unwrap_or(0);
        let from = port(side, way.from, rank(&leaving, way.to), leaving.len().max(1));
        let to = port(side + 1, way.to, rank(&coming, way.from), coming.len().max(1));
        [left(side) + NODE_WIDTH, from, left(side + 1), to]
    }

    fn line(&self, side: usize, way: &Way, height: usize) -> Markup {
        let [x, y, to_x, to_y] = self.ends(side, way, height);
        let bend = (to_x - x) / 2;
        let tone = way.trouble.as_ref().map(|trouble| trouble.tone);
        let busy = if way.records == 0 { 1.5 } else { (2.0 + (way.records as f32).log10() * 1.5).min(8.0) };
        let thick = if tone == Some(Tone::Bad) {
            busy.max(6.0)
        } else if tone.is_some() {
            busy.max(3.0)
        } else {
            busy
        };
        let class = tone.map_or(if way.records == 0 { "idle" } else { "busy" }, Tone::class);
        html! { path.way.(class) d={ "M" (x) " " (y) "C" (x + bend) " " (y) " " (to_x - bend) " " (to_y) " " (to_x) " " (to_y) } stroke-width=(format!("{thick:.1}")) {} }
    }

    fn label(&self, side: usize, way: &Way, height: usize) -> Markup {
        let [x, y, to_x, to_y] = self.ends(side, way, height);
        // Above the line, which is at most 8 thick.
        let (x, y) = ((x + to_x) / 2, (y + to_y) / 2 - 8);
        html! {
            @match &way.trouble {
                Some(Trouble { tone, word, sentence }) => {
                    @let said = format!("{word} · {}", thousands(way.records));
                    g.label.(tone.class()) {
                        title { (sentence) }
                        (mark_at(*tone, x - width(&said) / 2 - 16, y - 11))
                        text x=(x) y=(y) text-anchor="middle" { (said) }
                    }
                }
                None if way.records > 0 => { g.label { text x=(x) y=(y) text-anchor="middle" { (thousands(way.records)) } } }
                None => {}
            }
        }
    }

    fn table(&self, lang: Lang) -> Markup {
        let columns =
            [Column::Words(text("从", "From")), Column::Short(text("到", "To")), Column::Figure(words::RATE), Column::Short(words::STATE)];
        let linked =
            |node: Option<&Node>| html! { @if let Some(node) = node { a href=(node.address) { (node.title) } small { (node.name) } } };
        let row = |side: usize, way: &Way| {
            let node = |column: usize, place: usize| self.columns.get(column).and_then(|nodes| nodes.get(place));
            let ends = [node(side, way.from), node(side + 1, way.to)].into_iter().flatten().flat_map(|node| node.troubles.iter().copied());
            let mut troubles: Vec<(Tone, &str)> = way.trouble.iter().map(|trouble| (trouble.tone, trouble.word)).chain(ends).collect();
            troubles.sort_by_key(|(tone, word)| (std::cmp::Reverse(*tone), *word));
            troubles.dedup();
            let state = html! {
                span.badges {
                    @for (tone, word) in &troubles { (badge(*tone, word)) }
                    @if troubles.is_empty() { (badge(Tone::Good, lang.state(State::Healthy))) }
                }
            };
            vec![linked(node(side, way.from)), linked(node(side + 1, way.to)), figures::count(way.records), state]
        };
        let rows: Vec<Vec<Markup>> = (0..2).flat_map(|side| self.sorted(side).into_iter().rev().map(move |way| row(side, way))).collect();
        table(lang, lang.say("数据流向", "Ways"), &columns, &rows, lang.say("没有配置交换业务。", "No flow is configured."))
    }
}

fn drawn(node: &Node, x: usize, y: usize) -> Markup {
    let worst = node.troubles.first().map(|(tone, _)| *tone);
    let class = worst.map_or("well", Tone::class);
    html! {
        a.node.(class) href=(node.address) {
            title { (node.title) " (" (node.name) ")" @for (n, (_, why)) in node.troubles.iter().enumerate() { (if n == 0 { ": " } else { ", " }) (why) } }
            rect x=(x) y=(y) width=(NODE_WIDTH) height=(NODE_HEIGHT) rx="6" {}
            text x=(x + 12) y=(y + 17) { (shortened(&node.title, TITLE_LETTERS)) }
            text.name x=(x + 12) y=(y + 32) { (shortened(&node.name, NAME_LETTERS)) }
            @if let Some(tone) = worst { (mark_at(tone, x + NODE_WIDTH - 22, y + 14)) }
        }
    }
}

fn left(column: usize) -> usize {
    column * (WIDTH - NODE_WIDTH - 2) / 2 + 1
}

/// The top of a node: its column stands in the middle of the height.
fn top(place: usize, count: usize, height: usize) -> usize {
    (height - count * PITCH) / 2 + place * PITCH + (PITCH - NODE_HEIGHT) / 2
}

/// How wide a letter is, where one of ASCII is 1.
fn letters(c: char) -> f32 {
    if c.is_ascii() { 1.0 } else { 1.85 }
}

/// About how wide the text of a label is.
fn width(text: &str) -> usize {
    (text.chars().map(letters).sum::<f32>() * LABEL_LETTER) as usize
}

/// As much of a text as fits, in letters of ASCII; others are counted as nearly two.
fn shortened(text: &str, letters_max: f32) -> String {
    if text.chars().map(letters).sum::<f32>() <= letters_max {
        return text.to_owned();
    }
    let mut room = letters_max - 2.0;
    let fits = text.chars().take_while(|c| {
        room -= letters(*c);
        room >= 0.0
    });
    fits.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn what_does_not_fit_is_cut() {
        for (text, expected) in [("bank", "bank"), ("a-long-name", "a-long-…"), ("示范银行", "示范银行"), ("示范税务局", "示范税…")]
        {
            assert_eq!(shortened(text, 9.0), expected);
        }
    }
}
