//! Synchronous queries: asked in JSON, answered by a provider that speaks XML, kept as two exchanges.

use crate::line::{Answer, Line, get, post};
use crate::receiver::{Receiver, Reply, Seen, Server};
use crate::world::{Gateway, World};
use portolan::certs::Issued;
use portolan::certs::Summary;
use portolan::domain::Digest;
use serde_json::{Value, json};
use std::path::Path;

/// Two banks that may ask a bureau, which is played by a scripted server.
struct Asking {
    world: World,
    provider: Receiver,
}

impl Asking {
    async fn new(lifetime_s: u32) -> Self {
        let world = World::new();
        let provider = provider(&world, "bureau", 0).await;
        let asking = Self { world, provider };
        asking.bureau(&format!("url = \"https://localhost:{}/credit\"\n", asking.provider.address.port()));
        asking.world.flow("credit-query", "taxpayer-credit-query.v1", &["bank", "platform"], "taxpayer-credit-query-json", "");
        asking.world.flow("credit-answer", "taxpayer-credit-answer.v1", &["bureau"], "taxpayer-credit-answer-xml", "");
        asking.service("credit-query", &format!("answer_lifetime_s = {lifetime_s}\n"));
        asking
    }

    fn bureau(&self, destination: &str) {
        let text = format!("[destination.credit]\nauthorities = [\"../ca/ca.pem\"]\n{destination}");
        self.world.partner("bureau", &["bureau"], &text);
    }

    fn service(&self, question: &str, lines: &str) {
        let text = format!(
            "title = {{ zh = \"纳税信用查询\", en = \"Taxpayer credit\" }}\nquestion = \"{question}\"\nanswer = \"credit-answer\"\n\
             provider = \"bureau/credit\"\nmapping = \"taxpayer-credit-query-xml\"\nanswer_repeats = [\"query_id\", \"taxpayer.number\"]\n\
             {lines}\n[asker.bank]\nmapping = \"taxpayer-credit-answer-json\"\n[asker.platform]\nmapping = \"taxpayer-credit-answer-xml\"\n"
        );
        self.world.write("conf/queries/credit.toml", &text);
    }

    async fn serve(&self) -> (Gateway, Line, Line) {
        let gateway = self.world.serve().await;
        let bank = self.world.line(&gateway, "bank").await.unwrap();
        let platform = self.world.line(&gateway, "platform").await.unwrap();
        (gateway, bank, platform)
    }
}

/// A server with a party's certificate.
async fn provider(world: &World, party: &str, port: u16) -> Receiver {
    let file = |kind: &str| world.path(&format!("ca/issued/{party}.{kind}"));
    let summary = summary(&file("pem"));
    let identity = Issued { chain: file("pem"), key: Some(file("key")), summary };
    Receiver::start(&Server { identity: &identity, client_authority: &world.path("ca/ca.pem"), protocol: "h2" }, port).await
}

fn summary(chain: &Path) -> Summary {
    Summary::of(&portolan::certs::files::read_certificates(chain).unwrap()[0]).unwrap()
}

/// A question (synthetic) by its id.
fn question(id: &str) -> String {
    let record = json!({
        "query_id": id, "asked_at": "2025-07-15T09:30:00+08:00", "bank": {"code": "102100000000"},
        "taxpayer": {"number": "91350100M000100Y43"}, "consent": {"reference": "SYN-1", "given_on": "2025-07-01"},
    });
    format!("{record}\n")
}

/// What the bureau answers to it (synthetic).
fn answer_xml(id: &str, valid_until: &str) -> String {
    format!(
        "<CreditAnswer><Head><QueryId>{id}</QueryId><AnswerId>A-{id}</AnswerId><AnswerTime>20250715093001</AnswerTime><Result>0000</Result>\
         <ValidUntil>{valid_until}</ValidUntil></Head><Body><TaxpayerId>91350100M000100Y43</TaxpayerId>\
         <Grade><Year>2024</Year><Level>A</Level></Grade></Body></CreditAnswer>"
    )
}

