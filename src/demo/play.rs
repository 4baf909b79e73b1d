//! Plays a demonstration: feeds are sent, deliveries arrive, stories are told, and at the end the
//! receiver's records are compared with what was accepted, field by field.
//!
//! Every message has a key and a content that follow from the seed alone. A run that was killed is
//! played again in the same folder: what was committed answers with its first receipt, the rest is
//! sent, and the end must be the same. What the gateway answered is kept in `answers.ndjson`, one
//! line fsynced before the next message is sent, so that a changed receipt is noticed.

use super::feeds::camt054::Camt054;
use super::feeds::ceb603::{Ceb603, Charset};
use super::feeds::platform_income::{PlatformIncome, Wrong};
use super::feeds::{Expected, Feed, Size};
use super::party::{Party, Reply, Submission};
use super::receiver::{Receiver, ReceiverOptions};
use super::stories;
use super::world::{FLOWS, World};
use crate::app::Gateway;
use crate::domain::Digest;
use crate::fault::BoxError;
use crate::figures::thousands;
use crate::journal::Journal;
use crate::ops::OpsView;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Longest time without any delivery while some are queued.
const STANDSTILL_MAX: Duration = Duration::from_secs(60);
/// Records of one message of each feed.
const MESSAGE_RECORDS: [u64; 3] = [200, 2_000, 50];
/// Parts of all records that each feed sends, in hundredths.
const SHARES: [u64; 3] = [60, 30, 10];
/// Message numbers from here on are the stories'.
pub const STORY_MESSAGES: u64 = 900_000;
/// How often the trickle sends something.
const TRICKLE_PAUSE: Duration = Duration::from_secs(2);

/// One message of the demonstration: what it is follows from its numbers alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Rank of its flow in [`FLOWS`].
    pub flow: usize,
    /// Its number within the feed.
    pub number: u64,
    /// Its records.
    pub records: u64,
    /// Records with a wrong cell.
    pub wrong: Vec<(u64, WrongCellKind)>,
}

/// Which cell of a row is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WrongCellKind {
    /// A third decimal.
    ThirdDecimal,
    /// A fifth quarter.
    ImpossiblePeriod,
    /// Full-width digits.
    FullWidthDigits,
}

impl Message {
    /// The feed that makes it.
    pub fn feed(&self, seed: u64) -> Box<dyn Feed> {
        let (message, size) = (self.number, Size::Records(self.records));
        match self.flow {
            0 => Box::new(Camt054 { seed, message, size }),
            1 => Box::new(PlatformIncome { seed, message, size, wrong: self.wrong.iter().map(|(n, kind)| (*n, kind.wrong())).collect() }),
            _ => Box::new(Ceb603 { seed, message, size, charset: if message % 2 == 0 { Charset::Utf8 } else { Charset::Gb2312 } }),
        }
    }

    /// What is submitted.
    pub fn submission(&self, seed: u64) -> Submission {
        let feed = self.feed(seed);
        let flow = FLOWS[self.flow].name;
        Submission { flow, key: format!("demo-{seed}-{flow}-{}", self.number), content_type: feed.content_type(), body: feed.body().into() }
    }
}

impl WrongCellKind {
    fn wrong(self) -> Wrong {
        match self {
            Self::ThirdDecimal => Wrong::ThirdDecimal,
            Self::ImpossiblePeriod => Wrong::ImpossiblePeriod,
            Self::FullWidthDigits => Wrong::FullWidthDigits,
        }
    }
}

/// What one partner has sent and was told.
#[derive(Clone, Debug, Default)]
struct Tally {
    sent: u64,
    accepted: u64,
    refused: u64,
    delivered: u64,
    times: Vec<Duration>,
}

/// A message that was answered, as it stands in `answers.ndjson`.
#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    message: Message,
    receipt_sha256: Digest,
}

/// Receipts by flow and message number.
type Known = BTreeMap<(usize, u64), Digest>;

