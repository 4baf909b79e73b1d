//! One attempt: a leased delivery is rendered, its digest noted or compared, sent, and settled.

use crate::amounts::Amounts;
use crate::config::Destination;
use crate::delivery::render::{Payload, damaged, journal_fault, payload};
use crate::delivery::retry::Judgement;
use crate::delivery::worker::Parts;
use crate::delivery::{Attempted, DeliveryRequest, Ended, TransportError, later, spans};
use crate::fault::{Fault, FaultCode};
use crate::journal::{Lease, Settlement};
use crate::places::Places;
use crate::traces::{Span, SpanKind, TraceContext, key};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Carries one leased delivery to its end. Nothing is lost when this is dropped midway: the lease
/// runs out and the delivery is leased again. All of it is within the span.
pub(super) async fn attempt(parts: &Parts, renders: &Places, destination: &Arc<Destination>, lease: Lease, whole: Span) -> Ended {
    let began = parts.clock.now();
    let rendering = parts.traces.child("render", SpanKind::Internal, whole.context());
    let (judgement, amounts, told) = match rendering.ended(prepare(parts, renders, destination, &lease).await) {
        Ok((payload, amounts)) => {
            let calling = spans::call(&parts.traces, destination, whole.context());
            let request = request(&lease, payload, calling.context().clone());
            let sent = tokio::time::timeout(destination.timeout, parts.transport.send(destination, request)).await;
            let sent = sent.unwrap_or(Err(TransportError::Timeout));
            spans::called(calling, &sent);
            (Judgement::of_answer(&sent), amounts, Told::Detail)
        }
        Err(fault) => (Judgement::of_fault(&fault), Amounts::default(), Told::Code),
    };
    let settling = parts.traces.child("settle", SpanKind::Internal, whole.context());
    let ended = settle(parts, destination, &lease, judgement, amounts, told).await;
    settling.set(key::VERDICT, ended.as_str());
    drop(settling);
    spans::note_end(&whole, ended);
    let now = parts.clock.now();
    parts.observer.attempted(&Attempted {
        to: lease.to,
        flow: lease.flow,
        sender: lease.partner,
        records: lease.records,
        ended,
        took: span(began, now),
        since_received: span(lease.received_at, now),
        trace_id: lease.trace.trace_id(),
    });
    ended
}

/// Everything up to the sending, and the amounts of what is sent; the journal knows the digest before the first byte leaves.
async fn prepare(parts: &Parts, renders: &Places, destination: &Destination, lease: &Lease) -> Result<(Payload, Amounts), Fault> {
    // A closed semaphore cannot be: it is never closed.
    let _turn = renders.enter(&destination.id.partner).await.map_err(|e| Fault::new(FaultCode::Internal).caused_by(e))?;
    let mut payload = payload(parts.journal.clone(), parts.render.clone(), lease.clone()).await?;
    match lease.rendered {
        None => parts.journal.rendered(lease.delivery, lease.token, payload.digest).await.map_err(journal_fault)?,
        Some(first) if first == payload.digest => {}
        Some(first) => return Err(damaged(&format!("{} != {first}", payload.digest))),
    }
    if later(parts.clock.now(), destination.timeout) > lease.until {
        return Err(Fault::new(FaultCode::Unavailable).detail("生成报文耗时超过租约", "rendering took longer than the lease allows"));
    }
    let amounts = std::mem::take(&mut payload.amounts);
    Ok((payload, amounts))
}

fn request(lease: &Lease, payload: Payload, trace: TraceContext) -> DeliveryRequest {
    DeliveryRequest {
        delivery: lease.delivery,
        service: None,
        exchange: lease.exchange,
        flow: lease.flow.clone(),
        sender: lease.partner.clone(),
        attempt: lease.attempt,
        media_type: payload.media_type,
        records: payload.records,
        body: payload.body,
        digest: payload.digest,
        trace,
    }
}

async fn settle(parts: &Parts, destination: &Destination, lease: &Lease, judgement: Judgement, amounts: Amounts, told: Told) -> Ended {
    let mut random = [0; 8];
    parts.clock.random(&mut random);
    let code = match &judgement {
        Judgement::Acknowledged => None,
        Judgement::Temporary(setback) | Judgement::Lasting(setback) => Some(setback.code),
    };
    let now = parts.clock.now();
    let settlement = match judgement.settlement(lease, destination, now, u64::from_be_bytes(random)) {
        Settlement::Acknowledged(_) => Settlement::Acknowledged(amounts),
        other => other,
    };
    let ended = match (&settlement, code) {
        (Settlement::RetryAt { .. }, Some(code)) => Ended::Retried(code),
        (Settlement::Dead { .. }, Some(code)) => Ended::Dead(code),
        _ => Ended::Acknowledged,
    };
    match parts.journal.settle(lease.delivery, lease.token, now, settlement.clone()).await {
        Ok(true) => {
            log(&settlement, told);
            ended
        }
        Ok(false) => {
            tracing::warn!(fault = code.map(FaultCode::as_str), "the lease ran out before the attempt was settled; it will be made again");
            Ended::Abandoned
        }
        Err(error) => {
            tracing::error!(%error, "the attempt cannot be settled; it will be made again when its lease runs out");
            Ended::Abandoned
        }
    }
}

/// How much of a setback the log tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// Its detail too: it is of the line (a status, why there is no connection).
    Detail,
    /// What went wrong alone.
    Code,
}

/// What a record holds stays out of the log: the receiver's answer may repeat it, and so does the
/// detail of what our own side could not render. The journal keeps both for operators.
fn log(settlement: &Settlement, told: Told) {
    let of_the_line = told == Told::Detail;
    match settlement {
        Settlement::Acknowledged(_) => tracing::info!("acknowledged"),
        Settlement::RetryAt { at, fault, detail, .. } => {
            tracing::warn!(%at, fault, detail = of_the_line.then_some(detail), "to be tried again");
        }
        Settlement::Dead { fault, detail, .. } => {
            tracing::error!(fault, detail = of_the_line.then_some(detail), "a dead letter; resend or waive it");
        }
    }
}

fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Mutex, PoisonError};

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Logs both settlements of a failure and looks for its detail and its answer.
    fn check(code: FaultCode, told: Told) {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let (fault, detail, answer) = (code.to_string(), "DETAIL-91330100".to_owned(), Some("ANSWER-91330100".to_owned()));
        let retried =
            Settlement::RetryAt { at: Timestamp::UNIX_EPOCH, fault: fault.clone(), detail: detail.clone(), answer: answer.clone() };
        tracing::subscriber::with_default(subscriber, || {
            log(&retried, told);
            log(&Settlement::Dead { fault, detail, answer }, told);
        });
        let logged = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(logged.matches(code.as_str()).count(), 2, "{logged}");
        assert_eq!(logged.matches("DETAIL-91330100").count(), if told == Told::Detail { 2 } else { 0 }, "{code}: {logged}");
        assert!(!logged.contains("ANSWER-91330100"), "{code}: {logged}");
    }

    #[test]
    fn no_value_of_a_record_is_logged() {
        check(FaultCode::RenderFailed, Told::Code);
        check(FaultCode::Internal, Told::Code);
        check(FaultCode::Internal, Told::Detail);
        check(FaultCode::ReceiverRefused, Told::Detail);
    }
}
