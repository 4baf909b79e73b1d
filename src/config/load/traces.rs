//! The check of `[traces]`.

use super::{Checker, is_url, milliseconds, size, transposed};
use crate::config::TraceSettings;
use crate::config::raw::{At, RawTraces};
use std::net::IpAddr;

/// Spans that may wait to be sent.
const QUEUE_SPANS_MAX: u32 = 1_000_000;

impl Checker<'_> {
    pub(super) fn traces(&mut self, at: &At<RawTraces>) -> Option<TraceSettings> {
        let raw = at.value();
        let endpoint = self.page.required(raw.endpoint.as_ref(), "endpoint", at.span());
        let endpoint = endpoint.and_then(|url| self.endpoint(url));
        if endpoint.as_ref().is_some_and(|url| url.starts_with("https:")) && raw.authorities.is_empty() {
            self.page.missing("authorities", at.span());
        }
        let authorities = self.files(&raw.authorities);
        let identity = raw.identity.as_ref().map(|identity| self.identity(identity));
        let service_name = self.text(&raw.service_name, "service_name");
        let share = *raw.sampled_share.value();
        if !(0.0..=1.0).contains(&share) {
            self.page.note(raw.sampled_share.span(), format!("`sampled_share` ({share}) must be from 0.0 to 1.0"));
        }
        let (queue, batch) = (*raw.queue_spans_max.value(), *raw.batch_spans_max.value());
        if queue.get() > QUEUE_SPANS_MAX {
            self.page.note(raw.queue_spans_max.span(), format!("`queue_spans_max` ({queue}) cannot be more than {QUEUE_SPANS_MAX}"));
        }
        if batch > queue {
            let at = raw.batch_spans_max.span().or(raw.queue_spans_max.span());
            self.page.note(at, format!("`batch_spans_max` ({batch}) cannot be more than `queue_spans_max` ({queue})"));
        }
        Some(TraceSettings {
            endpoint: endpoint?,
            authorities: authorities?,
            identity: transposed(identity)?,
            service_name: service_name?,
            sampled_share: share,
            queue_spans_max: size(queue),
            batch_spans_max: size(batch),
            batch_wait: milliseconds(raw.batch_wait_ms),
            timeout: milliseconds(raw.timeout_ms),
        })
    }

    /// Where spans are posted; nothing leaves this machine unencrypted.
    fn endpoint(&mut self, url: &At<String>) -> Option<String> {
        let uri = url.value().parse::<hyper::Uri>().ok();
        let host = uri.as_ref().and_then(hyper::Uri::host).unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if is_url(url.value(), "https") || (local && is_url(url.value(), "http")) {
            return Some(url.value().clone());
        }
        let message = "must be https://HOST[:PORT]/PATH, or http://127.0.0.1[:PORT]/PATH for a collector on this machine";
        self.page.note(url.span(), format!("`endpoint`: {:?} {message}", url.value()));
        None
    }
}
