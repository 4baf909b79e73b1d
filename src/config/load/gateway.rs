//! The checks of what `portolan.toml` says of its listeners, its identity, its data folder and its limits.

use super::super::raw::{At, RawGateway, RawIdentity, RawListener, RawRequestLimits};
use super::super::{Identity, Listener, NamedFile, RequestLimits};
use super::{Checker, ListenerDraft, milliseconds, size};
use crate::data;
use std::net::SocketAddr;
use std::path::PathBuf;

impl Checker<'_> {
    /// Folders of mappings; the usual one alone may be missing.
    pub(super) fn mappings(&mut self, raw: &At<Vec<PathBuf>>) -> Vec<PathBuf> {
        let mut mappings: Vec<PathBuf> = raw.value().iter().map(|path| self.folder.join(path)).collect();
        if raw.span().is_some() {
            for folder in mappings.iter().filter(|folder| !folder.is_dir()) {
                self.page.note(raw.span(), format!("`mappings`: {} is not a folder", folder.display()));
            }
        } else {
            // Nobody asked for the usual folder; without it the built-in mappings are all there are.
            mappings.retain(|folder| folder.is_dir());
        }
        mappings
    }

    /// The data folder, which is made at the first start; what lies in it is for those who open it.
    pub(super) fn data(&mut self, raw: &At<PathBuf>) -> NamedFile {
        let data = self.folder.join(raw.value());
        if data.components().eq(self.folder.join("").components()) {
            self.page
                .note(raw.span(), "`data` cannot be the configuration folder itself: the journal's writes would look like changes of it");
        }
        if let Some(file) = data::file_in_the_way(&data) {
            self.page.note(raw.span(), format!("`data` must be a folder: {} is a file; name another", file.display()));
        }
        self.page.named_file(data, raw.span())
    }

    /// Each listener needs an address of its own; port 0 is another one each time.
    pub(super) fn addresses_differ(&mut self, partners: &ListenerDraft, operators: &ListenerDraft, raw: &RawGateway) {
        let Some((one, other)) = partners.address.zip(operators.address) else { return };
        // Whoever listens on all addresses has that port on each of them.
        let met = |all: SocketAddr, by: SocketAddr| all.ip().is_unspecified() && (all.is_ipv6() || by.is_ipv4());
        if one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || met(one, other) || met(other, one)) {
            let at = raw.operator_listener.as_ref().and_then(|listener| listener.value().address.as_ref());
            let message = format!("`address`: {other} is taken by partner_listener ({one}); give the operators a port of their own");
            self.page.note(at.and_then(At::span), message);
        }
    }

    pub(super) fn listener(&mut self, raw: Option<&At<RawListener>>, key: &str) -> ListenerDraft {
        let Some(at) = self.page.required(raw, key, None) else { return ListenerDraft::default() };
        let raw = at.value();
        let address = self.page.required(raw.address.as_ref(), "address", at.span());
        let address = address.and_then(|text| {
            let parsed = text.value().parse::<SocketAddr>().ok();
            if parsed.is_none() {
                let message = format!("`address`: {:?} is no address and port; write it as `127.0.0.1:8443` or `[::1]:8443`", text.value());
                self.page.note(text.span(), message);
            }
            parsed
        });
        let identity = self.page.required(raw.identity.as_ref(), "identity", at.span());
        let identity = identity.and_then(|identity| self.identity(identity));
        if raw.client_authorities.is_empty() {
            self.page.missing("client_authorities", at.span());
        }
        let client_authorities = self.files(&raw.client_authorities);
        let revocation_lists = self.files(&raw.revocation_lists);
        let trusted = client_authorities.zip(revocation_lists);
        let whole = address.zip(identity.clone()).zip(trusted.clone()).map(|((address, identity), trusted)| Listener {
            address,
            identity,
            client_authorities: trusted.0,
            revocation_lists: trusted.1,
            accept_expired_lists: raw.accept_expired_lists,
        });
        ListenerDraft { address, identity, trusted: trusted.map(<[_; 2]>::from), whole }
    }

    pub(super) fn identity(&mut self, at: &At<RawIdentity>) -> Option<Identity> {
        let chain = self.page.required(at.value().chain.as_ref(), "chain", at.span());
        let chain = chain.and_then(|path| self.file(path));
        let key = self.page.required(at.value().key.as_ref(), "key", at.span());
        let key = key.and_then(|path| self.file(path));
        Some(Identity { chain: chain?, key: key? })
    }

    pub(super) fn request_limits(&mut self, at: &At<RawRequestLimits>) -> Option<RequestLimits> {
        let raw = at.value();
        let (inline, body) = (raw.inline_bytes_max.value().get(), raw.body_bytes_max.value().get());
        if u64::from(inline) > body {
            let at = raw.inline_bytes_max.span().or(raw.body_bytes_max.span());
            self.page.note(at, format!("`inline_bytes_max` ({inline}) cannot be larger than `body_bytes_max` ({body})"));
            return None;
        }
        Some(RequestLimits {
            handshake_timeout: milliseconds(raw.handshake_timeout_ms),
            header_timeout: milliseconds(raw.header_timeout_ms),
            body_idle_timeout: milliseconds(raw.body_idle_timeout_ms),
            body_timeout: milliseconds(raw.body_timeout_ms),
            connection_age_max: milliseconds(raw.connection_age_ms_max),
            header_bytes_max: size(raw.header_bytes_max),
            connections_max: size(raw.connections_max),
            partner_connections_max: size(raw.partner_connections_max),
            partner_submissions_max: size(raw.partner_submissions_max),
            stranger_handshakes_per_minute_max: raw.stranger_handshakes_per_minute_max.get(),
            body_bytes_max: body,
            decoded_bytes_max: raw.decoded_bytes_max.get(),
            expansion_ratio_max: raw.expansion_ratio_max.get(),
            inline_bytes_max: size(*raw.inline_bytes_max.value()),
            free_bytes_min: raw.free_bytes_min.get(),
            translations_max: size(raw.translations_max),
            shutdown_timeout: milliseconds(raw.shutdown_timeout_ms),
        })
    }
}
