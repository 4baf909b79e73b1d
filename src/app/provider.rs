//! How a query reaches its provider: over the connections of delivery, which `query` does not know.

use crate::config::Destination;
use crate::delivery::retry::Judgement;
use crate::delivery::{DeliveryRequest, PushTransport, Transport, TransportError, spans};
use crate::domain::Digest;
use crate::fault::Fault;
use crate::query::{Forwarded, Provider, Reply};
use crate::seams::SharedClock;
use crate::traces::Traces;
use std::sync::Arc;

/// Asks over mutual TLS.
pub struct PushProvider {
    /// What deliveries are carried by.
    pub transport: Arc<PushTransport>,
    /// Time and chance.
    pub clock: SharedClock,
    /// What spans of the calls are made with.
    pub traces: Traces,
}

#[async_trait::async_trait]
impl Provider for PushProvider {
    async fn ask(&self, destination: &Arc<Destination>, question: Forwarded) -> Result<Reply, Fault> {
        let calling = spans::call(&self.traces, destination, &question.trace);
        let request = DeliveryRequest {
            delivery: question.exchange,
            service: Some(question.service),
            exchange: question.exchange,
            flow: question.flow,
            sender: question.sender,
            attempt: 1,
            media_type: question.media_type,
            records: 1,
            digest: Digest::of(&question.body),
            body: question.body,
            trace: calling.context().clone(),
        };
        let sent = tokio::time::timeout(destination.timeout, self.transport.send(destination, request)).await;
        let sent = sent.unwrap_or(Err(TransportError::Timeout));
        spans::called(calling, &sent);
        let setback = match Judgement::of_answer(&sent) {
            Judgement::Acknowledged => None,
            Judgement::Temporary(setback) | Judgement::Lasting(setback) => Some(setback),
        };
        match (sent, setback) {
            (Ok(answer), None) => Ok(Reply { media_type: answer.media_type, body: answer.body, certificate: answer.certificate }),
            (Ok(answer), Some(setback)) => {
                let status = format!("HTTP {}", answer.status);
                let fault = Fault::new(setback.code).detail(status.clone(), status.clone()).caused_by(status);
                Err(match setback.retry_after {
                    Some(after) => fault.retry_after(after.wait_from(self.clock.now()).as_secs()),
                    None => fault,
                })
            }
            (Err(error), _) => Err(Fault::new(error.code()).caused_by(error)),
        }
    }
}