/// The same as a bank that speaks JSON reads it.
fn answer_json(id: &str) -> Value {
    json!({
        "query_id": id, "answer_id": format!("A-{id}"), "answered_at": "2025-07-15T09:30:01+08:00", "result": "found",
        "valid_until": "2099-07-15T09:30:01+08:00", "taxpayer": {"number": "91350100M000100Y43"}, "grades": [{"year": "2024", "grade": "A"}],
    })
}

const LONG: &str = "20990715093001";

fn answers(id: &str) -> Reply {
    Reply::Answer(200, vec![("content-type", "application/xml".to_owned())], answer_xml(id, LONG))
}

fn ask(body: &str, fields: &str) -> Vec<u8> {
    let posted = String::from_utf8(post("credit", body, fields)).unwrap();
    posted.replace("/v1/flows/credit/exchanges", "/v1/queries/credit").into_bytes()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn given(answer: &Answer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", text(&answer.body))))
}

#[tokio::test]
async fn a_question_is_kept_forwarded_and_answered_in_the_askers_format() {
    let asking = Asking::new(600).await;
    let (gateway, mut bank, mut platform) = asking.serve().await;
    asking.provider.script([answers("Q-1")]);

    let first = bank.ask(&ask(&question("Q-1"), "idempotency-key: one\r\n")).await.unwrap();
    assert_eq!(given(&first), (200, answer_json("Q-1")));
    assert!(first.headers["cache-control"].starts_with("private, max-age="), "{first:?}");
    let (asked, answered) = (first.headers["location"].clone(), first.headers["portolan-answer-exchange"].clone());

    // The provider was asked once, in its own format, by the question's name.
    let [seen] = &asking.provider.seen()[..] else { panic!("not asked once") };
    assert_eq!((seen.path.as_str(), seen.field("content-type")), ("/credit", "application/xml; charset=utf-8"));
    let id = asked.rsplit('/').next().unwrap().to_owned();
    let fields = ["idempotency-key", "portolan-exchange", "portolan-query", "portolan-flow", "portolan-sender", "portolan-delivery"];
    assert_eq!(fields.map(|name| seen.field(name)), [id.as_str(), id.as_str(), "credit", "credit-query", "bank", ""]);
    assert!(text(&seen.body).contains("<Consent><No>SYN-1</No><Date>20250701</Date></Consent>"), "{}", text(&seen.body));

    // Both are in the journal: the question the bank's, the answer the bureau's, with the certificate that it has shown.
    let receipt = bank.ask(&get(&format!("{asked}/receipt"))).await.unwrap().json();
    assert_eq!((&receipt["leaf"]["flow"], &receipt["leaf"]["message_id"]), (&json!("credit-query"), &json!("Q-1")));
    assert_eq!(bank.ask(&get(&format!("/v1/exchanges/{answered}"))).await.unwrap().code(), "request.exchange-unknown");
    let mut bureau = asking.world.line(&gateway, "bureau").await.unwrap();
    let kept = bureau.ask(&get(&format!("/v1/exchanges/{answered}"))).await.unwrap().json();
    assert_eq!((&kept["flow"], &kept["idempotency_key"], &kept["verdict"]), (&json!("credit-answer"), &json!(id), &json!("accepted")));
    let leaf = bureau.ask(&get(&format!("/v1/exchanges/{answered}/receipt"))).await.unwrap().json()["leaf"].clone();
    let shown = portolan::certs::files::read_certificates(&asking.world.path("ca/issued/bureau.pem")).unwrap();
    assert!(leaf.to_string().contains(&Digest::of(&shown[0]).to_string()), "{leaf}");

    // A repeat, by its key or by its message id, gets the same bytes, and nobody is asked.
    for fields in ["idempotency-key: one\r\n", ""] {
        let again = bank.ask(&ask(&question("Q-1"), fields)).await.unwrap();
        assert_eq!((again.status, &again.body, &again.headers["portolan-answer-exchange"]), (200, &first.body, &answered));
    }
    assert_eq!(asking.provider.seen().len(), 1);
    let other = bank.ask(&ask(&question("Q-2"), "idempotency-key: one\r\n")).await.unwrap();
    assert_eq!((other.status, other.code().as_str()), (422, "repeat.other-bytes"));

    // Another bank with the very same question has one of its own, and is answered in its own format.
    asking.provider.script([Reply::Answer(200, Vec::new(), answer_xml("Q-1", LONG).replace("A-Q-1", "A-2"))]);
    let theirs = platform.ask(&ask(&question("Q-1"), "idempotency-key: one\r\n")).await.unwrap();
    assert_eq!((theirs.status, theirs.headers["content-type"].as_str()), (200, "application/xml; charset=utf-8"));
    assert!(text(&theirs.body).contains("<AnswerId>A-2</AnswerId>"), "{}", text(&theirs.body));
    assert_ne!(theirs.headers["location"], asked);
    assert_eq!(platform.ask(&get(&asked)).await.unwrap().code(), "request.exchange-unknown");
    let me = platform.ask(&get("/v1/me")).await.unwrap().json();
    assert_eq!(me["queries"][0]["service"], "credit");

    let logged = gateway.logs("a query was answered", 4).await;
    assert_eq!((&logged["partner"], &logged["provider"], &logged["repeat"]), (&json!("platform"), &json!("bureau/credit"), &json!(false)));
    let all: String = gateway.logged("").iter().map(Value::to_string).collect();
    assert!(!all.contains("91350100M000100Y43") && !all.contains("SYN-1"), "a value of a record was logged");
    let mut operator = asking.world.line_to(gateway.operators, "gateway").await.unwrap();
    let metrics = text(&operator.ask(&get("/metrics")).await.unwrap().body);
    for line in ["partner=\"bank\",service=\"credit\",ended=\"answered\"} 1", "partner=\"bank\",service=\"credit\",ended=\"repeated\"} 2"] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

#[tokio::test]
async fn an_answer_is_not_given_beyond_its_lifetime() {
    // Kept by nobody.
    let asking = Asking::new(0).await;
    let (_gateway, mut bank, _) = asking.serve().await;
    asking.provider.script([answers("Q-1"), answers("Q-2")]);
    let first = bank.ask(&ask(&question("Q-1"), "")).await.unwrap();
    assert_eq!((first.status, first.headers["cache-control"].as_str()), (200, "no-store"));
    let again = bank.ask(&ask(&question("Q-1"), "")).await.unwrap();
    assert_eq!((again.status, again.code().as_str()), (410, "repeat.answer-expired"));
    assert_eq!((again.json()["party"].clone(), again.json()["retryable"].clone()), (json!("sender"), json!(false)));
    assert_eq!(format!("/v1/exchanges/{}", again.json()["exchange"].as_str().unwrap()), first.headers["location"]);
    assert_eq!(bank.ask(&ask(&question("Q-2"), "")).await.unwrap().status, 200, "asked anew");
    assert_eq!(asking.provider.seen().len(), 2);

    // What says itself that it has ended is given once, whatever the configuration allows.
    let asking = Asking::new(600).await;
    asking.service("credit-query", "answer_lifetime_s = 600\nanswer_valid_until = \"valid_until\"\n");
    let (_gateway, mut bank, _) = asking.serve().await;
    asking.provider.script([Reply::Answer(200, Vec::new(), answer_xml("Q-1", "20250715093001")), answers("Q-2")]);
    let first = bank.ask(&ask(&question("Q-1"), "")).await.unwrap();
    assert_eq!((first.status, first.headers["cache-control"].as_str()), (200, "no-store"));
    assert_eq!(bank.ask(&ask(&question("Q-1"), "")).await.unwrap().code(), "repeat.answer-expired");
    let lasting = bank.ask(&ask(&question("Q-2"), "")).await.unwrap();
    assert_eq!(bank.ask(&ask(&question("Q-2"), "")).await.unwrap().body, lasting.body);
    assert_eq!(asking.provider.seen().len(), 2);
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_the_receivers_fault_and_is_asked_again_on_repeat() {
    let asking = Asking::new(600).await;
    asking.bureau(&format!("url = \"https://localhost:{}/credit\"\ntimeout_ms = 8000\n", asking.provider.address.port()));
    let (_gateway, mut bank, _) = asking.serve().await;
    let body = |text: &str| Reply::Answer(200, Vec::new(), text.to_owned());
    let malformed = "<CreditAnswer><Head></CreditAnswer>";
    let cases = [
        ("D-1", Reply::Silence, 504, "delivery.timeout", true),
        ("D-2", Reply::Cut, 502, "delivery.unreachable", true),
        ("D-3", Reply::status(500), 502, "delivery.failing", true),
        ("D-4", Reply::status(403), 502, "delivery.refused", false),
        ("D-5", Reply::status(302), 502, "delivery.refused", false),
        ("D-6", Reply::status(204), 502, "query.answer", true),
        ("D-7", body("rubbish"), 502, "query.answer", true),
        ("D-8", body(malformed), 502, "query.answer", true),
        ("D-9", body(&answer_xml("D-9", "tomorrow")), 502, "query.answer", true),
        ("D-10", body(&" ".repeat(5 << 20)), 502, "query.answer", true),
    ];
    for (id, reply, status, code, retryable) in cases {
        asking.provider.script([reply, answers(id)]);
        let refused = bank.ask(&ask(&question(id), "")).await.unwrap();
        let told = refused.json();
        assert_eq!((refused.status, told["code"].as_str().unwrap()), (status, code), "{id}: {told}");
        assert_eq!((&told["party"], &told["retryable"]), (&json!("receiver"), &json!(retryable)), "{id}");
        // The question is kept, has its receipt, and is asked again.
        let receipt = bank.ask(&get(&format!("/v1/exchanges/{}/receipt", told["exchange"].as_str().unwrap()))).await.unwrap();
        assert_eq!(receipt.json()["leaf"]["message_id"], id);
        let again = bank.ask(&ask(&question(id), "")).await.unwrap();
        assert_eq!(given(&again), (200, answer_json(id)), "{id}");
    }
    let seen = asking.provider.seen();
    let names: Vec<&str> = seen.iter().map(|seen: &Seen| seen.field("idempotency-key")).collect();
    assert!(names.chunks(2).all(|twice| twice[0] == twice[1]), "a question has one name: {names:?}");
}

#[tokio::test]
async fn a_provider_that_is_down_or_somebody_else_is_not_asked() {
    let mut asking = Asking::new(600).await;
    asking.world.issue("impostor");
    let impostor = summary(&asking.world.path("ca/issued/impostor.pem")).key_sha256;
    let port = asking.provider.address.port();
    asking.bureau(&format!("url = \"https://localhost:{port}/credit\"\nserver_keys_sha256 = [\"{impostor}\"]\n"));
    let (_gateway, mut bank, _) = asking.serve().await;
    let refused = bank.ask(&ask(&question("W-1"), "")).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (502, "delivery.untrusted"));
    assert!(asking.provider.seen().is_empty());
    drop(asking.provider);
    let refused = bank.ask(&ask(&question("W-1"), "")).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (502, "delivery.unreachable"));
}

#[tokio::test]
async fn what_a_provider_says_of_another_is_given_to_nobody() {
    let asking = Asking::new(600).await;
    let (gateway, mut bank, mut platform) = asking.serve().await;
    let own = Reply::Answer(200, Vec::new(), answer_xml("Q-1", LONG).replace("A-Q-1", "A-2"));
    asking.provider.script([answers("Q-1"), answers("Q-9"), answers("Q-1"), answers("Q-1"), own]);
    assert_eq!(bank.ask(&ask(&question("Q-1"), "")).await.unwrap().status, 200);
    // An answer to another question is kept, and neither given nor asked for again.
    for _ in 0..2 {
        let refused = bank.ask(&ask(&question("Q-3"), "")).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (502, "query.answer"));
        assert_eq!(refused.json()["retryable"], false);
    }
    assert_eq!(asking.provider.seen().len(), 2);
    gateway.logs("an answer is kept and not given", 1).await;
    // The very bytes of an earlier answer are no answer to a second question, however often it is asked.
    for _ in 0..2 {
        let refused = platform.ask(&ask(&question("Q-1"), "")).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (502, "query.answer"), "{}", text(&refused.body));
    }
    let theirs = platform.ask(&ask(&question("Q-1"), "")).await.unwrap();
    assert!(theirs.status == 200 && text(&theirs.body).contains("<AnswerId>A-2</AnswerId>"), "{}", text(&theirs.body));
    assert_eq!(asking.provider.seen().len(), 5);
}

