//! What a workbook says of itself: its sheets, its shared strings, and what its cell formats mean.
//!
//! Parts are found by the package's relationships, of which those to anything outside it are passed
//! over. Limits: sheets, shared strings and their text, and cell formats.

use crate::formats::CellFormat;
use crate::package::{self, Package};
use crate::xml::{Node, Xml};
use portolan_contract::{FormatCode, FormatError, Limits};
use std::collections::HashMap;

/// Sheets of a workbook, and relationships of one part.
pub const SHEETS_MAX: usize = 1_000;
/// Strings that cells share, and bytes of their text, held in memory.
pub const SHARED_STRINGS_MAX: usize = 8 << 20;
/// See [`SHARED_STRINGS_MAX`].
pub const SHARED_TEXT_BYTES_MAX: usize = 128 << 20;
/// Cell formats of a workbook, as many as spreadsheets allow.
pub const CELL_FORMATS_MAX: usize = 65_536;

/// A workbook, ready for one of its sheets to be read.
pub struct Workbook {
    /// The zip.
    pub package: Package,
    /// The sheets in their order.
    pub sheets: Vec<Sheet>,
    /// Days are counted from 1904 and not from 1900.
    pub is_1904: bool,
    /// The texts that cells share.
    pub strings: SharedStrings,
    /// By a cell's style, what its numbers mean.
    pub formats: Vec<CellFormat>,
}

/// A worksheet.
pub struct Sheet {
    /// The name on its tab.
    pub name: String,
    /// Its part of the package.
    pub part: String,
    /// It is hidden from those who open the workbook.
    pub is_hidden: bool,
}

/// The texts that cells share, one after the other.
#[derive(Default)]
pub struct SharedStrings {
    text: String,
    ends: Vec<u32>,
}

impl SharedStrings {
    /// The text with this index.
    pub fn at(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)? as usize;
        let start = index.checked_sub(1).and_then(|i| self.ends.get(i)).map_or(0, |&start| start as usize);
        self.text.get(start..end)
    }
}

/// What a part relates to, by the relationship's id.
type Relations = HashMap<String, Relation>;

struct Relation {
    /// The last segment of its type, such as `worksheet`.
    kind: String,
    part: String,
}

impl Workbook {
    /// Reads all but the sheets.
    ///
    /// # Errors
    /// What is no workbook of cells, is not well-formed, or is beyond a cap.
    pub fn open(package: Package, limits: &Limits) -> Result<Self, FormatError> {
        refuse_other_documents(&package)?;
        let roots = relations(&package, "", limits)?;
        let main = roots.values().find(|r| r.kind == "officeDocument").map(|r| r.part.clone());
        let main =
            main.ok_or_else(|| package::error(FormatCode::NotThisMessage, "压缩包内没有工作簿", "there is no workbook in this zip"))?;
        let related = relations(&package, &main, limits)?;
        let (sheets, is_1904) = sheets(&package, &main, &related, limits)?;
        let part_of = |kind: &str| related.values().find(|r| r.kind == kind).map(|r| r.part.as_str()).filter(|part| package.has(part));
        let strings = part_of("sharedStrings").map_or(Ok(SharedStrings::default()), |part| shared_strings(&package, part, limits))?;
        let formats = part_of("styles").map_or(Ok(Vec::new()), |part| cell_formats(&package, part, limits))?;
        Ok(Self { sheets, is_1904, strings, formats, package })
    }
}

fn refuse_other_documents(package: &Package) -> Result<(), FormatError> {
    let (zh, en) = if package.names().any(|name| name.ends_with("vbaproject.bin")) {
        ("工作簿含有宏（.xlsm），请另存为不含宏的 .xlsx 后报送", "the workbook holds macros (.xlsm); save it as .xlsx without them")
    } else if package.has("xl/workbook.bin") {
        ("这是二进制工作簿（.xlsb），请另存为 .xlsx 后报送", "this is a binary workbook (.xlsb); save it as .xlsx")
    } else if package.has("content.xml") && package.has("mimetype") {
        ("这是 OpenDocument 文档（.ods），请另存为 .xlsx 后报送", "this is an OpenDocument file (.ods); save it as .xlsx")
    } else if !package.has("_rels/.rels") || !package.has("[Content_Types].xml") {
        ("这是普通压缩包，不是 .xlsx 工作簿", "this is a zip but no .xlsx workbook")
    } else {
        return Ok(());
    };
    Err(package::error(FormatCode::NotThisMessage, zh, en))
}

/// The relationships of a part, or of the package itself where the name is empty.
fn relations(package: &Package, part: &str, limits: &Limits) -> Result<Relations, FormatError> {
    let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
    let name = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
    let mut relations = Relations::new();
    if !package.has(&name) {
        return Ok(relations);
    }
    let mut xml = Xml::new(package.part(&name)?, &name, limits)?;
    loop {
        match xml.next()? {
            Node::Open if xml.name() == "Relationship" && xml.attribute("TargetMode") != Some("External") => {
                let (Some(id), Some(kind), Some(target)) = (xml.attribute("Id"), xml.attribute("Type"), xml.attribute("Target")) else {
                    return Err(xml.error(FormatCode::Syntax, "关系缺少属性", "a relationship lacks an attribute"));
                };
                if relations.len() == SHEETS_MAX {
                    return Err(too_many(&xml, "关系", "relationships", SHEETS_MAX));
                }
                let kind = kind.rsplit('/').next().unwrap_or(kind).to_owned();
                relations.insert(id.to_owned(), Relation { kind, part: resolved(folder, target) });
            }
            Node::End => return Ok(relations),
            _ => {}
        }
    }
}

