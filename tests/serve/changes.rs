//! A candidate mapping from its folder to its place: judged, run against accepted traffic, promoted by two people, or dropped.

use crate::line::{Answer, Line, get, payments, post};
use crate::support::portolan;
use crate::world::{Gateway, World, eventually};
use serde_json::{Value, json};
use std::fs;

const MAPPING: &str = "payment-confirmation-json";
const SHIPPED: &str = include_str!("../../mappings/payment-confirmation-json/mapping.toml");
const FAILING_CASE: &str = include_str!("../../mappings/payment-confirmation-json/cases/lines.in.ndjson");
const ALL_TIME: &str = r#"{"received_from": "2020-01-01T00:00:00Z", "received_to": "2200-01-01T00:00:00Z"}"#;

/// One field from another source, and one rule that is tighter.
fn planted() -> String {
    let renamed = SHIPPED.replace("path = \"debtor/name\"", "path = \"debtor/trade_name\"");
    assert_ne!(renamed, SHIPPED);
    let rule = "\n[[rule]]\nid = \"amount.limit\"\ncel = 'decimalCompare(record.amount, \"500\") <= 0'\nfield = \"amount\"\n\
                words = { zh = \"金额不得超过 500\", en = \"at most 500 is expected\" }\n";
    renamed + rule
}

/// Payment confirmations (synthetic) with these amounts, the first of them with a debtor.
fn body(message_id: &str, amounts: &[&str]) -> String {
    let record = |(number, amount): (usize, &&str)| {
        let mut record = json!({
            "message_id": message_id, "account": { "number": "1100106100220000001" }, "servicer_reference": format!("{message_id}-{number}"),
            "amount": amount, "currency": "CNY", "credit_debit": "credit", "reversal": false, "status": "booked", "booking_date": "2026-10-12",
        });
        if number == 0 {
            record["debtor"] = json!({ "name": "张三合成", "trade_name": "李四合成" });
        }
        format!("{record}\n")
    };
    amounts.iter().enumerate().map(record).collect()
}

struct Desk<'w> {
    world: &'w World,
    gateway: &'w Gateway,
}

impl Desk<'_> {
    async fn line(&self, who: &str) -> Line {
        self.world.line_to(self.gateway.operators, who).await.unwrap()
    }

    async fn ask(&self, who: &str, path: &str) -> Value {
        self.line(who).await.ask(&get(path)).await.unwrap().json()
    }

    async fn post(&self, who: &str, path: &str, body: &str) -> Answer {
        let fields =
            format!("host: localhost\r\nportolan-client: test\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
        self.line(who).await.ask(format!("POST {path} HTTP/1.1\r\n{fields}\r\n\r\n{body}").as_bytes()).await.unwrap()
    }

    /// Status and code; with the reason that every logged change needs.
    async fn change(&self, who: &str, path: &str, more: &Value) -> (u16, String) {
        let mut fields = json!({ "reason": "as was agreed" });
        fields.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = self.post(who, path, &fields.to_string()).await;
        (answer.status, answer.code())
    }

    /// The proposal that waits.
    async fn proposal(&self) -> String {
        let waiting = self.ask("first", "/v1/acts?waiting=true").await;
        format!("/v1/acts/{}", waiting["acts"][0]["number"])
    }

    /// Runs the candidate to its end.
    async fn run(&self) -> Value {
        let begun = self.post("desk", &format!("/v1/candidates/{MAPPING}/run"), ALL_TIME).await;
        assert_eq!(begun.status, 202, "{}", begun.json());
        eventually("the run ends", async || {
            let candidate = self.ask("desk", &format!("/v1/candidates/{MAPPING}?lang=en")).await;
            (candidate["run"]["state"] != "running").then_some(candidate)
        })
        .await
    }
}

