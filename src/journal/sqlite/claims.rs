//! Claiming the business keys of an exchange: the first record with a key has it, in this exchange or
//! in an earlier one.
//!
//! Keys are random numbers, and millions of them claimed in the order of their records would read and
//! write a page of the table for each. They are claimed in their own order instead, so that each page
//! is met once. At most [`KEYS_SORTED_MAX`] keys are in memory, 24 bytes each: the index of a larger
//! body is read once for each part of all possible keys, and everyone once more to count.

use crate::domain::{Chunk, ExchangeId, Finding, IndexRow, Severity, Stored};
use crate::journal::JournalError;
use portolan_contract::{Position, Words};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::fs::File;
use std::io::{BufReader, Read};

/// Keys in memory.
pub(super) const KEYS_SORTED_MAX: usize = 512 * 1024;
/// Repeated records that a report names; all are counted.
const REPEATS_TOLD_MAX: usize = 100;
/// Bytes of an index file read at a time.
const INDEX_BUFFER_BYTES: usize = 64 * 1024;
/// The key of a record that has none.
const NO_KEY: [u8; 16] = [0; 16];

/// Who claims.
#[derive(Clone, Copy)]
pub(super) struct Claimant {
    /// Among which keys.
    pub space: i64,
    /// For which exchange.
    pub sequence: i64,
}

/// What claiming the business keys of an index came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Claimed {
    /// One bit for each row known before, lowest first, as far as the last such row.
    pub repeated: Vec<u8>,
    /// How many rows were known before.
    pub repeated_rows: u64,
    /// Records left for each chunk.
    pub records: Vec<u64>,
    /// What the report says of the first rows known before.
    pub told: Vec<Finding>,
}

impl Claimed {
    /// Claims the keys of an index and counts the rows that are left for each chunk.
    pub fn claim(
        connection: &Connection,
        claimant: Claimant,
        index: &Stored,
        chunks: &[Chunk],
        keys_max: usize,
    ) -> Result<Self, JournalError> {
        if !index.length().is_multiple_of(IndexRow::BYTES as u64) {
            return Err(JournalError::Damaged("the index of an exchange is cut".to_owned()));
        }
        let mut claimed = Self::default();
        // A part that has more keys than others, as many records with one key do, is claimed in pieces.
        let parts = (index.length() / IndexRow::BYTES as u64).div_ceil(keys_max as u64 * 3 / 4);
        let claim = "INSERT INTO business_key (space, key, sequence) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        let mut claim = connection.prepare_cached(claim)?;
        let mut keys = Vec::new();
        for part in 0..parts {
            for row in Rows::open(index)? {
                let (number, row) = row?;
                if row.key != NO_KEY && part_of(&row.key, parts) == part {
                    keys.push((row.key, number));
                }
                if keys.len() == keys_max {
                    claimed.claim_sorted(&mut claim, claimant, &mut keys)?;
                }
            }
            claimed.claim_sorted(&mut claim, claimant, &mut keys)?;
        }
        claimed.count(connection, claimant.space, index, chunks)?;
        Ok(claimed)
    }

    /// Claims these keys; of those that are equal, the first row's.
    fn claim_sorted(
        &mut self,
        claim: &mut CachedStatement<'_>,
        Claimant { space, sequence }: Claimant,
        keys: &mut Vec<([u8; 16], u64)>,
    ) -> Result<(), JournalError> {
        keys.sort_unstable();
        for (key, row) in keys.drain(..) {
            if claim.execute(params![space, key, sequence])? == 0 {
                self.note_repeated(row);
            }
        }
        Ok(())
    }

    fn count(&mut self, connection: &Connection, space: i64, index: &Stored, chunks: &[Chunk]) -> Result<(), JournalError> {
        let mut sweep = Sweep::new(chunks);
        let mut records = vec![0; chunks.len()];
        for row in Rows::open(index)? {
            let (number, row) = row?;
            if !self.is_repeated(number) {
                sweep.count(number, row.destinations, &mut records);
            } else if self.told.len() < REPEATS_TOLD_MAX {
                self.told.extend(first_with(connection, space, &row.key)?.map(|first| known_before(&row, first)));
            }
        }
        self.records = records;
        Ok(())
    }

    fn note_repeated(&mut self, row: u64) {
        self.repeated_rows += 1;
        let byte = (row / 8) as usize;
        if byte >= self.repeated.len() {
            self.repeated.resize(byte + 1, 0);
        }
        if let Some(bits) = self.repeated.get_mut(byte) {
            *bits |= 1 << (row % 8);
        }
    }

    fn is_repeated(&self, row: u64) -> bool {
        self.repeated.get((row / 8) as usize).is_some_and(|bits| bits >> (row % 8) & 1 == 1)
    }
}

/// The exchange that had a key first.
fn first_with(connection: &Connection, space: i64, key: &[u8; 16]) -> Result<Option<ExchangeId>, JournalError> {
    let find = "SELECT exchange.id FROM business_key JOIN exchange USING (sequence) WHERE space = ?1 AND key = ?2";
    let id = connection.prepare_cached(find)?.query_row(params![space, key], |row| row.get(0)).optional()?;
    Ok(id.map(ExchangeId::from_bytes))
}

