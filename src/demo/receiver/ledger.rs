//! What the receiver holds, on disk.
//!
//! `ledger.ndjson` has one line for each delivery, appended and fsynced before the delivery is
//! answered; `records/DELIVERY.ndjson` has its records, one canonical JSON object a line with its
//! members in the order of their names, fsynced before the line is appended. A last line without
//! its line feed was being written when the process ended: it is cut off, and its delivery, which
//! was never answered, will come again.

use crate::domain::{DeliveryId, Digest, ExchangeId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A delivery that the receiver holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldDelivery {
    /// Its id.
    pub delivery: DeliveryId,
    /// The exchange that it is a part of.
    pub exchange: ExchangeId,
    /// Under which flow.
    pub flow: String,
    /// Who sent the exchange.
    pub sender: String,
    /// Digest of its body.
    pub digest: Digest,
    /// How many records it has.
    pub records: u64,
    /// The sum of their amounts for each currency, as decimal text.
    pub amounts: BTreeMap<String, String>,
}

/// What the receiver holds under one flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowTotals {
    /// Deliveries, each counted once.
    pub deliveries: u64,
    /// Records.
    pub records: u64,
    /// The sum of their amounts for each currency.
    pub amounts: BTreeMap<String, Decimal>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new, and durable.
    New,
    /// It was held already; nothing changed.
    Again,
    /// Another body was held under its id; nothing changed.
    OtherBytes,
}

/// The deliveries held, and the folder that they are in.
pub struct Ledger {
    folder: PathBuf,
    file: File,
    held: BTreeMap<DeliveryId, HeldDelivery>,
    repeats: u64,
}

impl Ledger {
    /// Opens a folder, creating it where there is none.
    ///
    /// # Errors
    /// A folder that cannot be used, or a ledger with a line that is none.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("records"))?;
        let path = folder.join("ledger.ndjson");
        let text = if path.exists() { fs::read(&path)? } else { Vec::new() };
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);

        let mut held = BTreeMap::new();
        for line in text[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let row: HeldDelivery = serde_json::from_slice(line)?;
            held.insert(row.delivery, row);
        }

        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
        sync_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), file, held, repeats: 0 })
    }

    /// Makes a delivery durable, unless it is held.
    ///
    /// # Errors
    /// Those of the disk; the delivery is not held then, although some of it may be on disk.
    pub fn take(&mut self, row: HeldDelivery, records: &[Value]) -> io::Result<Taken> {
        if let Some(held) = self.held.get(&row.delivery) {
            if held.digest != row.digest {
                return Ok(Taken::OtherBytes);
            }
            self.repeats += 1;
            return Ok(Taken::Again);
        }
        self.write_records(row.delivery, records)?;
        let length = self.file.metadata()?.len();
        if let Err(e) = append(&mut self.file, &row) {
            // Half a line would spoil the next one.
            self.file.set_len(length)?;
            return Err(e);
        }
        self.held.insert(row.delivery, row);
        Ok(Taken::New)
    }

    /// The deliveries held, in the order of their ids.
    pub fn held(&self) -> Vec<HeldDelivery> {
        self.held.values().cloned().collect()
    }

    /// Deliveries that came again since the ledger was opened.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// What is held, by flow.
    pub fn totals(&self) -> BTreeMap<String, FlowTotals> {
        let mut totals: BTreeMap<String, FlowTotals> = BTreeMap::new();
        for row in self.held.values() {
            let flow = totals.entry(row.flow.clone()).or_default();
            flow.deliveries += 1;
            flow.records += row.records;
            for (currency, amount) in &row.amounts {
                let sum = flow.amounts.entry(currency.clone()).or_default();
                *sum = sum.saturating_add(amount.parse().unwrap_or_default());
            }
        }
        totals
    }

    /// The files of the records held under a flow.
    pub fn record_files(&self, flow: &str) -> Vec<PathBuf> {
        self.held.values().filter(|row| row.flow == flow).map(|row| self.record_file(row.delivery)).collect()
    }

    fn record_file(&self, delivery: DeliveryId) -> PathBuf {
        self.folder.join("records").join(format!("{delivery}.ndjson"))
    }

    /// Writes the records durably. A file of that name is left from a delivery that was never
    /// answered, and is replaced.
    fn write_records(&self, delivery: DeliveryId, records: &[Value]) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(self.record_file(delivery))?);
        for record in records {
            file.write_all(line_of(record).as_bytes())?;
            file.write_all(b"\n")?;
        }
        file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        sync_folder(&self.folder.join("records"))
    }
}

/// A record as the one line that is kept, hashed and compared: members in the order of their names.
pub fn line_of(record: &Value) -> String {
    let mut sorted = record.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// The sum of the records' amounts for each currency: a payment's amount, a seller's gross income,
/// the total prices of declared goods.
pub fn amounts(records: &[Value]) -> BTreeMap<String, String> {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for record in records {
        let items = record["items"].as_array().map_or(&[][..], Vec::as_slice);
        for holder in std::iter::once(record).chain(items) {
            let amount = ["amount", "gross_income", "total_price"].iter().find_map(|name| holder[*name].as_str());
            if let (Some(Ok(amount)), Some(currency)) = (amount.map(str::parse::<Decimal>), holder["currency"].as_str()) {
                let sum = sums.entry(currency.to_owned()).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
    }
    sums.into_iter().map(|(currency, sum)| (currency, sum.to_string())).collect()
}

fn append(file: &mut File, row: &HeldDelivery) -> io::Result<()> {
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    file.write_all(&line)?;
    file.sync_data()
}

/// Makes names of files in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