fn world() -> World {
    let mut world = World::new();
    for (name, role) in [("first", "administer"), ("second", "administer"), ("desk", "operate")] {
        world.issue(name);
        let file = format!(
            "title = {{ zh = \"操作员\", en = \"Operator\" }}\nrole = \"{role}\"\n\n[[certificate]]\nfile = \"../ca/issued/{name}.pem\"\n"
        );
        world.write(&format!("conf/operators/{name}.toml"), &file);
    }
    world
}

fn candidate(world: &World, mapping: &str) {
    world.write(&format!("conf/candidates/{MAPPING}/mapping.toml"), mapping);
}

#[tokio::test]
async fn a_run_shows_what_was_planted_and_nothing_else() {
    let world = world();
    let gateway = world.serve().await;
    let desk = Desk { world: &world, gateway: &gateway };
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let differing = bank.ask(&post("payments", &body("M-1", &["100.00", "900.00", "500.00"]), "")).await.unwrap().exchange();
    bank.ask(&post("payments", &body("M-2", &["100.00"]).replace("trade_name", "nickname"), "")).await.unwrap().exchange();
    assert_eq!(
        bank.ask(&post("payments", &body("M-3", &["nothing"]), "")).await.unwrap().status,
        422,
        "what was refused is not read again"
    );

    // The second exchange has no trade name: its debtor loses the name.
    candidate(&world, &planted());
    let told = desk.run().await;
    let run = &told["run"];
    let sums: Vec<_> =
        run["sums"].as_array().unwrap().iter().map(|sum| format!("{} {} {}", sum["what"], sum["at"], sum["times"])).collect();
    assert_eq!(
        sums,
        [r#""body" "" 1"#, r#""record" "" 1"#, r#""finding" "amount.limit" 1"#, r#""field" "debtor" 1"#, r#""field" "debtor.name" 1"#],
        "{told}"
    );
    assert_eq!(run["exchanges"], json!({ "total": 2, "done": 2, "left_out": 0, "differing": 2, "findings_cut": 0 }));
    assert_eq!((run["state"].as_str(), run["records"].as_u64(), run["complete"].as_bool()), (Some("finished"), Some(4), Some(true)));
    let of_first: Vec<_> = run["kept"].as_array().unwrap().iter().filter(|one| one["exchange"] == differing).collect();
    let told_of = |what: &str| {
        of_first.iter().find(|one| one["what"] == what).map(|one| [&one["record"], &one["live"], &one["candidate"]].map(Value::clone))
    };
    assert_eq!(told_of("body"), Some([Value::Null, json!("accepted"), json!("in-part")]));
    assert_eq!(told_of("record"), Some([json!(2), json!("accepted"), json!("refused")]));
    assert_eq!(told_of("finding"), Some([json!(2), Value::Null, json!("at most 500 is expected")]));
    // Of a person's name the first character is shown.
    assert_eq!(told_of("field"), Some([json!(1), json!("张**"), json!("李**")]));
    let changed = told["lines"][0]["lines"].as_array().unwrap();
    assert!(changed.iter().any(|line| line["change"] == "removed" && line["text"] == "path = \"debtor/name\""), "{told}");

    // The same by command and in the console.
    let file = |kind: &str| world.path(&format!("ca/issued/first.{kind}"));
    let mut command = portolan();
    let listener = format!("https://localhost:{}", gateway.operators.port());
    command.args(["ops", "candidates", "run", MAPPING, "--wait", "--received-from", "2020-01-01T00:00:00Z"]);
    command.args(["--received-to", "2200-01-01T00:00:00Z", "--language", "en", "--url", &listener]);
    command.arg("--cert").arg(file("pem")).arg("--key").arg(file("key")).arg("--ca").arg(world.path("ca/ca.pem"));
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        ran.status.success() && shown.contains("debtor.name") && shown.contains("amount.limit") && shown.contains("differing 2"),
        "{ran:?}"
    );
    let page = desk.line("first").await.ask(&get("/changes?lang=zh")).await.unwrap();
    let page = String::from_utf8(page.body).unwrap();
    for text in ["debtor.name", "amount.limit", "张**", "李**", "申请生效", "已完成"] {
        assert!(page.contains(text) && !page.contains("三合成"), "{text}: {page}");
    }
}

