//! A partner of the demonstration: its line to the gateway, and what it was answered.

use super::world::Identity;
use crate::certs::files;
use crate::delivery::push::{Driver, Line, Place, dial};
use crate::domain::Digest;
use crate::fault::BoxError;
use crate::http::PROTOCOLS;
use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Times that a submission is tried while the line breaks or the gateway asks to come back.
const TRIES_MAX: u32 = 20;

/// A partner with a line that stays open between its calls.
pub struct Party {
    place: Place,
    tls: Arc<ClientConfig>,
    line: Option<(Line<Full<Bytes>>, Driver)>,
}

/// What is submitted.
#[derive(Clone)]
pub struct Submission {
    /// The flow.
    pub flow: &'static str,
    /// `Idempotency-Key`.
    pub key: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Bytes,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body's bytes.
    pub bytes: Bytes,
    /// The body as JSON; null where it is none.
    pub body: Value,
    /// From the call to the whole answer.
    pub took: Duration,
}

impl Party {
    /// A partner that has not called yet.
    ///
    /// # Errors
    /// Files or an address that cannot be used.
    pub fn new(url: &str, identity: &Identity, authority: &Path) -> Result<Self, BoxError> {
        let mut roots = RootCertStore::empty();
        for certificate in files::read_certificates(authority)? {
            roots.add(certificate)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(files::read_certificates(&identity.chain)?, files::read_private_key(&identity.key)?)?;
        tls.alpn_protocols = vec![PROTOCOLS[1].to_vec()];
        Ok(Self { place: Place::of(url)?, tls: Arc::new(tls), line: None })
    }

    /// Submits a body, again and again with the same key while the line breaks, and gives the answer.
    ///
    /// # Errors
    /// When it was tried too often.
    pub async fn submit(&mut self, submission: &Submission) -> Result<Reply, BoxError> {
        let mut last: BoxError = "nothing was tried".into();
        for attempt in 0..TRIES_MAX {
            match self.call(post(submission)?).await {
                Ok(reply) if !matches!(reply.status, 409 | 429 | 503) => return Ok(reply),
                Ok(reply) => last = format!("the gateway answered {}: {}", reply.status, reply.body).into(),
                Err(error) => last = error,
            }
            tokio::time::sleep(Duration::from_millis(100 << attempt.min(4))).await;
        }
        Err(last)
    }

    /// Submits a body and cuts the line without reading the answer, once `committed` says so.
    ///
    /// # Errors
    /// When the line cannot be opened.
    pub async fn submit_and_cut(&mut self, submission: &Submission, committed: impl Future<Output = ()>) -> Result<(), BoxError> {
        let request = self.addressed(post(submission)?)?;
        let (mut line, driver) = self.open().await?;
        let Line::Http1(sender) = &mut line else { return Err("HTTP/1.1 was asked for".into()) };
        tokio::select! {
            // The answer may come, but nobody looks at it.
            () = async { let _ = sender.send_request(request).await; std::future::pending::<()>().await } => {}
            () = committed => {}
        }
        driver.abort();
        Ok(())
    }

    /// Reads something from the gateway.
    ///
    /// # Errors
    /// A line that breaks.
    pub async fn fetch(&mut self, path: &str, accept: &'static str) -> Result<Reply, BoxError> {
        let mut request = Request::builder().method(Method::GET).uri(path).body(Full::default())?;
        request.headers_mut().insert(hyper::header::ACCEPT, HeaderValue::from_static(accept));
        self.call(request).await
    }

    async fn call(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, BoxError> {
        let request = self.addressed(request)?;
        let (mut line, driver) = self.open().await?;
        let begun = Instant::now();
        let answered = async {
            let Line::Http1(sender) = &mut line else { return Err("HTTP/1.1 was asked for".into()) };
            let response = sender.send_request(request).await?;
            let (status, body) = (response.status().as_u16(), response.into_body().collect().await?.to_bytes());
            Ok::<_, BoxError>((status, body))
        };
        let (status, bytes) = tokio::time::timeout(ANSWER_TIMEOUT, answered).await??;
        let took = begun.elapsed();
        self.line = Some((line, driver));
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Reply { status, bytes, body, took })
    }

    /// The line at hand where it still stands, else a new one. It is put back after a call that
    /// went well.
    async fn open(&mut self) -> Result<(Line<Full<Bytes>>, Driver), BoxError> {
        if let Some((Line::Http1(mut sender), driver)) = self.line.take()
            && sender.ready().await.is_ok()
        {
            return Ok((Line::Http1(sender), driver));
        }
        Ok(dial(self.tls.clone(), &self.place).await?)
    }

    fn addressed(&self, mut request: Request<Full<Bytes>>) -> Result<Request<Full<Bytes>>, BoxError> {
        request.headers_mut().insert(HOST, self.place.authority.clone());
        Ok(request)
    }
}

fn post(submission: &Submission) -> Result<Request<Full<Bytes>>, BoxError> {
    let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(&submission.body).0);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("/v1/flows/{}/exchanges", submission.flow))
        .header(CONTENT_TYPE, submission.content_type)
        .header("idempotency-key", &submission.key)
        .header("content-digest", format!("sha-256=:{digest}:"))
        .body(Full::new(submission.body.clone()))?;
    Ok(request)
}
