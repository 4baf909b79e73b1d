//! XML: bodies are read with namespaces and in any charset that [`Charset`] knows, and written
//! compactly with their namespaces declared on the root element.
//!
//! Wire format: XML 1.0 (fifth edition) with Namespaces in XML 1.0, as far as a message needs them:
//! a document type declaration is refused, and so is every entity but the five predefined ones.
//! In a plan, `cbc:ID` means the local name `ID` in a namespace that the option
//! `namespaces.cbc` accepts, whatever prefix a document uses; a name without a prefix belongs to
//! `namespaces.""`, or to no namespace where that is not given. `@Ccy` is an attribute. Elements
//! and attributes that no path names are passed over, but must be well-formed like the rest.
//!
//! Limits: those of [`Limits`], and as many namespace declarations open at once as one element may
//! have attributes.

mod names;
mod namespaces;
mod outline;
mod read;
mod syntax;
mod write;

use names::Names;
use portolan_contract::{
    Bound, Charset, Format, FormatCode, FormatError, Limits, OptionsError, Outline, Plan, Position, RawRecord, ReadRecords, WriteRecords,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

/// The XML format.
pub struct Xml;

impl Format for Xml {
    fn name(&self) -> &'static str {
        "xml"
    }

    fn bind(&self, plan: Arc<Plan>, options: &toml::Table) -> Result<Arc<dyn Bound>, OptionsError> {
        let options: Options = OptionsError::parse(options)?;
        let names = Names::new(&plan, &options.namespaces)?;
        let declarations = write::declarations(&names, &options.write_namespaces)?;
        let write_charset = options.write_charset.or(options.charset).unwrap_or_default();
        Ok(Arc::new(BoundXml { plan, names, declarations, charset: options.charset, write_charset }))
    }

    fn outline<'a>(&self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Option<Outline>, FormatError> {
        outline::outline(input, limits).map(Some)
    }
}

/// The mapping's `[format]` options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    /// Reads in this charset whatever the XML declaration says; a byte order mark still wins.
    charset: Option<Charset>,
    /// The charset to write and to declare; that of `charset` unless given, else UTF-8.
    write_charset: Option<Charset>,
    /// For each prefix of the plan the namespaces that are accepted; a last `*` stands for any end.
    #[serde(default)]
    namespaces: BTreeMap<String, Vec<String>>,
    /// For each prefix the namespace to write; the first accepted one unless given.
    #[serde(default)]
    write_namespaces: BTreeMap<String, String>,
}

struct BoundXml {
    plan: Arc<Plan>,
    names: Names,
    /// What the written root element declares, or the prefix that has no namespace to write.
    declarations: Result<String, String>,
    charset: Option<Charset>,
    write_charset: Charset,
}

impl Bound for BoundXml {
    fn reader<'a>(&'a self, input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Box<dyn ReadRecords + 'a>, FormatError> {
        Ok(Box::new(read::Reader::new(&self.plan, &self.names, input, self.charset, limits)?))
    }

    fn writer<'a>(&'a self, output: Box<dyn Write + 'a>, head: &RawRecord) -> Result<Box<dyn WriteRecords + 'a>, FormatError> {
        match &self.declarations {
            Ok(declarations) => Ok(Box::new(write::Writer::new(&self.plan, declarations, output, self.write_charset, head)?)),
            Err(prefix) => Err(FormatError::new(
                FormatCode::NotThisMessage,
                Position::default(),
                format!("本映射只能读取：选项 `write_namespaces` 未说明前缀 {prefix:?} 应写入的命名空间"),
                format!("this mapping only reads: its option `write_namespaces` does not say which namespace to write for {prefix:?}"),
            )),
        }
    }

    fn media_type(&self) -> String {
        format!("application/xml; charset={}", write::label(self.write_charset).to_ascii_lowercase())
    }
}
