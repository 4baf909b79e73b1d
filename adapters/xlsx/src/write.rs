//! Writing: a workbook of one sheet, streamed row by row: labelled values, the headings (bold, and
//! frozen so that they stay in view), a row for each record, and the trailer row.
//!
//! Cells of numbers and days are typed where that loses nothing (see [`crate::typed`]); every other
//! cell is text. The parts hold no time and the zip's entries all the same one, so that the same
//! records give the same bytes.

use crate::sheet::ROWS_MAX;
use crate::{BoundXlsx, SheetChoice, escapes, typed};
use portolan_contract::table::{Column, RowValues, column_letters};
use portolan_contract::{Form, FormatCode, FormatError, Position, RawRecord, SlotId, WriteRecords};
use std::fmt::Write as _;
use std::io::{self, Write};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Characters of a cell, as UTF-16 counts them: spreadsheets cut off what is longer.
const CELL_CHARS_MAX: usize = 32_767;
/// Bytes of XML that are gathered before they are compressed.
const CHUNK_BYTES: usize = 64 << 10;
/// The name of a sheet that the mapping does not name.
const SHEET_NAME: &str = "Sheet1";
/// Styles in the order of [`STYLES`]: text, and text of a heading.
const TEXT: u32 = 1;
const HEADING: u32 = 2;

const CONTENT_TYPES: &str = r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#;
const ROOT_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;
const STYLES: &str = r#"<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><fonts count="2"><font><sz val="11"/><name val="Calibri"/></font><font><b/><sz val="11"/><name val="Calibri"/></font></fonts><fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/><xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/><xf numFmtId="49" fontId="1" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1"/></cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"#;
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// Writes the records of one body.
pub struct Writer<'a> {
    bound: &'a BoundXlsx,
    zip: ZipWriter<StreamWriter<Box<dyn Write + 'a>>>,
    /// XML of the sheet that is not compressed yet.
    xml: String,
    /// Rows begun.
    rows: u32,
    values: RowValues,
    head: RawRecord,
}

impl<'a> Writer<'a> {
    /// A writer at the first row, with what stands before the rows written.
    ///
    /// # Errors
    /// I/O faults, and text that a cell cannot hold.
    pub fn new(output: Box<dyn Write + 'a>, bound: &'a BoundXlsx, head: &RawRecord) -> Result<Self, FormatError> {
        let zip = ZipWriter::new_stream(output);
        let values = RowValues::new(&bound.plan);
        let mut writer = Self { bound, zip, xml: String::new(), rows: 0, values, head: head.clone() };
        let workbook = writer.workbook();
        for (name, text) in [
            ("[Content_Types].xml", CONTENT_TYPES),
            ("_rels/.rels", ROOT_RELATIONS),
            ("xl/workbook.xml", &workbook),
            ("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONS),
            ("xl/styles.xml", if typed::is_in(&bound.plan) { typed::STYLES } else { STYLES }),
            ("xl/worksheets/sheet1.xml", ""),
        ] {
            writer.zip.start_file(name, entry_options()).map_err(zip_error)?;
            writer.xml.push_str(DECLARATION);
            writer.xml.push_str(text);
            writer.flush()?;
        }
        writer.begin_sheet(head)?;
        Ok(writer)
    }

    fn workbook(&self) -> String {
        let mut name = String::new();
        escapes::encode(if let SheetChoice::Name(name) = &self.bound.sheet { name } else { SHEET_NAME }, &mut name);
        format!(
            r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="{name}" sheetId="1" r:id="rId1"/></sheets></workbook>"#
        )
    }

    /// Writes the labels that have a value, and the headings.
    fn begin_sheet(&mut self, head: &RawRecord) -> Result<(), FormatError> {
        let bound = self.bound;
        let form = |slot: Option<SlotId>| slot.map_or(Form::Text, |slot| bound.plan.slot(slot).form);
        let labelled = |label: &'a Column| {
            let value = label.slot.and_then(|slot| head.find(slot, None)).map(|v| head.text(v));
            let text = value.or(label.constant.as_deref()).filter(|text| !text.is_empty())?;
            Some((label.name.as_str(), text.to_owned(), form(label.slot)))
        };
        let labels: Vec<(&str, String, Form)> = bound.table.labels.iter().filter_map(labelled).collect();
        let (frozen, columns) = (labels.len() + 1, bound.table.columns.len().max(2));
        let _ = write!(
            self.xml,
            r#"<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetViews><sheetView workbookViewId="0"><pane ySplit="{frozen}" topLeftCell="A{}" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews><cols><col min="1" max="{columns}" width="22" style="{TEXT}" customWidth="1"/></cols><sheetData>"#,
            frozen + 1
        );
        for (label, value, form) in labels {
            self.row([(label, Form::Text), (value.as_str(), form)], TEXT).map_err(|e| e.on(label))?;
        }
        self.row(bound.table.columns.iter().map(|c| (c.name.as_str(), Form::Text)), HEADING)
    }