#[tokio::test]
async fn a_question_is_refused_as_a_submission_is() {
    let asking = Asking::new(600).await;
    let (gateway, mut bank, _) = asking.serve().await;
    let two = question("R-1") + &question("R-2");
    let wrong = question("R-3").replace("91350100M000100Y43", "91350100M000100Y44");
    for (body, fields, status, code) in [
        (two.as_str(), "", 413, "limit.records"),
        (wrong.as_str(), "", 422, "records.refused"),
        ("{", "", 400, "syntax.truncated"),
        ("x", "content-digest: sha-256=:AAAA:\r\n", 400, "request.header"),
    ] {
        let refused = bank.ask(&ask(body, fields)).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (status, code), "{}", text(&refused.body));
    }
    let unknown = bank.ask(&text(&ask(&question("R-4"), "")).replace("queries/credit", "queries/none").into_bytes()).await.unwrap();
    assert_eq!((unknown.status, unknown.code().as_str()), (404, "request.query-unknown"));
    let validated = text(&ask(&question("R-5"), "")).replace("queries/credit", "queries/credit?mode=validate");
    assert_eq!(bank.ask(validated.as_bytes()).await.unwrap().json()["mode"], "validate");
    let read = bank.ask(&get("/v1/queries/credit")).await.unwrap();
    assert_eq!((read.status, read.headers["allow"].as_str()), (405, "POST"));
    // The provider is a partner too, and may not ask.
    let mut bureau = asking.world.line(&gateway, "bureau").await.unwrap();
    assert_eq!(bureau.ask(&ask(&question("R-6"), "")).await.unwrap().code(), "permission.flow");
    // Several records that were sent to the flow itself are no question either.
    bank.ask(&post("credit-query", &two, "")).await.unwrap().exchange();
    assert_eq!(bank.ask(&ask(&two, "")).await.unwrap().code(), "limit.records");
    assert!(asking.provider.seen().is_empty());
}

