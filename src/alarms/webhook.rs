//! Telling those who are configured: a signed JSON document for each alarm that is raised and for each that is
//! closed, `POST`ed over TLS.
//!
//! | field | meaning |
//! |---|---|
//! | `Idempotency-Key` | of the alarm and the event; the same for every attempt |
//! | `Portolan-Event` | `raised` or `closed` |
//! | `Portolan-Timestamp` | Unix time of the attempt, in seconds |
//! | `Portolan-Signature` | `hmac-sha256=HEX`, over the timestamp, a full stop and the body, with the webhook's secret |
//!
//! Any 2xx is an acknowledgement; anything else is tried again, first after [`RETRY_FIRST`], then after twice as
//! long each time, up to [`RETRY_MAX`]. At most [`QUEUE_NOTICES_MAX`] wait for one webhook; what finds no room is
//! offered again, since the journal remembers until everyone was told.

use super::{Kind, alarm_entry};
use crate::config::Config;
use crate::config::alarms::{QuietHours, Webhook};
use crate::delivery::push::{Line, Place, TransportError, dial, why_closed, with_causes};
use crate::delivery::tls::server_trust;
use crate::journal::alarms::AlarmRow;
use crate::metrics::Metrics;
use crate::seams::SharedClock;
use aws_lc_rs::hmac;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Notices that wait for one webhook.
pub const QUEUE_NOTICES_MAX: usize = 256;
/// The wait after a first attempt that failed.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
pub const RETRY_MAX: Duration = Duration::from_secs(300);

/// Which alarm, and whether it was closed.
pub type NoticeId = (u64, bool);

/// Something to be told.
#[derive(Clone, Debug)]
struct Notice {
    id: NoticeId,
    key: String,
    body: Bytes,
}

/// Tells webhooks, one task for each.
pub struct Webhooks {
    clock: SharedClock,
    metrics: Arc<Metrics>,
    workers: Mutex<BTreeMap<String, Worker>>,
}

struct Worker {
    webhook: Arc<Webhook>,
    queue: mpsc::Sender<Notice>,
    progress: Arc<Mutex<Progress>>,
    task: AbortHandle,
}

#[derive(Default)]
struct Progress {
    queued: BTreeSet<NoticeId>,
    told: BTreeSet<NoticeId>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Webhooks {
    /// Nobody is told of anything yet.
    pub fn new(clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, workers: Mutex::default() }
    }

    /// Offers what is to be told, in the order of the rows, and says which of it everyone has been told. Quiet
    /// hours hold back what was raised in them. Needs a tokio runtime.
    pub fn offer(&self, config: &Config, rows: &[AlarmRow]) -> Vec<NoticeId> {
        let now = self.clock.now();
        let mut workers = lock(&self.workers);
        self.follow(&mut workers, config);
        let mut told = Vec::new();
        for row in rows {
            let id = (row.number, row.closed_at.is_some());
            let Ok(kind) = row.kind.parse::<Kind>() else { continue };
            if workers.is_empty() || (!id.1 && is_quiet(&config.gateway.alarms.quiet, kind, row, now)) {
                continue;
            }
            let mut everyone = true;
            for worker in workers.values().filter(|worker| worker.webhook.kinds.is_empty() || worker.webhook.kinds.contains(&kind)) {
                everyone &= worker.offer(id, row);
            }
            told.extend(everyone.then_some(id));
        }
        let open: BTreeSet<NoticeId> = rows.iter().map(|row| (row.number, row.closed_at.is_some())).collect();
        workers.values().for_each(|worker| lock(&worker.progress).told.retain(|id| open.contains(id)));
        told
    }

    /// Has a task for each webhook of the configuration, and none for another.
    fn follow(&self, workers: &mut BTreeMap<String, Worker>, config: &Config) {
        let webhooks = &config.gateway.alarms.webhooks;
        workers
            .retain(|name, worker| webhooks.values().any(|webhook| webhook.name.as_str() == name && Arc::ptr_eq(webhook, &worker.webhook)));
        for webhook in webhooks.values() {
            workers.entry(webhook.name.to_string()).or_insert_with(|| self.start(Arc::clone(webhook)));
        }
    }

    fn start(&self, webhook: Arc<Webhook>) -> Worker {
        let (queue, waiting) = mpsc::channel(QUEUE_NOTICES_MAX);
        let progress = Arc::new(Mutex::new(Progress::default()));
        let telling = tell_all(Arc::clone(&webhook), Arc::clone(&self.clock), Arc::clone(&self.metrics), waiting, Arc::clone(&progress));
        let task = tokio::spawn(telling).abort_handle();
        Worker { webhook, queue, progress, task }
    }
}

impl Worker {
    /// Queues a notice unless that was done before; says whether it has been told.
    fn offer(&self, id: NoticeId, row: &AlarmRow) -> bool {
        let mut progress = lock(&self.progress);
        if !progress.told.contains(&id) && !progress.queued.contains(&id) && self.queue.try_send(notice(id, row)).is_ok() {
            progress.queued.insert(id);
        }
        progress.told.contains(&id)
    }
}

