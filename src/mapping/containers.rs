//! From a mapping's `[[container]]` entries to the containers around its format.

use super::file::{ContainerEntry, Direction};
use crate::container::{CONTAINERS_MAX, Contained, Container, Envelope, Inner, Members, Packing, WrittenPart, member_name};
use portolan_contract::{Bound, Plan};
use std::sync::Arc;
use toml::Spanned;

/// Formats that are archives themselves, in which no place has an offset in bytes.
pub(super) const ARCHIVES: [&str; 2] = ["xlsx", "ods"];

/// What containers must agree with.
pub(super) struct Facts<'f> {
    pub direction: Direction,
    /// The mapping adds up or counts records.
    pub has_checks: bool,
    /// The format's name.
    pub format: &'f str,
    pub plan: &'f Arc<Plan>,
}

/// The root of the envelope among the containers, to which paths with `//` are relative.
pub(super) fn envelope_root(entries: &[Spanned<ContainerEntry>]) -> Option<&str> {
    entries.iter().find_map(|entry| match entry.get_ref() {
        ContainerEntry::XmlBase64 { path, .. } => path.split('/').next(),
        _ => None,
    })
}

/// The plan as the format sees it: the envelope is cut off from the top. Nodes and slots keep their numbers.
pub(super) fn within(plan: &Arc<Plan>, entries: &[Spanned<ContainerEntry>]) -> Arc<Plan> {
    let Some(root) = envelope_root(entries).and_then(|root| plan.child(0, root)) else { return Arc::clone(plan) };
    let mut within = Plan::clone(plan);
    within.nodes[0].children.retain(|&child| child != root);
    within.nodes[root as usize].parent = None;
    Arc::new(within)
}

/// Puts a format into containers, of which the first is the outermost; `None` where there are none.
///
/// # Errors
/// What does not go together.
pub(super) fn wrap(entries: Vec<ContainerEntry>, format: &Arc<dyn Bound>, facts: &Facts<'_>) -> Result<Option<Arc<Contained>>, String> {
    if entries.len() > CONTAINERS_MAX {
        return Err(format!("there may be {CONTAINERS_MAX} containers within one another, not {}", entries.len()));
    }
    if entries.iter().filter(|entry| matches!(entry, ContainerEntry::XmlBase64 { .. })).count() > 1 {
        return Err("there may be one container of kind xml-base64".to_owned());
    }
    let mut contained: Option<Arc<Contained>> = None;
    for entry in entries.into_iter().rev() {
        let inner = match contained {
            Some(inner) => Inner::Container(inner),
            None => Inner::Document { format: Arc::clone(format), is_text: !ARCHIVES.contains(&facts.format) },
        };
        contained = Some(Arc::new(Contained::new(container(entry, facts)?, inner)));
    }
    Ok(contained)
}

fn container(entry: ContainerEntry, facts: &Facts<'_>) -> Result<Container, String> {
    Ok(match entry {
        ContainerEntry::Gzip {} => Container::Packed(Packing::Gzip),
        ContainerEntry::Zstd {} => Container::Packed(Packing::Zstd),
        ContainerEntry::Zip { members, ignore, members_max, names, write } => {
            named(write.as_deref(), "zip", facts)?;
            if let Some(name) = &write {
                member_name(name, names, &members)?;
            }
            Container::Zip { members: selected(members, ignore, members_max, facts)?, names, write }
        }
        ContainerEntry::Multipart { members, ignore, members_max, write, field } => {
            named(write.as_deref(), "multipart", facts)?;
            let write = match (write, field) {
                (Some(name), field) => Some(WrittenPart::new(name, field, &members)?),
                (None, Some(_)) => return Err("field names the form's field of the file that write names: say write too".to_owned()),
                (None, None) => None,
            };
            Container::Multipart { members: selected(members, ignore, members_max, facts)?, write }
        }
        ContainerEntry::XmlBase64 { path, namespace } => {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            if path.iter().any(String::is_empty) {
                return Err("path names the element with the payload, such as DxpMsg/Data".to_owned());
            }
            let root = path.first().and_then(|root| facts.plan.child(0, root));
            if root.is_some_and(|root| facts.plan.anchors.iter().any(|&anchor| facts.plan.within(anchor, root))) {
                return Err("the envelope and the document within must not have the same root".to_owned());
            }
            Container::Envelope(Envelope { path, namespace, plan: Arc::clone(facts.plan) })
        }
    })
}

/// What is written into a container of members has a name there.
fn named(write: Option<&str>, kind: &str, facts: &Facts<'_>) -> Result<(), String> {
    if facts.direction.writes() && write.is_none() {
        return Err(format!("a {kind} container that is written needs write = the member's name; or say direction = \"read\""));
    }
    Ok(())
}

/// Sums and counts are those of one document, so that a mapping with any reads one member.
fn selected(read: Vec<String>, ignored: Vec<String>, read_max: usize, facts: &Facts<'_>) -> Result<Members, String> {
    if facts.has_checks && read_max != 1 {
        return Err("a mapping with [[check]] reads one member of its container: say members_max = 1".to_owned());
    }
    Ok(Members { read, ignored, read_max })
}
