//! Cuts the accepted records of each destination into deliveries of bounded size.
//!
//! A delivery ends where it is full, where the key of an ordered flow changes, and where the heading of the receiver's
//! format does: one body says who sent which message once. One that goes on with a message of an earlier delivery to
//! the same destination says so, since its receiver would take two of the same id for one.

use super::FlowPlan;
use crate::config::{Flow, Order};
use crate::domain::{Chunk, Digest, IndexRow};
use crate::mapping::Mapping;
use crate::mapping::heading;
use crate::mapping::numbered;
use crate::mapping::schema::at_path;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;

/// The deliveries of one body.
pub(super) struct Chunks<'p> {
    flow: &'p Flow,
    destinations: Vec<Destination<'p>>,
    closed: Vec<Chunk>,
}

/// What is cut for one destination.
struct Destination<'p> {
    mapping: &'p Mapping,
    /// The records that one delivery may hold: the flow's cap or the format's.
    records_max: u64,
    open: Option<OpenChunk>,
    /// The ids that deliveries have, by digest: a few for each delivery at most.
    begun: HashSet<[u8; 32]>,
}

struct OpenChunk {
    first_row: u64,
    last_row: u64,
    records: u64,
    bytes: u64,
    order_key: Option<String>,
    heading: Vec<Value>,
    repeated_ids: u32,
}

impl<'p> Chunks<'p> {
    pub(super) fn new(plan: &'p FlowPlan) -> Self {
        let flow = plan.flow.as_ref();
        let destination = |mapping: &'p Arc<Mapping>| {
            let records_max = mapping.written_records_max.min(flow.delivery_records_max);
            Destination { mapping: mapping.as_ref(), records_max, open: None, begun: HashSet::new() }
        };
        Self { flow, destinations: plan.destinations.iter().map(|(_, mapping)| destination(mapping)).collect(), closed: Vec::new() }
    }

    /// Deliveries to which no more can be added.
    pub(super) fn closed(&self) -> usize {
        self.closed.len()
    }

    pub(super) fn add(&mut self, row_number: u64, row: &IndexRow, canonical: &Value) {
        let order_key = self.order_key(canonical);
        for bit in 0..self.destinations.len() {
            if row.destinations >> bit & 1 == 0 {
                continue;
            }
            let destination = &self.destinations[bit];
            let ends = |chunk: &OpenChunk| {
                chunk.records >= destination.records_max
                    || chunk.bytes + u64::from(row.length) > self.flow.delivery_bytes_max
                    || chunk.order_key != order_key
                    || heading::differing(&destination.mapping.heading, &chunk.heading, canonical).is_some()
            };
            if destination.open.as_ref().is_some_and(ends) {
                self.close(bit);
            }
            self.destinations[bit].add(row_number, row, canonical, &order_key);
        }
    }

    fn order_key(&self, canonical: &Value) -> Option<String> {
        match &self.flow.order {
            Order::None => None,
            Order::Sender => Some(String::new()),
            Order::Key(path) => {
                Some(at_path(canonical, path).map_or(String::new(), |v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
            }
        }
    }

    fn close(&mut self, bit: usize) {
        if let Some(chunk) = self.destinations[bit].open.take() {
            let OpenChunk { first_row, last_row, order_key, repeated_ids, .. } = chunk;
            let rows = last_row - first_row + 1;
            self.closed.push(Chunk { destination: bit as u8, first_row, rows, order_key, repeated_ids });
        }
    }

    pub(super) fn finish(mut self) -> Vec<Chunk> {
        (0..self.destinations.len()).for_each(|bit| self.close(bit));
        self.closed
    }
}

impl Destination<'_> {
    /// Adds a record to the open delivery, or begins one with it.
    fn add(&mut self, row_number: u64, row: &IndexRow, canonical: &Value, order_key: &Option<String>) {
        let Self { mapping, open, begun, .. } = self;
        let chunk = open.get_or_insert_with(|| OpenChunk {
            first_row: row_number,
            last_row: row_number,
            records: 0,
            bytes: 0,
            order_key: order_key.clone(),
            heading: heading::values(&mapping.heading, canonical),
            repeated_ids: repeated_ids(mapping, canonical, begun),
        });
        chunk.last_row = row_number;
        chunk.records += 1;
        chunk.bytes += u64::from(row.length);
    }
}

/// Which of the ids that a receiver knows a record's message by are those of an earlier delivery too.
fn repeated_ids(mapping: &Mapping, canonical: &Value, begun: &mut HashSet<[u8; 32]>) -> u32 {
    let mut repeated = 0;
    for (index, path) in mapping.numbered.iter().enumerate() {
        let Some(id) = at_path(canonical, path).and_then(Value::as_str) else { continue };
        if !begun.insert(Digest::of(format!("{index} {id}").as_bytes()).0) {
            repeated |= numbered::bit(index);
        }
    }
    repeated
}
