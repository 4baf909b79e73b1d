//! Reconciliations in the running program: a kill loses and repeats nothing, a changed declaration begins anew, and one that
//! does not fit the records is refused with its lines.

use crate::line::{get, payments, post};
use crate::support::portolan;
use crate::world::{Gateway, World, eventually};

const OPERATOR: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"operate\"\n\n[[certificate]]\nfile = \"../ca/issued/bureau.pem\"\n";

/// Payments that were announced are booked; `when` is the condition of the first leg.
fn declaration(key: &str, when: &str) -> String {
    format!(
        "title = {{ zh = \"核对\", en = \"Booked\" }}\nfrom = \"2026-01-01\"\n\n[[leg]]\nname = \"announced\"\nflow = \"payments\"\n\
         key = [\"{key}\"]\nwhen = '{when}'\n\n[[leg]]\nname = \"booked\"\nflow = \"payments\"\nkey = [\"{key}\"]\n\
         when = 'record.status == \"booked\"'\nwithin_minutes = 600\n"
    )
}

const ANNOUNCED: &str = "record.status == \"pending\"";

async fn send(world: &World, gateway: &Gateway, body: &str) {
    world.line(gateway, "bank").await.unwrap().ask(&post("payments", body, "")).await.unwrap().exchange();
}

/// Waits until so many are matched, waiting and unmatched, and nothing was seen twice.
async fn stand(world: &World, gateway: &Gateway, expected: [u64; 3]) {
    eventually(&format!("{expected:?}"), async || {
        let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
        let all = operator.ask(&get("/v1/reconciliations")).await.unwrap().json();
        let own = all["reconciliations"].get(0)?.clone();
        assert_eq!((own["duplicates"].as_u64(), own["left_out"].as_u64()), (Some(0), Some(0)), "{own}");
        let found = ["matched", "waiting", "unmatched"].map(|state| own["matters"][state].as_u64().unwrap());
        (found == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_kill_loses_and_repeats_nothing_and_a_change_begins_anew() {
    let world = World::new();
    world.write("conf/operators/on-duty.toml", OPERATOR);
    world.write("conf/reconciliations/booked.toml", &declaration("servicer_reference", ANNOUNCED));
    let gateway = world.serve().await;
    let booked = |records| payments("M-1", records);
    send(&world, &gateway, &booked(1200).replace("\"booked\"", "\"pending\"").replace("M-1\",", "M-0\",")).await;
    send(&world, &gateway, &booked(3).replace("\"message_id\":\"M-1\"", "\"message_id\":\"M-2\"")).await;
    gateway.signal("KILL");
    drop(gateway);
    let gateway = world.serve().await;
    stand(&world, &gateway, [3, 1197, 0]).await;
    let last = payments("M-9", 2);
    send(&world, &gateway, &last).await;
    stand(&world, &gateway, [3, 1197, 2]).await;
    settles_from_the_command_line(&world, &gateway);
    stand(&world, &gateway, [3, 1197, 1]).await;
    world.write("conf/reconciliations/booked.toml", &declaration("servicer_reference", "record.status == \"suspended\""));
    stand(&world, &gateway, [0, 0, 5]).await;
}

/// Lists more than a page of matters, and settles one that does not meet.
fn settles_from_the_command_line(world: &World, gateway: &Gateway) {
    let run = |arguments: &[&str]| {
        let mut command = portolan();
        command.args(["ops", "reconciliation", "booked", "--json"]).args(arguments);
        command.args(["--url", &format!("https://localhost:{}", gateway.operators.port())]);
        for (flag, file) in [("--cert", "issued/bureau.pem"), ("--key", "issued/bureau.key"), ("--ca", "ca.pem")] {
            command.arg(flag).arg(world.path(&format!("ca/{file}")));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let listed = |arguments: &[&str]| run(arguments)["matters"].as_array().unwrap().clone();
    assert_eq!(listed(&["--state", "waiting", "--rows", "450"]).len(), 450, "more than the gateway gives at once");
    let unmatched = listed(&["--state", "unmatched"]);
    let key = unmatched[0]["key"].as_str().unwrap();
    assert_eq!(run(&["--matter", key, "--settle", "--reason", "paid in cash"])["act"]["deed"]["kind"], "settle-matter");
    let settled = listed(&["--state", "settled"]);
    assert_eq!((&settled[0]["key"], &settled[0]["settled"]["operator"]), (&unmatched[0]["key"], &"on-duty".into()));
    assert_eq!(run(&["--matter", key, "--settle", "--reason", "again"])["changed"], false);
}

#[tokio::test]
async fn what_does_not_fit_the_records_is_named_with_its_line() {
    let world = World::new();
    world.write("conf/reconciliations/booked.toml", &declaration("no_such_field", "record.amount > 3"));
    let mut command = portolan();
    let checked = command.args(["check", "--config"]).arg(world.path("conf")).output().unwrap();
    let printed = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
    assert_eq!(checked.status.code(), Some(1), "{printed}");
    for expected in [
        "reconciliations/booked.toml:7: `key`: payment-confirmation.v1 has no \"no_such_field\"",
        "reconciliations/booked.toml:8: leg announced: `when`: ",
    ] {
        assert!(printed.contains(expected), "{expected} is not in {printed}");
    }
}