#[tokio::test]
async fn a_bank_over_its_limit_waits_and_another_does_not() {
    let asking = Asking::new(600).await;
    let flow = std::fs::read_to_string(asking.world.path("conf/flows/credit-query.toml")).unwrap();
    let limits = "[sender.bank]\nlimits = { requests = { per_second = 1, burst = 1 } }\n";
    asking.world.write("conf/flows/credit-query.toml", &flow.replace("[sender.bank]\n", limits));
    let (_gateway, mut bank, mut platform) = asking.serve().await;
    asking.provider.script((0..20).map(|_| Reply::status(500)));
    // All at once, so that no machine is too slow to be over the limit.
    let all: Vec<u8> = (0..20).flat_map(|n| ask(&question(&format!("L-{n}")), "")).collect();
    bank.send(&all).await.unwrap();
    let mut refused = 0;
    for _ in 0..20 {
        let answer = bank.read().await.unwrap();
        assert!(answer.headers["ratelimit-policy"].contains("\"flow-requests\";q=1"), "{answer:?}");
        refused += usize::from(answer.status == 429);
    }
    assert!(refused > 0);
    for n in 0..3 {
        let answer = platform.ask(&ask(&question(&format!("P-{n}")), "")).await.unwrap();
        assert_ne!(answer.status, 429, "{}", text(&answer.body));
    }
}

