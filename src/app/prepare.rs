//! Everything of a configuration that can fail, built before any of it is in force: what a start, a reload and
//! `portolan check` have in common. Each of them hears of every problem, not only of the first.

use super::Clients;
use crate::config::{Draft, ListenerDraft, NamedFile, Problem};
use crate::delivery::tls::{client_certificate, client_config, server_trust};
use crate::expiry::soonest_first;
use crate::ingress::authorities::Authorities;
use crate::ingress::identity::{
    Expiry, Operators, Partners, PreparedTrust, Register, Trust, expiring_listed, expiring_outbound, server_certificate,
};
use crate::journal::sqlite::SqliteJournal;
use crate::live::Live;
use crate::receipt::keys::{self, keys_folder};
use crate::seams::SharedClock;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A configuration that was read, with all that can fail behind it.
pub struct Prepared {
    /// The configuration, compiled.
    pub live: Live,
    /// Whom the partner listener trusts, and what it shows.
    pub partners: PreparedTrust<Partners>,
    /// Whom the operator listener trusts, and what it shows.
    pub operators: PreparedTrust<Operators>,
    /// How each destination is called.
    pub clients: Clients,
}

impl Prepared {
    /// For a start: what lies in the data folder is judged as well.
    ///
    /// # Errors
    /// Every problem, in the order of files and lines.
    pub fn for_start(draft: Draft, clock: &SharedClock) -> Result<Self, Vec<Problem>> {
        let stored = draft.gateway.data.as_ref().filter(|data| data.is_dir()).map(stored).unwrap_or_default();
        Self::build(draft, clock, stored)
    }

    /// For a reload: the data folder is in use.
    ///
    /// # Errors
    /// Every problem, in the order of files and lines.
    pub fn for_reload(folder: &Path, clock: &SharedClock) -> Result<Self, Vec<Problem>> {
        Self::build(Draft::read(folder), clock, Vec::new())
    }

    fn build(draft: Draft, clock: &SharedClock, mut problems: Vec<Problem>) -> Result<Self, Vec<Problem>> {
        let known = draft.partners.iter().filter_map(|(id, partner)| Some((id.clone(), partner.clone()?))).collect();
        let register = noted(Partners::new(&known), &mut problems);
        let partners = trust(&draft.gateway.partner_listener, register, clock, &mut problems);
        let register = noted(Operators::new(&draft.operators, draft.gateway.unlisted_may_read), &mut problems);
        let operators = trust(&draft.gateway.operator_listener, register, clock, &mut problems);
        let clients = clients(&draft, &mut problems);
        let live = noted(Live::compile(draft), &mut problems);
        match (live, partners, operators) {
            (Some(live), Some(partners), Some(operators)) if problems.is_empty() => Ok(Self { live, partners, operators, clients }),
            // What two listeners or destinations share is wrong once.
            _ => Err(problems.into_iter().collect::<BTreeSet<_>>().into_iter().collect()),
        }
    }

    /// What has ended or ends within the configured warning spans, soonest first. Reads files.
    pub fn expiring(&self, now: Timestamp) -> Vec<Expiry> {
        let config = &self.live.config;
        let warning_days = &config.gateway.expiry_warning_days;
        let (partners, operators) = (self.partners.expiring(warning_days, now), self.operators.expiring(warning_days, now));
        soonest_first([partners, operators, expiring_outbound(config, warning_days, now), expiring_listed(config, warning_days, now)])
    }
}

fn noted<T>(built: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) -> Option<T> {
    built.map_err(|found| problems.extend(found)).ok()
}

/// The trust of a listener. Of one that cannot be read whole, the files that it names are judged all the same.
fn trust<R: Register>(
    listener: &ListenerDraft,
    register: Option<R>,
    clock: &SharedClock,
    problems: &mut Vec<Problem>,
) -> Option<PreparedTrust<R>> {
    if let (Some(listener), Some(register)) = (&listener.whole, register) {
        let trust = noted(Trust::build(listener, register), problems)?;
        return noted(PreparedTrust::new(trust, Arc::clone(clock)).map_err(|problem| vec![problem]), problems);
    }
    if let Some(identity) = &listener.identity {
        noted(server_certificate(identity), problems);
    }
    if let Some([authorities, lists]) = &listener.trusted {
        noted(Authorities::read(authorities, lists, false), problems);
    }
    None
}

/// How each destination is called. Webhooks and the collector of traces read their files anew each time; here they are judged.
fn clients(draft: &Draft, problems: &mut Vec<Problem>) -> Clients {
    let gateway = draft.gateway.outbound_identity.as_ref();
    if let Some(identity) = gateway {
        noted(client_certificate(identity), problems);
    }
    for webhook in &draft.gateway.webhooks {
        noted(server_trust(&webhook.authorities, &webhook.server_keys, webhook.identity.as_ref()), problems);
    }
    if let Some(traces) = &draft.gateway.traces {
        noted(server_trust(&traces.authorities, &[], traces.identity.as_ref()), problems);
    }
    let mut clients = BTreeMap::new();
    for destination in &draft.destinations {
        if let Some(client) = noted(client_config(destination, gateway), problems) {
            clients.insert(destination.id.clone(), Arc::new(client));
        }
    }
    clients
}

/// What lies in the data folder and keeps a gateway from starting. Nothing is made or changed there, and nothing
/// locked: a gateway may be running on it.
fn stored(data: &NamedFile) -> Vec<Problem> {
    // What is wrong with a key names its own file.
    let keys = keys::inspect(&keys_folder(data)).into_iter().map(|error| Problem { message: error.to_string(), ..data.problem("") });
    keys.chain(SqliteJournal::inspect(data).err().map(|error| data.problem(error))).collect()
}
