//! Spans that have ended, on their way to the collector: OTLP, protobuf over HTTP.
//!
//! A span that ends goes into a bounded queue, or is dropped and counted where that is full. One task takes batches out
//! of it and posts them. A collector that cannot be reached, or says that it is busy, is asked again with the same batch,
//! in longer and longer intervals, while the queue fills; what it refuses for good is dropped and counted. A collector
//! that fails is told of once, and once again when it is back.

use crate::config::TraceSettings;
use crate::metrics::Metrics;
use bytes::Bytes;
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Bytes that are read of a collector's answer.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Characters that are logged of what a collector says.
const WHY_CHARS_MAX: usize = 500;
/// First wait after a failure; doubled after each further one.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Why a collector did not take a batch.
#[derive(Debug, thiserror::Error)]
pub enum Setback {
    /// It may take it later.
    #[error("{0}")]
    Temporary(String),
    /// It will never take it.
    #[error("{0}")]
    Lasting(String),
}

/// Takes batches of spans. What carries them is wired by `app`.
#[async_trait::async_trait]
pub trait Collector: Send + Sync {
    /// Posts an `ExportTraceServiceRequest` and gives the answer to it.
    ///
    /// # Errors
    /// Why it was not taken.
    async fn post(&self, request: Bytes) -> Result<Bytes, Setback>;
}