    /// Writes one row; cells without text are left out.
    fn row<'t>(&mut self, cells: impl IntoIterator<Item = (&'t str, Form)>, style: u32) -> Result<(), FormatError> {
        if self.rows == ROWS_MAX {
            let (zh, en) = (format!("工作表最多 {ROWS_MAX} 行"), format!("a sheet has at most {ROWS_MAX} rows"));
            return Err(FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en));
        }
        self.rows += 1;
        let _ = write!(self.xml, r#"<row r="{}">"#, self.rows);
        for (column, (text, form)) in (1..).zip(cells).filter(|(_, (text, _))| !text.is_empty()) {
            check_cell(text)?;
            let (column, row) = (column_letters(column), self.rows);
            if let Some(typed::Typed { number, style }) = typed::typed(text, form) {
                let _ = write!(self.xml, r#"<c r="{column}{row}" s="{style}"><v>{number}</v></c>"#);
                continue;
            }
            let _ = write!(self.xml, r#"<c r="{column}{row}" s="{style}" t="inlineStr"><is><t xml:space="preserve">"#);
            escapes::encode(text, &mut self.xml);
            self.xml.push_str("</t></is></c>");
        }
        self.xml.push_str("</row>");
        if self.xml.len() > CHUNK_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), FormatError> {
        self.zip.write_all(self.xml.as_bytes()).map_err(|e| FormatError::from_io(e, Position::default()))?;
        self.xml.clear();
        Ok(())
    }

    /// Writes the row that ends the table, where there is a value for it.
    fn trailer(&mut self) -> Result<(), FormatError> {
        let (bound, head) = (self.bound, std::mem::take(&mut self.head));
        let text = |slot: &Option<SlotId>| slot.and_then(|slot| head.find(slot, None)).map(|v| head.text(v));
        let mut cells: Vec<&str> = bound.table.trailer.iter().map(|slot| text(slot).unwrap_or_default()).collect();
        let (Some(label), Some(first)) = (bound.table.trailer_label.as_deref(), cells.first_mut()) else { return Ok(()) };
        *first = label;
        let forms = bound.table.trailer.iter().map(|slot| slot.map_or(Form::Text, |slot| bound.plan.slot(slot).form));
        if cells.iter().skip(1).all(|text| text.is_empty()) { Ok(()) } else { self.row(cells.into_iter().zip(forms), TEXT) }
    }
}

impl WriteRecords for Writer<'_> {
    fn write(&mut self, record: &RawRecord) -> Result<(), FormatError> {
        self.bound.table.check_around(&self.head, record)?;
        self.values.take_up(record);
        let bound = self.bound;
        let mut cells = Vec::with_capacity(bound.table.columns.len());
        for column in &bound.table.columns {
            let text = self.values.text(column, record);
            check_cell(text).map_err(|e| e.on(format!("row/{}", column.name)))?;
            cells.push(text);
        }
        let Some((first, name)) = cells.iter().zip(&bound.table.columns).find(|(text, _)| !text.is_empty()) else {
            let (zh, en) =
                ("没有任何值的记录会成为空行，读者会略过", "a record without any value would be an empty row, which is passed over");
            return Err(forbidden(zh, en));
        };
        if bound.table.is_trailer(first) {
            let (zh, en) = ("首格与结尾行的标志相同，读者会误认", "the first cell equals the trailer's label and would be taken for it");
            return Err(forbidden(zh, en).on(format!("row/{}", name.name)));
        }
        let forms = bound.table.columns.iter().map(|column| column.slot.map_or(Form::Text, |slot| bound.plan.slot(slot).form));
        self.row(cells.into_iter().zip(forms), TEXT)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        self.trailer()?;
        self.xml.push_str("</sheetData></worksheet>");
        self.flush()?;
        let mut output = self.zip.finish().map_err(zip_error)?;
        output.flush().map_err(|e| FormatError::from_io(e, Position::default()))
    }
}

fn entry_options() -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
        .large_file(true)
}

fn check_cell(text: &str) -> Result<(), FormatError> {
    if text.contains('\0') {
        return Err(forbidden("单元格含有 NUL（U+0000）字符", "a cell holds a NUL character (U+0000)"));
    }
    if text.len() > CELL_CHARS_MAX && text.encode_utf16().count() > CELL_CHARS_MAX {
        let (zh, en) = (format!("单元格最多 {CELL_CHARS_MAX} 个字符"), format!("a cell holds at most {CELL_CHARS_MAX} characters"));
        return Err(FormatError::new(FormatCode::ValueUnwritable, Position::default(), zh, en));
    }
    Ok(())
}

fn forbidden(zh: &str, en: &str) -> FormatError {
    FormatError::new(FormatCode::CharacterForbidden, Position::default(), zh, en)
}

fn zip_error(error: zip::result::ZipError) -> FormatError {
    FormatError::from_io(io::Error::from(error), Position::default())
}