/// A gateway that follows changes of its configuration, until it is told to end.
struct Running {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A demonstration under way.
pub struct Play {
    /// Its folder.
    pub world: World,
    /// What operators see of the gateway.
    pub view: Arc<OpsView>,
    /// The gateway's durable state.
    pub journal: Arc<dyn Journal>,
    gateway: Running,
    /// The tax bureau.
    pub receiver: Receiver,
    /// The partners, by the rank of their flow.
    pub parties: Vec<Party>,
    tallies: Vec<Tally>,
    known: BTreeMap<(usize, u64), Digest>,
    answers: File,
    sent: Vec<Message>,
}

impl Play {
    /// Starts the gateway and the receiver.
    ///
    /// # Errors
    /// A taken port, or files that cannot be used.
    pub async fn start(world: World) -> Result<Self, BoxError> {
        let bureau = world.identity("tax-bureau");
        let receiver = Receiver::start(ReceiverOptions {
            listen: world.receiver_address(),
            chain: bureau.chain,
            key: bureau.key,
            client_authorities: world.authority(),
            folder: world.folder.join("tax-bureau"),
        })
        .await
        .map_err(|e| format!("the tax bureau's receiver cannot listen on {}: {e}. Another process may have the port; choose another with --receiver-port.", world.receiver_address()))?;
        let gateway = Gateway::start(&world.gateway()).await?;
        let (view, journal) = (Arc::clone(&gateway.view), Arc::clone(&gateway.journal));
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(gateway.run(async move {
            // A demonstration that fails drops the sender, which is an end too.
            let _ = ended.await;
        }));
        let gateway = Running { end, task };
        let parties = FLOWS
            .iter()
            .map(|flow| Party::new(&world.url(), &world.identity(flow.sender), &world.authority()))
            .collect::<Result<_, _>>()?;
        let (known, answers) = open_answers(&world.folder.join("answers.ndjson"))?;
        Ok(Self {
            world,
            view,
            journal,
            gateway,
            receiver,
            parties,
            tallies: vec![Tally::default(); FLOWS.len()],
            known,
            answers,
            sent: Vec::new(),
        })
    }

    /// Sends every feed, tells the stories, waits for all deliveries, and compares. True when the
    /// receiver holds exactly what was accepted.
    ///
    /// # Errors
    /// Whatever keeps the demonstration from going on.
    pub async fn all(&mut self) -> Result<bool, BoxError> {
        self.send_feeds().await?;
        stories::tell(self).await?;
        self.wait_until_delivered().await?;
        let exact = self.compare()?;
        self.print_table();
        Ok(exact)
    }

    /// Sends one message, and notes the answer before anything else is sent.
    ///
    /// # Errors
    /// No answer, a refusal of the whole body, or a receipt that is not the one given before.
    pub async fn send(&mut self, message: &Message) -> Result<Reply, BoxError> {
        let submission = message.submission(self.world.settings.seed);
        let reply = self.parties[message.flow].submit(&submission).await?;
        if reply.status != 202 {
            return Err(format!("{} message {} was answered {}: {}", submission.flow, message.number, reply.status, reply.body).into());
        }
        self.note(message, &reply)?;
        Ok(reply)
    }

    /// Notes an answer to a message.
    ///
    /// # Errors
    /// A receipt that is not the one given before; a file that cannot be written.
    pub fn note(&mut self, message: &Message, reply: &Reply) -> Result<(), BoxError> {
        let receipt_sha256 = Digest::of(receipt_of(reply).as_bytes());
        match self.known.get(&(message.flow, message.number)) {
            Some(first) if *first != receipt_sha256 => {
                return Err(format!("message {} of {} has another receipt than before", message.number, FLOWS[message.flow].name).into());
            }
            Some(_) => {}
            None => {
                let mut line = serde_json::to_vec(&Answered { message: message.clone(), receipt_sha256 })?;
                line.push(b'\n');
                self.answers.write_all(&line)?;
                self.answers.sync_data()?;
                self.known.insert((message.flow, message.number), receipt_sha256);
            }
        }
        if !self.sent.contains(message) {
            let count = |name: &str| reply.body["counts"][name].as_u64().unwrap_or(0);
            let tally = &mut self.tallies[message.flow];
            tally.sent += count("records");
            tally.accepted += count("accepted");
            tally.refused += count("refused");
            tally.times.push(reply.took);
            self.sent.push(message.clone());
        }
        Ok(())
    }

