//! Partners, flows and destinations as people know them: by their title, with the id below it; by the id alone where nothing of this name is
//! configured any more. Each leads to its page.

use super::parts::link;
use super::words::Lang;
use crate::config::Config;
use crate::domain::{DestinationId, FlowId, PartnerId};
use maud::{Markup, html};
use portolan_contract::Words;
use std::fmt::Display;

/// A partner.
pub fn partner(config: &Config, id: &PartnerId, lang: Lang) -> Markup {
    named(config.partners.get(id).map(|known| &known.title), id, &format!("/partners/{id}"), lang)
}

/// A flow.
pub fn flow(config: &Config, id: &FlowId, lang: Lang) -> Markup {
    named(config.flows.get(id).map(|known| &known.title), id, &format!("/flows/{id}"), lang)
}

/// A destination, by its partner's title.
pub fn destination(config: &Config, id: &DestinationId, lang: Lang) -> Markup {
    named(config.partners.get(&id.partner).map(|known| &known.title), id, &format!("/partners/{}", id.partner), lang)
}

fn named(title: Option<&Words>, id: &dyn Display, address: &str, lang: Lang) -> Markup {
    html! {
        @match title {
            Some(title) => { (link(address, &html! { (lang.words(title)) })) " " small { (id) } }
            None => { (link(address, &html! { (id) })) }
        }
    }
}