fn is_quiet(quiet: &[QuietHours], kind: Kind, row: &AlarmRow, now: Timestamp) -> bool {
    quiet.iter().any(|hours| hours.hold_back(kind, row.subject.flow.as_ref(), now))
}

fn notice(id: NoticeId, row: &AlarmRow) -> Notice {
    let event = event(id);
    let body = json!({ "event": event, "alarm": alarm_entry(row) });
    Notice { id, key: format!("{}-{}-{event}", row.number, row.opened_at.as_millisecond()), body: body.to_string().into() }
}

fn event(id: NoticeId) -> &'static str {
    if id.1 { "closed" } else { "raised" }
}

async fn tell_all(
    webhook: Arc<Webhook>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    mut waiting: mpsc::Receiver<Notice>,
    progress: Arc<Mutex<Progress>>,
) {
    while let Some(notice) = waiting.recv().await {
        let mut wait = RETRY_FIRST;
        while let Err(error) =
            tokio::time::timeout(webhook.timeout, tell(&webhook, &notice, clock.now())).await.unwrap_or(Err(TransportError::Timeout))
        {
            metrics.told(&webhook.name, "retried");
            tracing::warn!(webhook = %webhook.name, alarm = notice.id.0, %error, wait_s = wait.as_secs(), "a webhook could not be told of an alarm; it is tried again");
            tokio::time::sleep(wait).await;
            wait = RETRY_MAX.min(wait * 2);
        }
        metrics.told(&webhook.name, "told");
        let mut progress = lock(&progress);
        progress.queued.remove(&notice.id);
        progress.told.insert(notice.id);
    }
}

/// One attempt.
async fn tell(webhook: &Arc<Webhook>, notice: &Notice, now: Timestamp) -> Result<(), TransportError> {
    let unusable = |why: String| TransportError::Unusable(why);
    let files = Arc::clone(webhook);
    let read = tokio::task::spawn_blocking(move || {
        let trust = server_trust(&files.authorities, &files.server_keys, files.identity.as_ref());
        let trust = trust.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let secret = std::fs::read(&files.secret).map_err(|error| format!("{}: {error}", files.secret.display()))?;
        Ok::<_, String>((trust, secret))
    });
    let (trust, secret) = read.await.map_err(|error| unusable(error.to_string()))?.map_err(unusable)?;
    let place = Place::of(&webhook.url)?;
    let (mut line, driver) = dial::<Full<Bytes>>(Arc::new(trust), &place).await?;
    let request = request(&place, notice, &secret, now, matches!(line, Line::Http2(_))).map_err(|error| unusable(error.to_string()))?;
    let sent = match &mut line {
        Line::Http1(sender) => sender.send_request(request).await,
        Line::Http2(sender) => sender.send_request(request).await,
    };
    match sent {
        Ok(response) if response.status().is_success() => Ok(()),
        Ok(response) => Err(TransportError::Broken(format!("it answered {}", response.status()))),
        Err(error) if error.is_canceled() => Err(TransportError::Broken(why_closed(driver).await)),
        Err(error) => Err(TransportError::Broken(with_causes(&error))),
    }
}

fn request(place: &Place, notice: &Notice, secret: &[u8], now: Timestamp, http2: bool) -> hyper::http::Result<Request<Full<Bytes>>> {
    let seconds = now.as_second().to_string();
    let uri: Uri = match (http2, place.uri.path_and_query()) {
        (true, _) => place.uri.clone(),
        (false, Some(path)) => path.as_str().parse()?,
        (false, None) => Uri::from_static("/"),
    };
    let mut builder = Request::post(uri);
    if !http2 {
        builder = builder.header(HOST, &place.authority);
    }
    builder
        .header(CONTENT_TYPE, "application/json")
        .header("idempotency-key", &notice.key)
        .header("portolan-event", event(notice.id))
        .header("portolan-signature", format!("hmac-sha256={}", signature(secret, &seconds, &notice.body)))
        .header("portolan-timestamp", seconds)
        .body(Full::new(notice.body.clone()))
}

/// HMAC-SHA-256 (RFC 2104) over the time, a full stop and the body, in hexadecimal digits.
fn signature(secret: &[u8], seconds: &str, body: &[u8]) -> String {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
    context.update(seconds.as_bytes());
    context.update(b".");
    context.update(body);
    context.sign().as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value is what `python3 -c "import hmac; print(hmac.new(b'k'*32, b'1800000000.{}', 'sha256').hexdigest())"` says.
    #[test]
    fn another_program_signs_the_same() {
        let expected = "724b379a5efd76c30d6bed85a07a8e2b9b8b6ef15e94c73b8f67d4ed35412105";
        assert_eq!(signature(&[b'k'; 32], "1800000000", b"{}"), expected);
    }
}