/// The queue's end at which spans go in.
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.metrics.spans_dropped("queue-full", 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// [`Exporter::shutdown`] ends it.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The task that sends.
pub struct Exporter {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Sends what is in the queue, for so long at most. Called when nothing makes spans any more.
    pub async fn shutdown(self, timeout: Duration) {
        self.stop.send_replace(true);
        let mut task = self.task;
        if tokio::time::timeout(timeout, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("spans that were not sent at the end of the shutdown time are lost");
        }
    }
}

pub(super) fn start(
    settings: &TraceSettings,
    resource: &Resource,
    collector: Arc<dyn Collector>,
    metrics: Arc<Metrics>,
) -> (Queue, Exporter) {
    let (spans, waiting) = mpsc::channel(settings.queue_spans_max);
    let (stop, stopped) = watch::channel(false);
    let sender = Sender {
        waiting,
        stopped,
        batch_spans_max: settings.batch_spans_max,
        batch_wait: settings.batch_wait,
        timeout: settings.timeout,
        resource: resource.into(),
        collector,
        metrics: Arc::clone(&metrics),
        failing: false,
    };
    (Queue { spans, metrics }, Exporter { stop, task: tokio::spawn(sender.run()) })
}

/// What the task has.
struct Sender {
    waiting: mpsc::Receiver<SpanData>,
    stopped: watch::Receiver<bool>,
    batch_spans_max: usize,
    batch_wait: Duration,
    timeout: Duration,
    resource: ResourceAttributesWithSchema,
    collector: Arc<dyn Collector>,
    metrics: Arc<Metrics>,
    /// The last try failed, and somebody was told.
    failing: bool,
}

impl Sender {
    async fn run(mut self) {
        loop {
            let batch = self.batch().await;
            if batch.is_empty() {
                return;
            }
            self.send(batch).await;
        }
    }

    /// The next spans: as many as fit a batch, or those of a while. Empty once there will be no more.
    async fn batch(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        let mut until: Option<Instant> = None;
        while batch.len() < self.batch_spans_max {
            let room = self.batch_spans_max - batch.len();
            if self.is_stopped() {
                while batch.len() < self.batch_spans_max
                    && let Ok(span) = self.waiting.try_recv()
                {
                    batch.push(span);
                }
                break;
            }
            tokio::select! {
                taken = self.waiting.recv_many(&mut batch, room) => {
                    if taken == 0 { break }
                    until.get_or_insert_with(|| Instant::now() + self.batch_wait);
                }
                () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => break,
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
            }
        }
        batch
    }

    /// Whether it is the gateway's end; also where whoever would say so is gone.
    fn is_stopped(&self) -> bool {
        *self.stopped.borrow() || self.stopped.has_changed().is_err()
    }

    /// Posts a batch until it is taken, refused, or nobody can wait any longer.
    async fn send(&mut self, batch: Vec<SpanData>) {
        let spans = batch.len() as u64;
        let request = ExportTraceServiceRequest { resource_spans: group_spans_by_resource_and_scope(batch, &self.resource) };
        let request = Bytes::from(request.encode_to_vec());
        let mut wait = RETRY_FIRST;
        loop {
            let last = self.is_stopped();
            let late = || Err(Setback::Temporary("no answer in time".to_owned()));
            let posted = tokio::time::timeout(self.timeout, self.collector.post(request.clone())).await.unwrap_or_else(|_| late());
            match posted {
                Ok(answer) => return self.taken(spans, &answer),
                Err(Setback::Lasting(why)) => {
                    self.warn(&why);
                    return self.metrics.spans_dropped("refused", spans);
                }
                Err(Setback::Temporary(why)) => self.warn(&why),
            }
            if last {
                return self.give_up(spans);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = self.stopped.wait_for(|stopped| *stopped) => {}
            }
            wait = RETRY_MAX.min(wait * 2);
        }
    }

    /// Notes what was taken of a batch. An answer that cannot be read is no refusal: its status said that it was taken.
    fn taken(&mut self, spans: u64, answer: &[u8]) {
        let partial = ExportTraceServiceResponse::decode(answer).ok().and_then(|answer| answer.partial_success);
        let refused = partial.as_ref().map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)).min(spans);
        self.metrics.spans_sent(spans - refused);
        if let Some(partial) = partial.filter(|_| refused > 0) {
            self.metrics.spans_dropped("refused", refused);
            let why: String = partial.error_message.chars().take(WHY_CHARS_MAX).collect();
            return self.warn(&format!("{refused} spans were refused: {why}"));
        }
        if self.failing {
            self.failing = false;
            tracing::info!("the collector takes spans again");
        }
    }

    /// At the end of the gateway, with a collector that is not there: what waits is lost.
    fn give_up(&mut self, spans: u64) {
        let mut lost = spans;
        while self.waiting.try_recv().is_ok() {
            lost += 1;
        }
        self.metrics.spans_dropped("collector-down", lost);
        tracing::warn!(spans = lost, "the collector did not take the last spans; they are lost");
    }

    /// Tells an operator, once until the collector works again.
    fn warn(&mut self, error: &str) {
        if !self.failing {
            self.failing = true;
            tracing::warn!(error, "the collector does not take spans; exchanges go on without");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use std::sync::Mutex;

    /// Answers in turn.
    struct Scripted(Mutex<Vec<Result<Bytes, Setback>>>);

    #[async_trait::async_trait]
    impl Collector for Scripted {
        async fn post(&self, _: Bytes) -> Result<Bytes, Setback> {
            self.0.lock().unwrap().remove(0)
        }
    }

    /// Sends batches of two spans, one for each answer, and looks at what was counted.
    async fn check(answers: Vec<Result<Bytes, Setback>>, expected: &[&str]) {
        let settings = TraceSettings {
            endpoint: String::new(),
            authorities: Vec::new(),
            identity: None,
            service_name: String::new(),
            sampled_share: 1.0,
            queue_spans_max: 100,
            batch_spans_max: 2,
            batch_wait: Duration::from_secs(600),
            timeout: Duration::from_secs(600),
        };
        let (spans, metrics) = (2 * answers.len(), Arc::new(Metrics::new()));
        let collector = Arc::new(Scripted(Mutex::new(answers)));
        let (queue, exporter) = start(&settings, &Resource::builder_empty().build(), collector, Arc::clone(&metrics));
        let tracer = SdkTracerProvider::builder().with_span_processor(queue).build().tracer("");
        (0..spans).for_each(|_| drop(tracer.start("a span")));
        exporter.shutdown(Duration::from_secs(600)).await;
        let text = metrics.to_text();
        for line in expected {
            assert!(text.lines().any(|found| found == *line), "{line} is not in {text}");
        }
    }

    #[tokio::test]
    async fn what_is_not_taken_is_counted() {
        let sent = |spans| format!("portolan_trace_spans_sent_total {spans}");
        let dropped = |why, spans| format!("portolan_trace_spans_dropped_total{{why=\"{why}\"}} {spans}");
        let partial = |rejected_spans| {
            let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message: String::new() });
            Bytes::from(ExportTraceServiceResponse { partial_success }.encode_to_vec())
        };
        check(vec![Ok(Bytes::new()), Ok(partial(0))], &[&sent(4)]).await;
        check(vec![Ok(Bytes::from_static(b"no protobuf"))], &[&sent(2)]).await;
        check(vec![Ok(partial(1)), Ok(Bytes::new())], &[&sent(3), &dropped("refused", 1)]).await;
        check(vec![Ok(partial(-1)), Ok(partial(i64::MAX))], &[&sent(2), &dropped("refused", 2)]).await;
        check(vec![Err(Setback::Lasting("no".to_owned())), Ok(Bytes::new())], &[&sent(2), &dropped("refused", 2)]).await;
    }

    #[tokio::test]
    async fn what_waits_at_the_end_for_a_collector_that_is_down_is_lost_and_counted() {
        let down = || Err(Setback::Temporary("no".to_owned()));
        check(vec![down(), down(), down()], &["portolan_trace_spans_dropped_total{why=\"collector-down\"} 6"]).await;
    }
}
