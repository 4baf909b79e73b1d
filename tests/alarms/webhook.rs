//! Who is configured is told, over TLS, signed, and again until it is acknowledged.

use crate::duty::{ask, closed, open, post_reason, quick_file, raised, world_on_duty};
use crate::receiver::{Receiver, Reply, Seen, Server};
use crate::world::{World, eventually};
use portolan::certs::{Issued, Summary, files};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_webhook_is_told_until_it_acknowledges() {
    let world = world_on_duty();
    world.write("conf/secret", SECRET);
    fs::set_permissions(world.path("conf/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let hook = webhook(&world).await;
    hook.script([Reply::status(503), Reply::Cut]);
    let table = |bytes: u64| {
        let port = hook.address.port();
        quick_file(&format!(
            "disk_free_bytes_min = {bytes}\n[alarms.webhook.duty]\nurl = \"https://localhost:{port}/alarms\"\nauthorities = [\"../ca/ca.pem\"]\n\
             identity = {{ chain = \"../ca/issued/gateway.pem\", key = \"../ca/issued/gateway.key\" }}\nsecret = \"secret\"\n\
             kinds = [\"disk.low\"]\n"
        ))
    };
    world.write("conf/portolan.toml", &table(9_000_000_000_000_000));
    let gateway = world.serve().await;
    let alarm = raised(&world, &gateway, "disk.low", "party", "gateway").await;
    let told = told(&hook, "raised", 3).await;
    assert!(told.iter().all(|seen| seen.field("idempotency-key") == told[0].field("idempotency-key")), "the same notice each time");
    told.iter().for_each(check_signature);
    let body: serde_json::Value = serde_json::from_slice(&told[2].body).unwrap();
    assert_eq!(
        (&body["event"], &body["alarm"]["number"], &body["alarm"]["kind"]),
        (&"raised".into(), &alarm["number"], &"disk.low".into())
    );

    let number = alarm["number"].as_u64().unwrap();
    assert_eq!(ask(&world, &gateway, &post_reason(&format!("/v1/alarms/{number}/acknowledge"), "mine")).await.status, 200);
    world.write("conf/portolan.toml", &table(1));
    closed(&world, &gateway, &alarm).await;
    let seen = self::told(&hook, "closed", 1).await;
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(body["alarm"]["acknowledged"]["text"], "mine");
    assert_eq!(self::told(&hook, "raised", 3).await.len(), 3, "once is enough");
}

async fn webhook(world: &World) -> Receiver {
    let file = |kind: &str| world.path(&format!("ca/issued/bureau.{kind}"));
    let summary = Summary::of(&files::read_certificates(&file("pem")).unwrap()[0]).unwrap();
    let identity = Issued { chain: file("pem"), key: Some(file("key")), summary };
    Receiver::start(&Server { identity: &identity, client_authority: &world.path("ca/ca.pem"), protocol: "h2" }, 0).await
}

/// The attempts to tell of an event, once there are so many.
async fn told(hook: &Receiver, event: &str, times: usize) -> Vec<Seen> {
    let of_event = || hook.seen().into_iter().filter(|seen| seen.field("portolan-event") == event).collect::<Vec<_>>();
    eventually(event, async || Some(of_event()).filter(|seen| seen.len() >= times)).await
}

/// As a program that is not ours computes it.
fn check_signature(seen: &Seen) {
    let program = "import hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), 'sha256').hexdigest())";
    let signed = format!("{}.{}", seen.field("portolan-timestamp"), String::from_utf8(seen.body.to_vec()).unwrap());
    let output = Command::new("python3").args(["-c", program, SECRET, &signed]).output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(seen.field("portolan-signature"), format!("hmac-sha256={}", expected.trim()));
}

#[tokio::test]
async fn the_certificates_that_a_webhook_and_the_collector_are_called_with_are_told_of() {
    let mut world = world_on_duty();
    world.write("conf/secret", SECRET);
    fs::set_permissions(world.path("conf/secret"), fs::Permissions::from_mode(0o600)).unwrap();
    let identity = |name: &str| format!("identity = {{ chain = \"../ca/issued/{name}.pem\", key = \"../ca/issued/{name}.key\" }}\n");
    let table = format!(
        "[alarms.webhook.duty]\nurl = \"https://localhost:9/alarms\"\nauthorities = [\"../ca/ca.pem\"]\nsecret = \"secret\"\n\
         kinds = [\"disk.low\"]\n{}[traces]\nendpoint = \"https://localhost:9/v1/traces\"\nauthorities = [\"../ca/ca.pem\"]\n{}",
        identity("platform"),
        identity("bureau")
    );
    world.write("conf/portolan.toml", &quick_file(&table));
    for name in ["platform", "bureau"] {
        world.renew(name, false, 5);
    }
    let gateway = world.serve().await;
    for name in ["platform", "bureau"] {
        let file = format!("{name}.pem");
        let is_told = |alarm: &serde_json::Value| {
            let what = alarm["what"].as_str().unwrap_or_default();
            alarm["kind"] == "certificate.expiring" && what.contains("outbound certificate") && what.ends_with(&file)
        };
        eventually(&file, async || open(&world, &gateway).await.into_iter().find(is_told)).await;
    }
}
