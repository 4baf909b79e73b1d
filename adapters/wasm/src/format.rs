//! A component as a [`Format`]: bound to plans, reading and writing bodies.

use crate::bindings as wit;
use crate::convert;
use crate::judge::{self, Judge, Wrong};
use crate::sandbox::{Instance, Sandbox};
use portolan_contract::{
    Bound, Format, FormatError, Found, Limits, OptionsError, Plan, Position, RawRecord, ReadRecords, WriteRecords, sentence,
};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::Arc;

/// Bytes of a body that a component is given at once.
const PIECE_BYTES: usize = 16 << 10;
/// Bytes that one call may write, and those that it may write besides for each byte of text that it is given.
const WRITTEN_BYTES_MAX: usize = 64 << 10;
const WRITTEN_RATIO_MAX: usize = 16;
/// Bytes of a media type.
const MEDIA_TYPE_BYTES_MAX: usize = 200;

/// A format from outside.
pub struct Adapter {
    sandbox: Arc<Sandbox>,
}

impl Adapter {
    /// The format of a sandbox.
    pub fn new(sandbox: Sandbox) -> Self {
        Self { sandbox: Arc::new(sandbox) }
    }
}

impl Format for Adapter {
    fn name(&self) -> &str {
        &self.sandbox.name
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let told = (convert::plan(&plan), convert::settings(options));
        let mut bound = BoundAdapter { sandbox: Arc::clone(&self.sandbox), plan, told, media_type: String::new() };
        let failed = |error: FormatError| OptionsError::new("", error.words.en);
        let mut instance = bound.sandbox.instance().map_err(failed)?;
        let media_type = bound.introduce(&mut instance).map_err(failed)?.map_err(|error| {
            // A table's key or a source path, whichever is at fault.
            OptionsError::new(sentence(error.key), sentence(error.message))
        })?;
        drop(instance);
        let is_good =
            media_type.contains('/') && media_type.len() <= MEDIA_TYPE_BYTES_MAX && media_type.bytes().all(|b| (b' '..=b'~').contains(&b));
        if !is_good {
            return Err(OptionsError::new("", format!("the adapter {} names no media type", bound.sandbox.name)));
        }
        bound.media_type = media_type;
        Ok(Arc::new(bound))
    }
}

struct BoundAdapter {
    sandbox: Arc<Sandbox>,
    plan: Arc<Plan>,
    /// The plan and the options, as components take them.
    told: (wit::Plan, Vec<wit::Setting>),
    media_type: String,
}

impl BoundAdapter {
    fn introduce(&self, instance: &mut Instance<'_>) -> Result<Result<String, wit::OptionsError>, FormatError> {
        let bytes = self.told.0.nodes.len() * size_of::<wit::Node>();
        instance.call(bytes, Position::default(), |guest, store| guest.call_bind(store, &self.told.0, &self.told.1))
    }

    /// An instance that knows its plan.
    fn instance(&self) -> Result<Instance<'_>, FormatError> {
        let mut instance = self.sandbox.instance()?;
        match self.introduce(&mut instance)? {
            Ok(_) => Ok(instance),
            // It took them when the mapping was loaded.
            Err(_) => {
                Err(self.sandbox.failed(Position::default(), "不再接受映射规则的选项", "it does not take the mapping's options any more"))
            }
        }
    }
}

impl Bound for BoundAdapter {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        let mut instance = self.instance()?;
        let told = convert::limits(limits);
        let started = instance.call(0, Position::default(), |guest, store| guest.call_start_reading(store, told))?;
        started.map_err(|error| self.sandbox.told(judge::error(error, Position::default()), Position::default()))?;
        let judge = Judge::new(&self.plan, limits);
        let (waiting, current) = (VecDeque::new(), RawRecord::default());
        Ok(Box::new(Reader { input, instance, judge, waiting, end: None, current }))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        let mut writer = Writer { output, instance: self.instance()? };
        let head_given = convert::record(head);
        writer.put(head.text_bytes(), |guest, store| guest.call_start_writing(store, &head_given))?;
        Ok(Box::new(writer))
    }

    fn media_type(&self) -> String {
        self.media_type.clone()
    }
}