/// A record that is not delivered again is named in the report, with the exchange that has it.
fn known_before(row: &IndexRow, first: ExchangeId) -> Finding {
    Finding {
        severity: Severity::Warning,
        rule: "record.repeated".to_owned(),
        record: Some(row.record),
        part: None,
        at: Position { line: u64::from(row.source_line), ..Position::default() },
        source: None,
        canonical: None,
        found: None,
        words: Words::new(
            format!("交换单 {first} 已有同一业务事实，不再投递"),
            format!("the same fact is known from exchange {first} and is not delivered again"),
        ),
    }
}

/// Which of so many equal parts of all possible keys a key is in.
fn part_of(key: &[u8; 16], parts: u64) -> u64 {
    let [a, b, c, d, ..] = *key;
    (u64::from(u32::from_be_bytes([a, b, c, d])) * parts) >> 32
}

/// The rows of an index with their numbers.
struct Rows<'a> {
    source: Box<dyn Read + 'a>,
    numbers: std::ops::Range<u64>,
}

impl<'a> Rows<'a> {
    fn open(index: &'a Stored) -> Result<Self, JournalError> {
        let source: Box<dyn Read + 'a> = match index {
            Stored::Inline(bytes) => Box::new(bytes.as_ref()),
            Stored::File { path, .. } => Box::new(BufReader::with_capacity(INDEX_BUFFER_BYTES, File::open(path)?)),
        };
        Ok(Self { source, numbers: 0..index.length() / IndexRow::BYTES as u64 })
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<(u64, IndexRow), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.numbers.next()?;
        let mut bytes = [0; IndexRow::BYTES];
        let read = self.source.read_exact(&mut bytes);
        Some(read.map(|()| (number, IndexRow::from_bytes(&bytes))).map_err(JournalError::from))
    }
}

/// Passes over the rows of an index once, knowing which chunks span each row.
struct Sweep<'a> {
    chunks: &'a [Chunk],
    /// Chunks by their first row; `order[begun..]` have not begun.
    order: Vec<usize>,
    begun: usize,
    /// Chunks that have begun and not ended.
    open: Vec<usize>,
}

impl<'a> Sweep<'a> {
    fn new(chunks: &'a [Chunk]) -> Self {
        let mut order: Vec<usize> = (0..chunks.len()).collect();
        order.sort_by_key(|&place| chunks.get(place).map(|chunk| chunk.first_row));
        Self { chunks, order, begun: 0, open: Vec::new() }
    }

    /// Counts a row for each chunk that spans it and has its destination. Rows come in order.
    fn count(&mut self, row: u64, destinations: u64, records: &mut [u64]) {
        let chunk = |place: usize| self.chunks.get(place);
        while let Some(&next) = self.order.get(self.begun)
            && chunk(next).is_some_and(|chunk| chunk.first_row <= row)
        {
            self.open.push(next);
            self.begun += 1;
        }
        self.open.retain(|&place| chunk(place).is_some_and(|chunk| row - chunk.first_row < chunk.rows));
        for &place in &self.open {
            let takes = chunk(place).is_some_and(|chunk| destinations >> chunk.destination & 1 == 1);
            if let (true, Some(records)) = (takes, records.get_mut(place)) {
                *records += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claims keys, each given by its first byte, and checks which rows were known before and how
    /// many are left, whatever number of keys is sorted at a time.
    fn check(earlier: &[u8], keys: &[u8], repeated: &[u64]) {
        let row = |key: &u8| {
            let mut whole = NO_KEY;
            (whole[0], whole[15]) = (*key, u8::from(*key > 0));
            IndexRow { record: 1, offset: 0, length: 1, source_line: 1, destinations: 1, key: whole }
        };
        let index = |keys: &[u8]| Stored::Inline(keys.iter().flat_map(|key| row(key).to_bytes()).collect::<Vec<_>>().into());
        for keys_max in [2, 3, 5, 1000] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(include_str!("schema.sql")).unwrap();
            connection.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
            let claim = |sequence, keys: &[u8]| {
                let chunks = [Chunk { destination: 0, first_row: 0, rows: keys.len() as u64, order_key: None, repeated_ids: 0 }];
                Claimed::claim(&connection, Claimant { space: 1, sequence }, &index(keys), &chunks, keys_max).unwrap()
            };
            claim(1, earlier);
            let claimed = claim(2, keys);
            let rows: Vec<u64> = (0..keys.len() as u64).filter(|row| claimed.is_repeated(*row)).collect();
            assert_eq!(rows, repeated, "{keys_max} at a time");
            assert_eq!(claimed.repeated_rows, repeated.len() as u64);
            assert_eq!(claimed.records, [(keys.len() - repeated.len()) as u64]);
        }
    }

    #[test]
    fn the_first_row_of_a_key_has_it() {
        check(&[], &[], &[]);
        check(&[], &[9, 200, 9, 3, 200, 9], &[2, 4, 5]);
        check(&[], &[7; 9], &[1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_an_earlier_exchange_claimed_is_known() {
        check(&[3, 250], &[250, 1, 3, 2, 1], &[0, 2, 4]);
    }

    #[test]
    fn records_without_a_key_are_never_known() {
        check(&[0, 1], &[0, 0, 1, 0], &[2]);
    }
}