    async fn send_feeds(&mut self) -> Result<(), BoxError> {
        let plan: Vec<Vec<Message>> = (0..FLOWS.len()).map(|flow| plan(flow, self.world.settings.records)).collect();
        let progress = MultiProgress::new();
        let bars: Vec<ProgressBar> = plan
            .iter()
            .enumerate()
            .map(|(flow, messages)| progress.add(bar(FLOWS[flow].name, messages.iter().map(|m| m.records).sum())))
            .collect();
        let delivered = progress.add(bar("delivered", bars.iter().filter_map(ProgressBar::length).sum()));
        let longest = plan.iter().map(Vec::len).max().unwrap_or(0);
        for turn in 0..longest {
            for (flow, messages) in plan.iter().enumerate() {
                // The feeds keep pace with one another, so that all end together.
                let (from, to) = (turn * messages.len() / longest, (turn + 1) * messages.len() / longest);
                for message in &messages[from..to] {
                    self.send(message).await?;
                    bars[flow].inc(message.records);
                }
            }
            delivered.set_position(self.received());
        }
        bars.iter().for_each(ProgressBar::finish);
        self.follow(&delivered).await?;
        delivered.finish();
        Ok(())
    }

    /// Records that the receiver holds.
    pub fn received(&self) -> u64 {
        self.receiver.totals().values().map(|t| t.records).sum()
    }

    /// Waits until nothing is queued any more.
    ///
    /// # Errors
    /// When nothing arrives for too long, or a dead letter stands.
    pub async fn wait_until_delivered(&self) -> Result<(), BoxError> {
        self.follow(&ProgressBar::hidden()).await
    }

