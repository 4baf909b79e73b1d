//! The suite: what every store of the journal must do, through the trait alone.
//!
//! A store joins by implementing [`Store`] and calling `journal_suite!`.

mod acts;
mod commits;
mod deliveries;
mod lists;
mod repeats;

pub use crate::books::*;
pub use acts::*;
pub use commits::*;
pub use deliveries::*;
pub use lists::*;
pub use repeats::*;

use crate::support::{SampleRecord, TestClock};
use jiff::{SignedDuration, Timestamp};
use portolan::domain::{DeliveryId, DestinationId, Digest, Operator, Role};
use portolan::journal::acts::{ActRequest, Acted, Deed, NewAct, Pick};
use portolan::journal::{Committed, Journal, Journaled, Lease, NewExchange, Settlement};
use portolan::receipt::Jwks;
use portolan::seams::Clock;
use std::path::Path;
use std::sync::Arc;

/// A store that can be opened again with what it holds.
pub trait Store {
    fn open(&self) -> Arc<dyn Journal>;
    fn clock(&self) -> &TestClock;
    fn jwks(&self) -> Jwks;
    /// A folder for spool files.
    fn spool(&self) -> &Path;
}

/// One test for each check, against a store that begins empty.
macro_rules! journal_suite {
    ($store:ty) => {
        $crate::suite::journal_suite!($store:
            commit_is_read_back_inline
            commit_is_read_back_from_files
            refused_is_kept
            receipt_verifies
            evidence_stays_the_same_after_reopening
            repeats
            any_correction_of_an_id_is_known
            business_keys
            business_keys_from_files
            the_same_exchange_again_is_a_repeat
            the_same_body_at_once_is_committed_once
            exchanges_at_once_share_heads
            leases_are_given_out_once
            a_lease_is_whole_when_it_is_given
            a_lease_that_ran_out_is_given_again
            a_lease_that_ran_out_may_be_settled_until_it_is_taken
            a_retry_waits_for_its_time
            every_retry_sends_the_same
            a_dead_letter_waits_until_it_is_resent
            a_waived_dead_letter_is_not_sent
            order_is_kept_within_a_key
            a_dead_letter_holds_its_key
            a_delivery_is_due_since_it_could_be_made
            dead_letters_are_listed_by_destination
            acts_are_kept
            many_dead_letters_are_resent_one_after_the_other
            a_proposal_is_decided_once_by_somebody_else
            what_is_paused_has_nothing_due
            the_log_of_acts_is_audited
            deliveries_survive_reopening
            chunks_count_their_own_rows
            pages_are_in_order
            lists_are_filtered
            a_message_is_known_once_something_of_it_was_accepted
            totals_add_up
            the_chain_is_audited
            an_unknown_outcome_is_resolved
            a_day_adds_up
            what_is_delivered_counts_on_its_own_day
            a_late_commit_is_the_next_days
            days_add_up_however_bodies_are_split
            a_day_has_a_bounded_number_of_sums
            absurd_amounts_stop_nothing
            a_sender_takes_no_room_of_anothers_sums
            a_statement_is_kept_once
            matters_stand_as_they_should
            matters_meet_in_any_order
        );
    };
    ($store:ty: $($check:ident)*) => {
        $(
            #[tokio::test]
            async fn $check() {
                $crate::suite::$check(&<$store>::default()).await;
            }
        )*
    };
}
pub(crate) use journal_suite;
/// `KEY`, `KEY@BITS` or `-`; the number of the case keeps keys apart in the one journal.
fn sample_record(text: &str, case: usize) -> SampleRecord {
    let (key, bits) = text.split_once('@').unwrap_or((text, "1"));
    let key = (key != "-").then(|| format!("{case} {key}"));
    SampleRecord { key, destinations: bits.parse().unwrap() }
}

/// How long the tests lease.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

fn tax() -> DestinationId {
    "tax/inbox".parse().unwrap()
}

async fn lease(store: &dyn Store, journal: &dyn Journal, leases_max: usize) -> Vec<Lease> {
    let now: Timestamp = store.clock().now();
    journal.lease(&tax(), now, now + LEASE, leases_max).await.unwrap()
}

async fn lease_one(store: &dyn Store, journal: &dyn Journal) -> Lease {
    let mut leases = lease(store, journal, 9).await;
    assert_eq!(leases.len(), 1);
    leases.remove(0)
}

async fn resend(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId) -> bool {
    act(store, journal, delivery, "resend", "the receiver is repaired").await
}

async fn waive(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId, reason: &str) -> bool {
    act(store, journal, delivery, "waive", reason).await
}

async fn act(store: &dyn Store, journal: &dyn Journal, delivery: DeliveryId, kind: &str, reason: &str) -> bool {
    let pick = Pick::one(delivery);
    let deed = if kind == "resend" { Deed::Resend { per_second: 1, pick } } else { Deed::Waive { pick } };
    match journal.act(asked(store, "operator", ActRequest::Do(deed), reason)).await.unwrap() {
        Acted::Done { woken, .. } => {
            assert_eq!(woken, [tax()]);
            true
        }
        Acted::NothingPicked => false,
        other => panic!("{other:?}"),
    }
}

/// What an operator asks for; more than one delivery takes two people, for an hour.
pub fn asked(store: &dyn Store, name: &str, request: ActRequest, reason: &str) -> NewAct {
    let (name, subject) = (Some(name.parse().unwrap()), format!("CN={name}"));
    let at = store.clock().now();
    NewAct {
        operator: Some(Operator { name, role: Role::Operate, subject, certificate: Digest::default() }),
        at,
        reason: reason.to_owned(),
        request,
        deliveries_alone_max: 1,
        proposal_until: at + SignedDuration::from_hours(1),
    }
}

async fn acknowledge(store: &dyn Store, journal: &dyn Journal, lease: &Lease) -> bool {
    journal.settle(lease.delivery, lease.token, store.clock().now(), Settlement::Acknowledged(Default::default())).await.unwrap()
}

async fn bury(store: &dyn Store, journal: &dyn Journal, lease: &Lease, fault: &str) {
    let dead = Settlement::Dead { fault: fault.to_owned(), detail: "400".to_owned(), answer: Some("no".to_owned()) };
    assert!(journal.settle(lease.delivery, lease.token, store.clock().now(), dead).await.unwrap());
}

async fn commit_new(journal: &dyn Journal, exchange: NewExchange) -> Journaled {
    match journal.commit(exchange).await.unwrap() {
        Committed::New(journaled) => journaled,
        other => panic!("not new: {other:?}"),
    }
}