/// A relationship's target as a part's name.
fn resolved(folder: &str, target: &str) -> String {
    if let Some(absolute) = target.strip_prefix('/') {
        return absolute.to_owned();
    }
    let mut segments: Vec<&str> = folder.split('/').filter(|s| !s.is_empty()).collect();
    for segment in target.split('/') {
        match segment {
            "." | "" => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    segments.join("/")
}

/// The worksheets, and whether days are counted from 1904.
fn sheets(package: &Package, main: &str, related: &Relations, limits: &Limits) -> Result<(Vec<Sheet>, bool), FormatError> {
    let mut xml = Xml::new(package.part(main)?, main, limits)?;
    let (mut sheets, mut is_1904) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Node::Open if xml.name() == "workbookPr" => is_1904 = is_true(xml.attribute("date1904")),
            Node::Open if xml.name() == "sheet" => {
                let relation = xml.attribute("id").and_then(|id| related.get(id));
                let (Some(name), Some(relation)) = (xml.attribute("name"), relation) else {
                    return Err(xml.error(FormatCode::Syntax, "工作表缺少名称或部件", "a sheet has no name or no part"));
                };
                if sheets.len() == SHEETS_MAX {
                    return Err(too_many(&xml, "工作表", "sheets", SHEETS_MAX));
                }
                // A chart's sheet has no cells.
                if relation.kind == "worksheet" {
                    let is_hidden = xml.attribute("state").is_some_and(|state| state != "visible");
                    sheets.push(Sheet { name: name.to_owned(), part: relation.part.clone(), is_hidden });
                }
            }
            Node::End => return Ok((sheets, is_1904)),
            _ => {}
        }
    }
}

fn shared_strings(package: &Package, part: &str, limits: &Limits) -> Result<SharedStrings, FormatError> {
    let mut xml = Xml::new(package.part(part)?, part, limits)?;
    let mut strings = SharedStrings::default();
    loop {
        match xml.next()? {
            Node::Open if xml.name() == "si" => {
                if strings.ends.len() == SHARED_STRINGS_MAX {
                    return Err(too_many(&xml, "共享文本", "shared strings", SHARED_STRINGS_MAX));
                }
                rich_text(&mut xml, "si", SHARED_TEXT_BYTES_MAX, &mut strings.text)?;
                strings.ends.push(u32::try_from(strings.text.len()).unwrap_or(u32::MAX));
            }
            Node::End => return Ok(strings),
            _ => {}
        }
    }
}

/// Appends the text of a `si` or `is`, which has just opened: of all its runs, but not how it is
/// pronounced.
pub fn rich_text(xml: &mut Xml<'_>, within: &str, bytes_max: usize, into: &mut String) -> Result<(), FormatError> {
    let (mut in_text, mut pronounced) = (false, 0_usize);
    let start = into.len();
    loop {
        match xml.next()? {
            Node::Open if xml.name() == "rPh" => pronounced += 1,
            Node::Close if xml.name() == "rPh" => pronounced = pronounced.saturating_sub(1),
            Node::Open if xml.name() == "t" => in_text = pronounced == 0,
            Node::Close if xml.name() == "t" => in_text = false,
            Node::Close if xml.name() == within => break,
            Node::Text if in_text => {
                if into.len() + xml.text().len() > bytes_max {
                    let (zh, en) = (format!("文本超过 {bytes_max} 字节"), format!("text is larger than {bytes_max} bytes"));
                    return Err(xml.error(FormatCode::TokenExceeded, zh, en));
                }
                into.push_str(xml.text());
            }
            Node::End => break,
            _ => {}
        }
    }
    if let Some(plain) = into.get(start..).and_then(crate::escapes::decoded) {
        into.truncate(start);
        into.push_str(&plain);
    }
    Ok(())
}

/// What each cell format means for numbers, in the order of a cell's `s`.
fn cell_formats(package: &Package, part: &str, limits: &Limits) -> Result<Vec<CellFormat>, FormatError> {
    let mut xml = Xml::new(package.part(part)?, part, limits)?;
    let mut codes: HashMap<u32, CellFormat> = HashMap::new();
    let (mut formats, mut in_cells) = (Vec::new(), false);
    loop {
        match xml.next()? {
            Node::Open if xml.name() == "cellXfs" => in_cells = true,
            Node::Close if xml.name() == "cellXfs" => in_cells = false,
            Node::Open if xml.name() == "numFmt" => {
                let id = xml.attribute("numFmtId").and_then(|id| id.parse().ok());
                if let (Some(id), Some(code)) = (id, xml.attribute("formatCode")) {
                    codes.insert(id, CellFormat::of_code(code));
                }
            }
            Node::Open if in_cells && xml.name() == "xf" => {
                let id = xml.attribute("numFmtId").and_then(|id| id.parse().ok()).unwrap_or(0);
                formats.push(codes.get(&id).copied().unwrap_or_else(|| CellFormat::built_in(id)));
            }
            Node::End => return Ok(formats),
            _ => {}
        }
        if codes.len() > CELL_FORMATS_MAX || formats.len() > CELL_FORMATS_MAX {
            return Err(too_many(&xml, "单元格格式", "cell formats", CELL_FORMATS_MAX));
        }
    }
}

/// Whether an XML Schema boolean is true.
pub fn is_true(value: Option<&str>) -> bool {
    matches!(value, Some("1" | "true"))
}

fn too_many(xml: &Xml<'_>, zh: &str, en: &str, max: usize) -> FormatError {
    xml.error(FormatCode::RecordExceeded, format!("{zh}超过 {max} 个"), format!("there are more than {max} {en}"))
}
