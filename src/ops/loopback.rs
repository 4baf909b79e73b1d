//! The console by a one-time link on loopback, for who has no operator's certificate in the browser.
//!
//! Plain HTTP/1.1 on 127.0.0.1 alone, and nothing but what the role read may look at: nothing is changed here, and no
//! personal value is shown, since the log could not say to whom. The link
//! `http://127.0.0.1:PORT/open/TOKEN` holds 256 random bits, works once within [`LINK_AGE_MAX`], and
//! gives the browser a cookie of another 256 that works for [`SESSION_AGE_MAX`]. Whatever comes without
//! the cookie is 403. `Host` must be this address, so that no other name that someone points at
//! 127.0.0.1 reaches it (DNS rebinding). The cookie is named after the port: cookies are shared
//! by all ports of a host.

use super::access::{Ask, Fields, REVEAL};
use super::console::Lang;
use super::console::layout::notice;
use super::door::{asks_chinese, cookies, finished, refusal};
use super::routes::{self, Found};
use super::view::OpsView;
use crate::domain::{Digest, Operator, Role};
use crate::fault::{Fault, FaultCode};
use crate::http::{self, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::Incoming;
use hyper::header::{HOST, HeaderValue, LOCATION, SET_COOKIE};
use hyper::http::request;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::{SignedDuration, Timestamp};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// How long the link waits to be opened.
pub const LINK_AGE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// How long a browser that opened it may look.
pub const SESSION_AGE_MAX: SignedDuration = SignedDuration::from_hours(12);
/// Connections open at once.
pub const CONNECTIONS_MAX: usize = 16;
/// What can be asked here.
const METHODS: &str = "GET, HEAD";
/// Time for the header section of a request, and between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Age at which a connection is cut.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(600);
/// Bytes of a header section: the least that hyper takes.
const HEADER_BYTES_MAX: usize = 8 * 1024;

/// A listener with its link, not serving yet.
pub struct Loopback {
    listener: TcpListener,
    desk: Arc<Desk>,
}

/// Lets in who has the link or the cookie.
struct Desk {
    view: Arc<OpsView>,
    port: u16,
    cookie: String,
    link: Mutex<Option<Pass>>,
    session: Mutex<Option<Pass>>,
}

/// A secret's digest, and until when it opens.
struct Pass {
    digest: Digest,
    until: Timestamp,
}

impl Loopback {
    /// Listens on a port of 127.0.0.1, on any free one for 0, and makes the link.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub async fn open(view: Arc<OpsView>, port: u16) -> io::Result<(Self, String)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let port = listener.local_addr()?.port();
        let (token, pass) = new_pass(&view, LINK_AGE_MAX);
        let url = format!("http://127.0.0.1:{port}/open/{token}");
        let cookie = format!("portolan-console-{port}");
        let desk = Desk { view, port, cookie, link: Mutex::new(Some(pass)), session: Mutex::new(None) };
        Ok((Self { listener, desk: Arc::new(desk) }, url))
    }

    /// Serves until `stop` says true. Requests under way are cut then: they only read.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
                Some(_) = connections.join_next() => continue,
            };
            match (accepted, Arc::clone(&places).try_acquire_owned()) {
                (Ok((stream, from)), Ok(place)) if from.ip().is_loopback() => {
                    connections.spawn(connection(stream, Arc::clone(&self.desk), place));
                }
                (Ok((_, from)), _) => turned_away(from),
                // Out of file descriptors or the like: others may be closed meanwhile.
                (Err(error), _) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, desk: Arc<Desk>, _place: OwnedSemaphorePermit) {
    let service = service_fn(move |request: Request<Incoming>| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request.into_parts().0).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_BYTES_MAX);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = tokio::time::timeout(CONNECTION_AGE_MAX, serving).await {
        tracing::debug!(%error, "a connection to the loopback console broke");
    }
}

fn turned_away(from: SocketAddr) {
    tracing::warn!(%from, "a connection to the loopback console was turned away: not from loopback, or too many are open");
}

impl Desk {
    async fn answer(&self, request: &request::Parts) -> Response {
        let zh = asks_chinese(request);
        let path = request.uri.path();
        let response = if !self.is_addressed(request) {
            wrong_host(zh)
        } else if let (&Method::GET, Some(token)) = (&request.method, path.strip_prefix("/open/")) {
            self.redeem(token, zh)
        } else if !self.knows(request) {
            no_cookie(zh)
        } else if !matches!(request.method, Method::GET | Method::HEAD) {
            http::method_not_allowed(METHODS, zh)
        } else {
            let viewer = viewer();
            match self.looked_up(request, &viewer).await {
                Ok(response) => response,
                Err(fault) => refusal(&self.view, &viewer, request, &fault),
            }
        };
        finished(response, zh)
    }

