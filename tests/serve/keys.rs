//! The key that signs receipts is changed while the gateway runs.

use crate::line::{Line, get, payments, post};
use crate::support::portolan;
use crate::world::World;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use portolan::journal::HeadSigner;
use portolan::receipt::{Jwks, Keys, Mismatch, verify};
use portolan::seams::SystemClock;
use serde_json::Value;
use std::fs;
use std::io::Empty;
use std::path::Path;
use std::sync::Arc;

async fn receipt(line: &mut Line, message_id: &str) -> Vec<u8> {
    let id = line.ask(&post("payments", &payments(message_id, 1), "")).await.unwrap().exchange();
    line.ask(&get(&format!("/v1/exchanges/{id}/receipt"))).await.unwrap().body
}

async fn published(line: &mut Line) -> Jwks {
    let answer = line.ask(&get("/.well-known/jwks.json")).await.unwrap();
    Jwks::parse(&String::from_utf8(answer.body).unwrap()).unwrap()
}

fn kid(receipt: &[u8], keys: &Jwks) -> Result<String, Vec<Mismatch>> {
    verify(receipt, keys, None::<Empty>).map(|verified| verified.kid).map_err(|error| error.mismatches)
}

#[tokio::test]
async fn receipts_before_and_after_a_rotation_verify_and_none_of_a_retired_key() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let before = receipt(&mut bank, "BEFORE").await;
    let old_key = fs::read(world.path("conf/data/keys/receipt-key.pem")).unwrap();
    let pinned = published(&mut bank).await;

    let rotated = portolan().args(["keys", "rotate", "--data"]).arg(world.path("conf/data")).output().unwrap();
    assert!(rotated.status.success(), "{rotated:?}");
    let after = receipt(&mut bank, "AFTER").await;
    let keys = published(&mut bank).await;

    let [old, new] = keys.keys.as_slice() else { panic!("{keys:?}") };
    let printed = String::from_utf8(rotated.stdout).unwrap();
    assert!(printed.contains(&format!("new key  {}, signs since", new.kid)), "{printed}");
    assert_eq!((kid(&before, &keys), kid(&after, &keys)), (Ok(old.kid.clone()), Ok(new.kid.clone())));
    assert_eq!(kid(&after, &pinned), Err(vec![Mismatch::KeyUnknown(new.kid.clone())]));
    assert_eq!((&old.portolan_valid_to, &new.portolan_valid_to), (&new.portolan_valid_from, &None), "no gap, and no end yet");

    // Whoever has got hold of the retired key signs a head of today with it.
    let retired_at: Timestamp = old.portolan_valid_to.as_ref().unwrap().parse().unwrap();
    let [within, later] = [0, 120].map(|seconds| (retired_at + SignedDuration::from_secs(seconds)).to_string());
    let forger = key_of(&world.path("forger"), &old_key);
    assert_eq!(kid(&signed_again(&before, &forger, &within), &keys), Ok(old.kid.clone()), "it signed until then");
    let refused = Err(vec![Mismatch::KeyNotValid { kid: old.kid.clone(), signed_at: later.clone() }]);
    assert_eq!(kid(&signed_again(&before, &forger, &later), &keys), refused);
}

#[tokio::test]
async fn a_key_staged_while_the_gateway_is_down_is_taken_up_at_its_start() {
    let world = World::new();
    let folder = world.path("conf/data/keys");
    let first = Keys::open_or_create(&folder, Arc::new(SystemClock)).unwrap().kid();
    let staged = portolan::receipt::keys::stage(&folder).unwrap();
    assert_ne!(staged, first);
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let keys = published(&mut bank).await;
    let validity: Vec<(&str, bool)> = keys.keys.iter().map(|key| (key.kid.as_str(), key.portolan_valid_to.is_some())).collect();
    assert_eq!(validity, [(first.as_str(), true), (staged.as_str(), false)]);
    assert_eq!(kid(&receipt(&mut bank, "FIRST").await, &keys), Ok(staged));
}

#[test]
fn only_a_folder_with_a_key_in_use_can_be_rotated() {
    let folder = tempfile::tempdir().unwrap();
    let rotated = portolan().args(["keys", "rotate", "--data"]).arg(folder.path()).output().unwrap();
    assert_eq!(rotated.status.code(), Some(1));
    let printed = String::from_utf8(rotated.stderr).unwrap();
    assert!(printed.contains("receipt-key.pem"), "{printed}");
}

/// A signer with a key that lies nowhere any more.
fn key_of(folder: &Path, pem: &[u8]) -> Keys {
    Keys::open_or_create(folder, Arc::new(SystemClock)).unwrap();
    fs::write(folder.join("receipt-key.pem"), pem).unwrap();
    fs::remove_file(folder.join("jwks.json")).unwrap();
    Keys::open_or_create(folder, Arc::new(SystemClock)).unwrap()
}

/// The same receipt, its head dated and signed anew.
fn signed_again(receipt: &[u8], signer: &Keys, signed_at: &str) -> Vec<u8> {
    let mut receipt: Value = serde_json::from_slice(receipt).unwrap();
    let payload = receipt["head"].as_str().unwrap().split('.').nth(1).unwrap();
    let mut head: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    head["signed_at"] = signed_at.into();
    receipt["head"] = signer.sign(head.to_string().as_bytes()).into();
    receipt.to_string().into_bytes()
}
