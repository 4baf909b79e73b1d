//! The checks of a partner's destinations.

use super::super::Destination;
use super::super::raw::{At, RawDestination};
use super::{Checker, milliseconds, size, transposed};
use crate::domain::{DestinationId, Digest, Name, PartnerId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

impl Checker<'_> {
    pub(super) fn destinations(
        &mut self,
        partner: &PartnerId,
        raw: &BTreeMap<String, At<RawDestination>>,
        identity_given: bool,
    ) -> Vec<Option<(Name, Arc<Destination>)>> {
        raw.iter()
            .map(|(place, at)| {
                if !identity_given && at.value().identity.is_none() {
                    self.page.note(at.span(), "`identity` is missing, and portolan.toml has no `outbound_identity` to present instead");
                }
                let place = self.name(place, at.span());
                let id = place.clone().map(|place| DestinationId { partner: partner.clone(), place });
                let destination = self.destination(id, at);
                Some((place?, Arc::new(destination?)))
            })
            .collect()
    }

    fn destination(&mut self, id: Option<DestinationId>, at: &At<RawDestination>) -> Option<Destination> {
        let raw = at.value();
        let url = self.page.required(raw.url.as_ref(), "url", at.span());
        let url = url.and_then(|url| self.https(url));
        if raw.authorities.is_empty() {
            self.page.missing("authorities", at.span());
        }
        let authorities = self.files(&raw.authorities);
        let server_keys: Vec<_> = raw.server_keys_sha256.iter().map(|digest| self.page.parsed::<Digest>(digest)).collect();
        let identity = raw.identity.as_ref().map(|identity| self.identity(identity));
        let (first, max) = (*raw.retry_first_ms.value(), *raw.retry_ms_max.value());
        if first > max {
            let at = raw.retry_first_ms.span().or(raw.retry_ms_max.span());
            self.page.note(at, format!("`retry_first_ms` ({first}) cannot be more than `retry_ms_max` ({max})"));
        }
        Some(Destination {
            id: id?,
            url: url?,
            authorities: authorities?,
            server_keys: server_keys.into_iter().collect::<Option<_>>()?,
            identity: transposed(identity)?,
            concurrency_max: size(raw.concurrency_max),
            timeout: milliseconds(raw.timeout_ms),
            retry_first: milliseconds(first),
            retry_max: milliseconds(max),
            give_up_after: Duration::from_secs(u64::from(raw.give_up_after_hours.get()) * 3600),
            circuit_failures: raw.circuit_failures.get(),
            circuit_pause: milliseconds(raw.circuit_pause_ms),
        })
    }

    pub(super) fn https(&mut self, url: &At<String>) -> Option<String> {
        let parsed = url.value().parse::<hyper::Uri>().ok();
        let good = parsed.is_some_and(|uri| {
            let host = uri.host().unwrap_or_default();
            let user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
            uri.scheme_str() == Some("https") && !host.is_empty() && !user && !url.value().contains('#')
        });
        if !good {
            self.page.note(url.span(), format!("`url`: {:?} must be https://HOST[:PORT]/PATH", url.value()));
        }
        good.then(|| url.value().clone())
    }
}
