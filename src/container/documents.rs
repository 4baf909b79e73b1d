//! The documents of a container as they are, for those who look into them beside the format's reader.

use super::{Contained, Inner, Part, joined};
use portolan_contract::{FormatError, Limits};
use std::cell::RefCell;
use std::io::Read;
use std::ops::ControlFlow;
use std::rc::Rc;

/// What is done with a document, whose name is that by which its records name their part; a break ends the reading.
pub type Visit<'v> = dyn FnMut(Option<&str>, &mut dyn Read) -> Result<ControlFlow<()>, FormatError> + 'v;

impl Contained {
    /// Takes the documents out, one after the other; members that the mapping does not read are none.
    ///
    /// # Errors
    /// What is wrong with the container, I/O of the input, and what the visit fails at.
    pub fn each_document<'a>(
        &'a self,
        input: Box<dyn Read + 'a>,
        limits: &Limits,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, FormatError> {
        let parts = Rc::new(RefCell::new(self.parts(input, limits)?));
        loop {
            let Some(name) = parts.borrow_mut().next()? else { return Ok(ControlFlow::Continue(())) };
            let mut part = Part(Rc::clone(&parts));
            let visited = match &self.inner {
                Inner::Document { .. } => visit(joined(&name, None).as_deref(), &mut part)?,
                Inner::Container(inner) => {
                    let mut within = |inner_name: Option<&str>, document: &mut dyn Read| {
                        visit(joined(&name, inner_name.map(str::to_owned)).as_deref(), document)
                    };
                    inner.each_document(Box::new(part), limits, &mut within)?
                }
            };
            if visited.is_break() {
                return Ok(visited);
            }
        }
    }
}