struct Reader<'a> {
    input: Box<dyn Read + 'a>,
    instance: Instance<'a>,
    judge: Judge<'a>,
    /// Records of the last batch that were not handed out yet.
    waiting: VecDeque<RawRecord>,
    /// What stands outside the records, once the last piece was given.
    end: Option<RawRecord>,
    current: RawRecord,
}

impl ReadRecords for Reader<'_> {
    fn read(&mut self) -> Result<Found<'_>, FormatError> {
        while self.waiting.is_empty() && self.end.is_none() {
            self.give_piece()?;
        }
        if let Some(record) = self.waiting.pop_front() {
            self.current = record;
            return Ok(Found::Record(&self.current));
        }
        self.current = self.end.take().unwrap_or_default();
        Ok(Found::End(&self.current))
    }

    /// A component hands over whole records alone: what stands around the last of them is all that is known.
    fn held(&self) -> &RawRecord {
        &self.current
    }
}

impl Reader<'_> {
    fn give_piece(&mut self) -> Result<(), FormatError> {
        let at = self.judge.given;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let read = (&mut self.input).take(PIECE_BYTES as u64).read_to_end(&mut piece);
        read.map_err(|error| FormatError::from_io(error, at))?;
        let is_last = piece.len() < PIECE_BYTES;
        self.judge.give(&piece);
        let found = self.instance.call(piece.len(), at, |guest, store| guest.call_read(store, &piece, is_last))?;
        let taken = match found {
            Ok(batch) => self.take(batch, is_last),
            Err(error) => Err(self.judge.error(error)),
        };
        taken.map_err(|wrong| self.instance.sandbox.told(wrong, at))
    }

    fn take(&mut self, batch: wit::Batch, is_last: bool) -> Result<(), Wrong> {
        for record in batch.records {
            self.waiting.push_back(self.judge.record(record)?);
        }
        match (batch.end, is_last) {
            (Some(end), true) => self.end = Some(self.judge.end(end)?),
            (None, false) => {}
            (Some(_), false) => return Err(Wrong::Rule("报文未完即告结束", "it says that the body has ended before it has")),
            (None, true) => return Err(Wrong::Rule("报文已完而未告结束", "it does not say that the body has ended")),
        }
        Ok(())
    }
}

struct Writer<'a> {
    output: Box<dyn Write + 'a>,
    instance: Instance<'a>,
}

impl Writer<'_> {
    fn put(
        &mut self,
        bytes: usize,
        call: impl FnOnce(&wit::Guest, &mut wasmtime::Store<crate::sandbox::Memory>) -> wasmtime::Result<Result<Vec<u8>, wit::Error>>,
    ) -> Result<(), FormatError> {
        // What is written has no places yet, whatever the component says.
        let nowhere = Position::default();
        let written = self.instance.call(bytes, nowhere, call)?;
        let written = written.map_err(|error| self.instance.sandbox.told(judge::error(error, nowhere), nowhere))?;
        if written.len() > WRITTEN_BYTES_MAX + WRITTEN_RATIO_MAX.saturating_mul(bytes) {
            let (zh, en) = ("写出的内容远多于所给的记录", "it wrote far more than the record that it was given");
            return Err(self.instance.sandbox.failed(nowhere, zh, en));
        }
        self.output.write_all(&written).map_err(|error| FormatError::from_io(error, nowhere))
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        let given = convert::record(record);
        self.put(record.text_bytes(), |guest, store| guest.call_write(store, &given))
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.put(0, |guest, store| guest.call_finish(store))?;
        self.output.flush().map_err(|error| FormatError::from_io(error, Position::default()))
    }
}
