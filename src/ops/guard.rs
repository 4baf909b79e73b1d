//! Whether a change was asked for by an operator, and not by a page of another site in an operator's name.
//!
//! A browser attaches its client certificate to whatever any site makes it send, so the certificate alone
//! proves nothing about who asked. A change goes through where all of this holds:
//!
//! 1. `Host` (`:authority` in HTTP/2) is a name of the server's certificate: a caller that verified the
//!    certificate came by such a name, and no other name that somebody points here does.
//! 2. Where the request says that a browser sent it, by `Origin` or `Sec-Fetch-Site`: the origin is `https://`
//!    and this very host, `Sec-Fetch-Site` is `same-origin`, and the token of the page is in the field
//!    `csrf` or in `Portolan-Csrf`. The token is HMAC-SHA-256 over certificate and day, by a key that
//!    lives as long as the process; that of the day before is taken too.
//! 3. Where no browser sent it: the header field `Portolan-Client` is there, with any value. A form
//!    cannot send it, and a script of another site only if we allowed it in a preflight, which we never do; so
//!    even a browser that says neither of the above cannot be used.

use super::access::Fields;
use crate::domain::Operator;
use crate::fault::{Fault, FaultCode};
use crate::seams::Clock;
use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::request;
use jiff::Timestamp;

/// The form field that holds the token.
pub const TOKEN_FIELD: &str = "csrf";
/// The header field that holds the token, for scripts of the console's pages.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("portolan-csrf");
/// The header field by which a program says that it is none that another site made a browser run.
pub const CLIENT: HeaderName = HeaderName::from_static("portolan-client");

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SECONDS_PER_DAY: i64 = 86_400;

/// Makes and checks tokens. One for each process.
pub struct Guard {
    key: hmac::Key,
}

impl Guard {
    /// A guard with a key of its own.
    pub fn new(clock: &dyn Clock) -> Self {
        let mut key = [0; 32];
        clock.random(&mut key);
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key) }
    }

    /// The token of an operator's pages today.
    pub fn token(&self, operator: &Operator, now: Timestamp) -> String {
        self.token_of_day(operator, day(now))
    }

    /// Lets a change through, or refuses it. `names` are those of the server's certificate.
    ///
    /// # Errors
    /// [`FaultCode::CrossSite`].
    pub fn admit(
        &self,
        request: &request::Parts,
        fields: &Fields,
        operator: &Operator,
        names: &[String],
        now: Timestamp,
    ) -> Result<(), Fault> {
        let headers = &request.headers;
        let host = host(request).filter(|host| is_named(host, names));
        let host = host.ok_or_else(|| refused("Host 不是网关证书中的名称", "Host is no name of the gateway's certificate"))?;
        let (origin, site) = (one(headers, &ORIGIN)?, one(headers, &FETCH_SITE)?);
        if origin.is_none() && site.is_none() {
            let by_program = headers.contains_key(CLIENT);
            return if by_program {
                Ok(())
            } else {
                Err(refused("程序须发送 Portolan-Client", "a program must send Portolan-Client"))
            };
        }
        if origin.is_some_and(|origin| !origin.strip_prefix("https://").is_some_and(|from| from.eq_ignore_ascii_case(host))) {
            return Err(refused("Origin 不是本地址", "Origin is not this address"));
        }
        if site.is_some_and(|site| site != "same-origin") {
            return Err(refused("Sec-Fetch-Site 不是 same-origin", "Sec-Fetch-Site is not same-origin"));
        }
        let token = fields.text(TOKEN_FIELD).or(one(headers, &TOKEN_HEADER)?);
        let known = token.is_some_and(|token| self.is_known(token, operator, now));
        if known {
            Ok(())
        } else {
            Err(refused("页面令牌缺失或已失效，请刷新页面", "the page's token is missing or over; load the page again"))
        }
    }

    fn is_known(&self, token: &str, operator: &Operator, now: Timestamp) -> bool {
        let today = day(now);
        [today, today - 1].into_iter().any(|day| {
            let known = self.token_of_day(operator, day);
            constant_time::verify_slices_are_equal(known.as_bytes(), token.as_bytes()).is_ok()
        })
    }

    fn token_of_day(&self, operator: &Operator, day: i64) -> String {
        let mut message = operator.certificate.0.to_vec();
        message.extend(day.to_be_bytes());
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &message))
    }
}

/// Refuses what a page of another site has a browser ask for: for what only looks, and is logged as an act all the same.
///
/// # Errors
/// [`FaultCode::CrossSite`].
pub fn refuse_other_site(request: &request::Parts) -> Result<(), Fault> {
    match one(&request.headers, &FETCH_SITE)? {
        // `none` is an address that somebody typed.
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(refused("Sec-Fetch-Site 不是 same-origin", "Sec-Fetch-Site is not same-origin")),
    }
}

fn day(now: Timestamp) -> i64 {
    now.as_second().div_euclid(SECONDS_PER_DAY)
}

/// The host that a request names, once and the same wherever it does.
fn host(request: &request::Parts) -> Option<&str> {
    let field = one(&request.headers, &HOST).ok()?;
    let authority = request.uri.authority().map(|authority| authority.as_str());
    match (field, authority) {
        (Some(field), Some(authority)) => Some(field).filter(|field| field.eq_ignore_ascii_case(authority)),
        (field, authority) => field.or(authority),
    }
}

/// Whether a host, with or without a port, is one of these names.
fn is_named(host: &str, names: &[String]) -> bool {
    let Ok(authority) = host.parse::<hyper::http::uri::Authority>() else { return false };
    let asked = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    names.iter().any(|name| match name.strip_prefix("*.") {
        // A wildcard stands for one label (RFC 6125, section 6.4.3).
        Some(parent) => asked.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => *name == asked,
    })
}

/// A field that may come once.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let unreadable = || refused("请求头重复或无法读取", "a header field is there twice, or cannot be read");
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| unreadable()),
        (Some(_), Some(_)) => Err(unreadable()),
    }
}

fn refused(zh: &str, en: &str) -> Fault {
    Fault::new(FaultCode::CrossSite).detail(zh, en)
}
