//! Looks into a body without a plan: which members there are. Paths are those of a mapping.

use crate::Layout;
use crate::tokens::{TOP, Token, Tokens};
use portolan_contract::{FormatError, Limits, Outline, Outliner};
use std::collections::BTreeMap;
use std::io::Read;

/// The outline of a body, with the options by which it can be written again.
///
/// # Errors
/// A body that is not JSON, and I/O.
pub fn outline<'a>(input: Box<dyn Read + 'a>, limits: &Limits) -> Result<Outline, FormatError> {
    let mut tokens = Tokens::new(input, Layout::Auto, limits)?;
    let mut outliner = Outliner::new(limits);
    // By path, whether all its values are numbers, and whether all are true or false.
    let mut bare: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    loop {
        let (token, at) = tokens.next()?;
        match token {
            Token::Object => outliner.enter(tokens.name(), at)?,
            Token::ObjectEnd => outliner.leave(),
            Token::Array | Token::ArrayEnd | Token::Null => {}
            Token::String | Token::Number | Token::Boolean => {
                let path = if outliner.here().is_empty() { TOP.to_owned() } else { format!("{}/{}", outliner.here(), tokens.name()) };
                let has_path = !outliner.is_lost() && !tokens.name().is_empty();
                outliner.value(tokens.name(), tokens.text(), at)?;
                if !has_path {
                    continue;
                }
                if bare.len() < portolan_contract::outline::OUTLINE_PATHS_MAX || bare.contains_key(&path) {
                    let all = bare.entry(path).or_insert((true, true));
                    *all = (all.0 && token == Token::Number, all.1 && token == Token::Boolean);
                }
            }
            Token::End => break,
        }
    }
    let mut options = toml::Table::new();
    for (name, is) in [("numbers", (true, false)), ("booleans", (false, true))] {
        let paths: Vec<String> = bare.iter().filter(|(_, all)| **all == is).map(|(path, _)| path.clone()).collect();
        if !paths.is_empty() {
            options.insert(name.to_owned(), paths.into());
        }
    }
    Ok(outliner.finish(options))
}
