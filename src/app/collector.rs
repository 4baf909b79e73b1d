//! How spans reach their collector: over the lines of delivery, which `traces` does not know, or in plain HTTP on this machine.

use crate::config::{Problem, TraceSettings};
use crate::delivery::push::{CONNECTION_AGE_MAX, Line, Place, dial, dial_plain, read_body, with_causes};
use crate::delivery::tls::server_trust;
use crate::fault::BoxError;
use crate::traces::{ANSWER_BYTES_MAX, Collector, Setback};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode, Uri};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Mutex;

/// Posts to the configured endpoint. A line is kept until it fails or is old; each new one is made with the files as they are then.
pub struct HttpCollector {
    settings: Arc<TraceSettings>,
    place: Place,
    /// An open line, and since when.
    line: Mutex<Option<(Line<Full<Bytes>>, Instant)>>,
}

impl HttpCollector {
    /// A collector that was not called yet.
    ///
    /// # Errors
    /// An endpoint that cannot be called.
    pub fn new(settings: Arc<TraceSettings>) -> Result<Self, BoxError> {
        let place = Place::parse(&settings.endpoint)?;
        Ok(Self { settings, place, line: Mutex::default() })
    }

    async fn open(&self) -> Result<Line<Full<Bytes>>, String> {
        if !self.place.is_https() {
            return dial_plain(&self.place).await.map_err(|error| error.to_string());
        }
        let settings = Arc::clone(&self.settings);
        let tls = tokio::task::spawn_blocking(move || server_trust(&settings.authorities, &[], settings.identity.as_ref()));
        let tls = tls.await.map_err(|error| error.to_string())?;
        let tls = tls.map_err(|problems| problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))?;
        dial(Arc::new(tls), &self.place).await.map(|(line, _)| line).map_err(|error| error.to_string())
    }

    fn request(&self, body: Bytes, http2: bool) -> hyper::http::Result<Request<Full<Bytes>>> {
        let builder = match (http2, self.place.uri.path_and_query()) {
            (true, _) => Request::post(&self.place.uri),
            (false, path) => {
                let path = path.map_or_else(|| Ok(Uri::from_static("/")), |path| path.as_str().parse::<Uri>())?;
                Request::post(path).header(HOST, &self.place.authority)
            }
        };
        builder.header(CONTENT_TYPE, "application/x-protobuf").body(Full::new(body))
    }

    async fn send(&self, line: &mut Line<Full<Bytes>>, body: Bytes) -> Result<Response<Incoming>, String> {
        let request = self.request(body, matches!(line, Line::Http2(_))).map_err(|error| error.to_string())?;
        let sent = match line {
            Line::Http1(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Line::Http2(sender) => sender.send_request(request).await,
        };
        sent.map_err(|error| with_causes(&error))
    }
}

#[async_trait::async_trait]
impl Collector for HttpCollector {
    async fn post(&self, request: Bytes) -> Result<Bytes, Setback> {
        let mut kept = self.line.lock().await;
        // A line that was kept may have been closed since; that is no failure of the collector.
        let response = match kept.take().filter(|(_, opened)| opened.elapsed() < CONNECTION_AGE_MAX) {
            Some((mut line, opened)) => self.send(&mut line, request.clone()).await.ok().map(|response| (line, opened, response)),
            None => None,
        };
        let (line, opened, response) = match response {
            Some(answered) => answered,
            None => {
                let mut line = self.open().await.map_err(Setback::Temporary)?;
                let response = self.send(&mut line, request).await.map_err(Setback::Temporary)?;
                (line, Instant::now(), response)
            }
        };
        let (status, mut answer) = (response.status(), Vec::new());
        if matches!(read_body(response.into_body(), &mut answer, ANSWER_BYTES_MAX).await, Ok(true)) {
            *kept = Some((line, opened));
        }
        judge(status).map(|()| answer.into())
    }
}

/// What a status says, as OTLP has it.
fn judge(status: StatusCode) -> Result<(), Setback> {
    let told = || format!("it answers HTTP {status}");
    match status.as_u16() {
        200..=299 => Ok(()),
        429 | 502 | 503 | 504 => Err(Setback::Temporary(told())),
        _ => Err(Setback::Lasting(told())),
    }
}