#[tokio::test]
async fn one_asker_cannot_take_the_places_of_all_others() {
    let asking = Asking::new(600).await;
    asking.service("credit-query", "concurrency_per_asker_max = 1\n");
    let (gateway, mut bank, mut platform) = asking.serve().await;
    asking.provider.script([Reply::Silence, answers("C-3"), answers("C-2")]);
    bank.send(&ask(&question("C-1"), "")).await.unwrap();
    crate::world::eventually("the provider is asked", async || (!asking.provider.seen().is_empty()).then_some(())).await;
    let mut second = asking.world.line(&gateway, "bank").await.unwrap();
    let early = second.ask(&ask(&question("C-2"), "")).await.unwrap();
    assert_eq!((early.status, early.code().as_str()), (503, "limit.concurrency"), "{early:?}");
    assert!(early.headers.contains_key("retry-after"), "{early:?}");
    assert!(early.json()["words"]["en"].as_str().unwrap().contains("at most 1 questions"), "{early:?}");
    // Another is answered meanwhile, and the refused one has been kept and put to nobody.
    assert_eq!(platform.ask(&ask(&question("C-3"), "")).await.unwrap().status, 200);
    assert_eq!(asking.provider.seen().len(), 2);
}

#[tokio::test]
async fn a_question_that_a_kill_left_unanswered_is_there_and_asked_again() {
    let asking = Asking::new(600).await;
    let (mut gateway, mut bank, _) = asking.serve().await;
    asking.provider.script([Reply::Silence, answers("K-1")]);
    bank.send(&ask(&question("K-1"), "idempotency-key: kill\r\n")).await.unwrap();
    crate::world::eventually("the provider is asked", async || (!asking.provider.seen().is_empty()).then_some(())).await;
    // A repeat in between is told that the question is under way.
    let mut second = asking.world.line(&gateway, "bank").await.unwrap();
    let early = second.ask(&ask(&question("K-1"), "idempotency-key: kill\r\n")).await.unwrap();
    assert_eq!((early.status, early.code().as_str()), (409, "repeat.in-flight"));
    gateway.signal("KILL");
    gateway.ended().await;

    let (_gateway, mut bank, _) = asking.serve().await;
    let kept = bank.ask(&get("/v1/exchanges?message_id=K-1")).await.unwrap().json()["exchanges"][0]["exchange"].clone();
    assert_eq!(kept.as_str(), Some(asking.provider.seen()[0].field("portolan-exchange")));
    let again = bank.ask(&ask(&question("K-1"), "idempotency-key: kill\r\n")).await.unwrap();
    assert_eq!(given(&again), (200, answer_json("K-1")));
    assert_eq!(asking.provider.seen().len(), 2);
}

#[tokio::test]
async fn a_service_whose_parts_do_not_fit_is_refused_with_its_line() {
    let asking = Asking::new(600).await;
    asking.service("credit-query", "answer_valid_until = \"valid_till\"\n");
    let path = asking.world.path("conf/queries/credit.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"taxpayer-credit-answer-json\"", "\"taxpayer-credit-query-json\"")).unwrap();
    let mut running = asking.world.start();
    assert!(running.wait(crate::world::PATIENCE).is_some_and(|status| !status.success()));
    let printed = running.printed();
    let expected = [
        "credit.toml:7: taxpayer-credit-answer.v1 has no \\\"valid_till\\\"",
        "credit.toml:10: the mapping \\\"taxpayer-credit-query-json\\\" is for taxpayer-credit-query.v1, not for taxpayer-credit-answer.v1",
    ];
    for problem in expected {
        assert!(printed.replace('\\', "").contains(&problem.replace('\\', "")), "{printed}");
    }
}
