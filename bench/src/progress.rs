//! How far something long is: a bar on a terminal, a line for each tenth elsewhere.

use indicatif::{ProgressBar, ProgressStyle};
use portolan::figures::thousands;
use std::io::IsTerminal;
use std::time::Instant;

/// Parts into which something long is divided for its lines, and for the rates that are kept of it.
pub const PARTS: u64 = 10;

/// Something long that is under way.
pub struct Progress {
    bar: ProgressBar,
    doing: &'static str,
    from: u64,
    whole: u64,
    done: u64,
    part_begun: (u64, Instant),
    /// What was done at the end of each part that is over, and how much in a second of it.
    rates: Vec<(u64, f64)>,
}

impl Progress {
    /// Begins something of so many pieces, of which some are done.
    pub fn begin(from: u64, whole: u64, doing: &'static str) -> Self {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(whole).with_position(from) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{msg} {bar:32} {percent:>3} %  {human_pos} of {human_len}  {per_sec}  {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = bar.with_style(style.progress_chars("━╸─")).with_message(doing);
        Self { bar, doing, from, whole, done: from, part_begun: (from, Instant::now()), rates: Vec::new() }
    }

    /// So many more are done.
    pub fn add(&mut self, pieces: u64) {
        self.done += pieces;
        self.bar.inc(pieces);
        let next = self.from + (self.rates.len() as u64 + 1) * (self.whole - self.from) / PARTS;
        if self.done < next || self.rates.len() as u64 == PARTS {
            return;
        }
        let (from, begun) = std::mem::replace(&mut self.part_begun, (self.done, Instant::now()));
        let rate = (self.done - from) as f64 / begun.elapsed().as_secs_f64().max(f64::EPSILON);
        self.rates.push((self.done, rate));
        if self.bar.is_hidden() {
            eprintln!("{}: {} of {}, {} a second", self.doing, thousands(self.done), thousands(self.whole), thousands(rate as u64));
        }
    }

    /// It is over. What was done at the end of each of its parts, and how much in a second of it.
    pub fn end(self) -> Vec<(u64, f64)> {
        self.bar.finish_and_clear();
        self.rates
    }
}