#[tokio::test]
async fn a_candidate_with_problems_is_neither_run_nor_promoted() {
    let world = world();
    let gateway = world.serve().await;
    let desk = Desk { world: &world, gateway: &gateway };
    let run = format!("/v1/candidates/{MAPPING}/run");
    assert_eq!(desk.post("desk", &run, "").await.code(), "request.candidate-unknown");
    candidate(&world, &planted().replacen('\n', "\ncolour = \"red\"\n", 1));
    world.write("conf/candidates/No Name/mapping.toml", SHIPPED);
    let listed = desk.ask("desk", "/v1/candidates").await;
    assert_eq!(listed["ignored"], json!(["No Name"]));
    let problem = listed["candidates"][0]["problems"][0].to_string();
    assert!(problem.contains("mapping.toml:2: ") && problem.contains("colour"), "{listed}");
    assert_eq!(desk.post("desk", &run, "").await.code(), "request.candidate-not-ready");
    // It compiles, and its case says that the debtor has lost its name.
    candidate(&world, &planted());
    world.write(&format!("conf/candidates/{MAPPING}/cases/lines.in.ndjson"), FAILING_CASE);
    world.write(
        &format!("conf/candidates/{MAPPING}/cases/lines.out.ndjson"),
        include_str!("../../mappings/payment-confirmation-json/cases/lines.out.ndjson"),
    );
    let told = desk.ask("desk", &format!("/v1/candidates/{MAPPING}")).await;
    assert_eq!((told["holds"].as_bool(), told["cases"].as_u64(), &told["problems"]), (Some(false), Some(1), &json!([])), "{told}");
    assert!(told["failures"].to_string().contains("debtor"), "{told}");
    assert_eq!(desk.post("desk", &run, "").await.code(), "request.candidate-not-ready");
    for (fields, code) in [
        (r#"{"day": "today"}"#, "request.field"),
        (r#"{"received_from": "2026-07-01T00:00:00Z"}"#, "request.field"),
        (r#"{"colour": "red"}"#, "request.field"),
    ] {
        assert_eq!(desk.post("desk", &run, fields).await.code(), code, "{fields}");
    }
}

#[tokio::test]
async fn a_promotion_takes_two_people_and_holds_for_the_next_exchange() {
    let world = world();
    let gateway = world.serve().await;
    let desk = Desk { world: &world, gateway: &gateway };
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &body("M-0", &["900.00"]), "")).await.unwrap().exchange();
    candidate(&world, &planted());
    let promote = format!("/v1/candidates/{MAPPING}/promote");
    let digest = json!({ "sha256": desk.ask("first", "/v1/candidates").await["candidates"][0]["sha256"] });
    let not_ready = (409, "request.candidate-not-ready".to_owned());
    assert_eq!(desk.change("first", &promote, &digest).await, not_ready, "it was not run");
    desk.run().await;
    assert_eq!(desk.change("desk", &promote, &digest).await, (403, "permission.role".to_owned()));
    assert_eq!(desk.change("first", &promote, &json!({ "sha256": "0".repeat(64) })).await, not_ready);
    let cross = format!("POST {promote} HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(desk.line("first").await.ask(cross.as_bytes()).await.unwrap().code(), "permission.cross-site");
    assert_eq!(desk.change("first", &promote, &digest).await.0, 202);
    let approve = format!("{}/approve", desk.proposal().await);

    // What is approved is byte for byte what was run.
    candidate(&world, &format!("{}\n", planted()));
    assert_eq!(desk.change("second", &approve, &Value::Null).await, not_ready);
    candidate(&world, &planted());
    assert_eq!(desk.change("desk", &approve, &Value::Null).await, (403, "permission.role".to_owned()));
    assert_eq!(desk.change("first", &approve, &Value::Null).await, (403, "permission.own-proposal".to_owned()));

    // Files that cannot be moved leave everything as it was, and the log says so.
    let in_the_way = format!("conf/mappings/.candidate-{MAPPING}");
    world.write(&format!("{in_the_way}/mapping.toml"), "");
    assert_eq!(desk.change("second", &approve, &Value::Null).await.0, 500);
    assert!(world.path(&format!("conf/candidates/{MAPPING}/mapping.toml")).is_file());
    assert_eq!(desk.ask("first", "/v1/acts").await["acts"][0]["deed"]["kind"], "promotion-failed");
    bank.ask(&post("payments", &body("M-1", &["900.00"]), "")).await.unwrap().exchange();
    fs::remove_dir_all(world.path(&in_the_way)).unwrap();

    assert_eq!(desk.change("first", &promote, &digest).await.0, 202);
    let approve = format!("{}/approve", desk.proposal().await);
    assert_eq!(desk.change("second", &approve, &Value::Null).await.0, 200);
    let mut number = 1;
    eventually("the next exchange is read with it, on the same line", async || {
        number += 1;
        let answer = bank.ask(&post("payments", &body(&format!("M-{number}"), &["900.00"]), "")).await.unwrap();
        (answer.status == 422 && answer.json().to_string().contains("amount.limit")).then_some(())
    })
    .await;
    assert_eq!(desk.ask("first", "/v1/candidates").await["candidates"], json!([]));
    let changes = eventually("the change is logged", async || {
        let changes = desk.ask("first", "/v1/configuration").await;
        changes.to_string().contains(&format!("mappings/{MAPPING}/mapping.toml")).then_some(changes)
    });
    changes.await;

    // The next candidate is dropped, and nothing changes.
    candidate(&world, SHIPPED);
    assert_eq!(desk.change("first", &format!("/v1/candidates/{MAPPING}/drop"), &Value::Null).await.0, 200);
    assert_eq!(desk.ask("first", "/v1/acts").await["acts"][0]["deed"]["kind"], "drop-mapping");
    let aside = fs::read_dir(world.path("conf/candidates/.aside")).unwrap().count();
    assert_eq!((aside, desk.ask("first", "/v1/candidates").await["candidates"].clone()), (1, json!([])));
    assert_eq!(bank.ask(&post("payments", &body("M-9999", &["900.00"]), "")).await.unwrap().status, 422);
}

/// Bodies that take long enough to be read again for both to be asked for meanwhile.
#[tokio::test]
async fn a_run_is_one_at_a_time_and_can_be_cancelled() {
    let world = world();
    let gateway = world.serve().await;
    let desk = Desk { world: &world, gateway: &gateway };
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    for number in 0..4 {
        bank.ask(&post("payments", &payments(&format!("LONG-{number}"), 4_000), "")).await.unwrap().exchange();
    }
    candidate(&world, &planted());
    let (run, cancel) = (format!("/v1/candidates/{MAPPING}/run"), format!("/v1/candidates/{MAPPING}/cancel"));
    assert_eq!(desk.post("desk", &run, ALL_TIME).await.status, 202);
    assert_eq!(desk.post("desk", &run, ALL_TIME).await.code(), "request.candidate-not-ready");
    assert_eq!(desk.post("desk", &cancel, "").await.json()["changed"], true);
    let told = eventually("the run ends", async || {
        let candidate = desk.ask("desk", &format!("/v1/candidates/{MAPPING}")).await;
        (candidate["run"]["state"] != "running").then_some(candidate)
    })
    .await;
    assert_eq!(told["run"]["state"], "cancelled", "{told}");
    assert!(told["run"]["exchanges"]["done"].as_u64().unwrap() < 4, "{told}");
    let promoted = desk.change("first", &format!("/v1/candidates/{MAPPING}/promote"), &json!({ "sha256": told["sha256"] })).await;
    assert_eq!(promoted, (409, "request.candidate-not-ready".to_owned()));
    assert_eq!(desk.post("desk", &cancel, "").await.json()["changed"], false);
}