    async fn follow(&self, bar: &ProgressBar) -> Result<(), BoxError> {
        let (mut last, mut moved) = (u64::MAX, Instant::now());
        loop {
            let totals = self.journal.totals().await?;
            let waiting: u64 = totals.destinations.iter().map(|d| d.queued).sum();
            let dead: u64 = totals.destinations.iter().map(|d| d.dead).sum();
            bar.set_position(self.received());
            if dead > 0 {
                return Err(format!("{dead} records are in dead letters").into());
            }
            if waiting == 0 {
                return Ok(());
            }
            if waiting != last {
                (last, moved) = (waiting, Instant::now());
            }
            if moved.elapsed() > STANDSTILL_MAX {
                return Err(format!("{waiting} records wait and nothing has been delivered for {} s", STANDSTILL_MAX.as_secs()).into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Compares what the receiver holds with what the feeds say was accepted, field by field.
    fn compare(&mut self) -> Result<bool, BoxError> {
        let mut exact = true;
        for (flow, of) in FLOWS.iter().enumerate() {
            let mut comparison = self.receiver.compare(of.name)?;
            for message in self.sent.iter().filter(|m| m.flow == flow) {
                let mut expect = |fact: super::feeds::Fact| {
                    if let Expected::Accepted(record) = fact.expected {
                        comparison.expect(&record);
                    }
                };
                message.feed(self.world.settings.seed).write(&mut std::io::sink(), Some(&mut expect))?;
            }
            let compared = comparison.finish()?;
            self.tallies[flow].delivered = compared.matched;
            if !compared.is_exact() {
                exact = false;
                eprintln!("{}: {} records missing at the receiver, {} not expected there", of.name, compared.missing, compared.unexpected);
                for difference in compared.differences.iter().take(5) {
                    eprintln!("  {}: {:?}", difference.identity, difference.fields);
                }
            }
        }
        Ok(exact)
    }

    fn print_table(&self) {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "partner 接入单位",
            "flow 交换业务",
            "sent 报送",
            "accepted 已接收",
            "refused 退回",
            "delivered 已投递",
            "p50 ms",
            "p99 ms",
        ]);
        for (flow, tally) in FLOWS.iter().zip(&self.tallies) {
            let (p50, p99) = percentiles(&tally.times);
            let numbers = [tally.sent, tally.accepted, tally.refused, tally.delivered].map(thousands);
            let mut row = vec![flow.sender.to_owned(), flow.name.to_owned()];
            row.extend(numbers);
            row.extend([p50, p99]);
            table.add_row(row);
        }
        table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        println!("\n{table}");
        println!("p50 and p99: from the call to the whole answer, of messages with {MESSAGE_RECORDS:?} records.");
    }

    /// Ends the gateway as a shutdown does.
    ///
    /// # Errors
    /// A gateway that broke down.
    pub async fn shutdown(self) -> Result<(), BoxError> {
        let _ = self.gateway.end.send(());
        Ok(self.gateway.task.await?)
    }

    /// Sends something every now and then until `end`.
    ///
    /// # Errors
    /// Whatever keeps a message from being answered.
    pub async fn trickle(&mut self, end: impl Future<Output = ()>) -> Result<(), BoxError> {
        tokio::pin!(end);
        let first = self.sent.iter().map(|m| m.number).max().unwrap_or(0).max(STORY_MESSAGES + 1_000) + 1;
        for number in first.. {
            tokio::select! {
                () = &mut end => break,
                () = tokio::time::sleep(TRICKLE_PAUSE) => {}
            }
            let flow = (number % FLOWS.len() as u64) as usize;
            self.send(&Message { flow, number, records: 1 + number % 9, wrong: Vec::new() }).await?;
        }
        Ok(())
    }
}

/// The receipt in an answer, byte for byte.
pub fn receipt_of(reply: &Reply) -> String {
    let text = String::from_utf8_lossy(&reply.bytes);
    // The receipt is the answer's last member.
    let receipt = text.split_once(",\"receipt\":").and_then(|(_, rest)| rest.strip_suffix('}'));
    receipt.unwrap_or_default().to_owned()
}

/// The messages of one feed.
fn plan(flow: usize, records: u64) -> Vec<Message> {
    let mut left = (records * SHARES[flow] / 100).max(1);
    let mut messages = Vec::new();
    for number in 0.. {
        let records = left.min(MESSAGE_RECORDS[flow]);
        // Now and then a platform's table has rows that need mending.
        let wrong = if flow == 1 && number % 4 == 0 && records >= 20 {
            vec![(7, WrongCellKind::FullWidthDigits), (19, WrongCellKind::ThirdDecimal)]
        } else {
            Vec::new()
        };
        messages.push(Message { flow, number, records, wrong });
        left -= records;
        if left == 0 {
            break;
        }
    }
    messages
}

/// The answers noted so far, and the file to note more in.
fn open_answers(path: &Path) -> Result<(Known, File), BoxError> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    // A last line without its line feed was being written when the process was killed; it was never acted upon.
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    file.set_len(whole as u64)?;
    let mut known = BTreeMap::new();
    for line in text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let answered: Answered = serde_json::from_slice(line)?;
        known.insert((answered.message.flow, answered.message.number), answered.receipt_sha256);
    }
    Ok((known, file))
}

fn bar(name: &'static str, records: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix:22} {bar:36} {pos:>9}/{len:<9} {per_sec:>14}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(records).with_style(style).with_prefix(name)
}

fn percentiles(times: &[Duration]) -> (String, String) {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |share: usize| {
        sorted
            .get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)))
            .map_or_else(|| "–".to_owned(), |t| format!("{:.1}", t.as_secs_f64() * 1e3))
    };
    (at(50), at(99))
}