    /// What the operators' listener would answer to one who may only look.
    async fn looked_up(&self, request: &request::Parts, viewer: &Operator) -> Result<Response, Fault> {
        let zh = asks_chinese(request);
        let (route, open) = match routes::find(&request.method, request.uri.path()) {
            Found::Route(route, open) => (route, open),
            Found::OtherMethod(_) => return Ok(http::method_not_allowed(METHODS, zh)),
            Found::Nothing => return Err(Fault::new(FaultCode::PathUnknown)),
        };
        route.admits(viewer)?;
        let ask = Ask { request, open, operator: viewer, fields: Fields::default(), zh };
        if ask.given(REVEAL).is_some() {
            return Err(Fault::new(FaultCode::RoleForbidden).detail(
                "一次性链接不指明操作员，不显示个人信息；请凭证书访问操作员端口",
                "the one-time link names no operator, and shows no personal values; use your certificate on the operators' listener",
            ));
        }
        (route.answer)(&self.view, ask).await
    }

    /// Whether the request names this address, in `Host` and, where it is there, in its target.
    fn is_addressed(&self, request: &request::Parts) -> bool {
        let ours = |text: &str| {
            let host = text.rsplit_once(':').filter(|(_, port)| *port == self.port.to_string()).map(|(host, _)| host);
            host.is_some_and(|host| host == "127.0.0.1" || host.eq_ignore_ascii_case("localhost"))
        };
        let mut hosts = request.headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().is_ok_and(ours),
            _ => false,
        };
        host && request.uri.authority().is_none_or(|authority| ours(authority.as_str()))
    }

    /// The link is used up by the first who has it; a wrong guess does not use it up.
    fn redeem(&self, token: &str, zh: bool) -> Response {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if !link.as_ref().is_some_and(|pass| pass.opens(token, self.view.clock.now())) {
            return used_up(zh);
        }
        *link = None;
        let (secret, session) = new_pass(&self.view, SESSION_AGE_MAX);
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        let cookie = format!("{}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}", self.cookie, SESSION_AGE_MAX.as_secs());
        let mut response = http::answer(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
        let headers = response.headers_mut();
        headers.insert(LOCATION, HeaderValue::from_static("/"));
        // The name is of digits and letters, the secret is Base64: there is nothing that a header forbids.
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            headers.insert(SET_COOKIE, cookie);
        }
        response
    }

    fn knows(&self, request: &request::Parts) -> bool {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.view.clock.now();
        cookies(&request.headers).any(|(name, secret)| name == self.cookie && session.as_ref().is_some_and(|pass| pass.opens(secret, now)))
    }
}

impl Pass {
    /// Digests are compared, in a time that says nothing about where they differ.
    fn opens(&self, secret: &str, now: Timestamp) -> bool {
        let given = Digest::of(secret.as_bytes());
        now < self.until && aws_lc_rs::constant_time::verify_slices_are_equal(&given.0, &self.digest.0).is_ok()
    }
}

/// Whoever has the cookie: someone at this machine, who may look.
fn viewer() -> Operator {
    Operator { name: None, role: Role::Read, subject: "127.0.0.1".to_owned(), certificate: Digest([0; 32]) }
}

/// A secret of 256 random bits, and the pass that it opens.
fn new_pass(view: &OpsView, age_max: SignedDuration) -> (String, Pass) {
    let mut random = [0; 32];
    view.clock.random(&mut random);
    let secret = URL_SAFE_NO_PAD.encode(random);
    let pass = Pass { digest: Digest::of(secret.as_bytes()), until: view.clock.now().saturating_add(age_max).unwrap_or(Timestamp::MAX) };
    (secret, pass)
}

fn wrong_host(zh: bool) -> Response {
    let (title, sentence) = if zh {
        ("地址不正确", "请使用显示的链接打开本页，地址应以 http://127.0.0.1 开头。")
    } else {
        ("Not this address", "Open this page by the link as it was shown; its address begins with http://127.0.0.1.")
    };
    notice(StatusCode::FORBIDDEN, title, &[sentence], Lang::chinese_if(zh))
}

fn used_up(zh: bool) -> Response {
    let (title, sentences) = if zh {
        (
            "链接已失效",
            ["每个链接只能打开一次，且须在 10 分钟内打开。", "如需再次查看，请在打开过该链接的浏览器中刷新，或重新启动以取得新链接。"],
        )
    } else {
        (
            "This link does not work any more",
            [
                "A link opens once, within 10 minutes of being shown.",
                "Look again in the browser that opened it, or start again for a new link.",
            ],
        )
    };
    notice(StatusCode::FORBIDDEN, title, &sentences, Lang::chinese_if(zh))
}

fn no_cookie(zh: bool) -> Response {
    let (title, sentence) = if zh {
        ("需要一次性链接", "本页只对打开过一次性链接的浏览器显示；链接在网关启动时显示。操作员也可凭证书访问操作员端口。")
    } else {
        (
            "A one-time link is needed",
            "This page is shown to the browser that opened the one-time link, which was shown at the start of the gateway. Operators may also use their certificate on the operators' listener.",
        )
    };
    notice(StatusCode::FORBIDDEN, title, &[sentence], Lang::chinese_if(zh))
}
