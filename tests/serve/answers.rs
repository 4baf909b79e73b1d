//! What partners are answered: about others nothing, in the language they asked for, and with every
//! correction linked.

use crate::line::{Answer, get, payments, post};
use crate::world::World;
use serde::Deserialize;

/// Fields that tell of the moment and not of what was asked.
const OF_THE_MOMENT: [&str; 3] = ["date", "ratelimit", "ratelimit-policy"];
/// An id that no exchange has: its time is long past.
const ABSENT: &str = "00000000000100000000000000000000";

#[tokio::test]
async fn what_belongs_to_another_partner_is_not_there() {
    let world = World::new();
    let gateway = world.serve().await;
    let (mut bank, mut platform) = (world.line(&gateway, "bank").await.unwrap(), world.line(&gateway, "platform").await.unwrap());
    let other = bank.ask(&post("payments", &payments("MINE", 1), "")).await.unwrap().exchange();
    for part in ["", "/receipt", "/report", "/deliveries", "/records/1"] {
        let path = |id: &str| format!("/v1/exchanges/{id}{part}");
        assert_eq!(bank.ask(&get(&path(&other))).await.unwrap().status, 200, "its own");
        let [others, absent] = [platform.ask(&get(&path(&other))).await.unwrap(), platform.ask(&get(&path(ABSENT))).await.unwrap()];
        assert_eq!((others.status, others.code().as_str()), (404, "request.exchange-unknown"));
        assert_eq!(timeless(others), timeless(absent), "{part}");
    }
    for list in ["/v1/exchanges", "/v1/exchanges?message_id=MINE", "/v1/exchanges?flow=payments&message_id=MINE"] {
        let found = |answer: Answer| answer.json()["exchanges"].as_array().unwrap().len();
        assert_eq!(found(bank.ask(&get(list)).await.unwrap()), 1);
        assert_eq!(found(platform.ask(&get(list)).await.unwrap()), 0, "{list}");
    }
    let me = platform.ask(&get("/v1/me")).await.unwrap().json();
    assert_eq!(me["latest_exchanges"], serde_json::json!([]));
    // To correct another's exchange is to correct nothing.
    let mut correct =
        async |id: &str| platform.ask(&post("payments", &payments("FIX", 1), &format!("portolan-corrects: {id}\r\n"))).await.unwrap();
    let [others, absent] = [correct(&other).await, correct(ABSENT).await];
    assert_eq!(others.code(), "repeat.correction-unknown");
    assert_eq!(timeless(others), timeless(absent));
}

fn timeless(mut answer: Answer) -> Answer {
    OF_THE_MOMENT.iter().for_each(|name| drop(answer.headers.remove(*name)));
    answer
}

#[tokio::test]
async fn a_correction_carries_the_message_id_of_what_it_corrects() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let (first, corrected) = (payments("MESSAGE", 3), payments("MESSAGE", 4));
    let original = bank.ask(&post("payments", &first, "")).await.unwrap();
    let id = original.exchange();
    let clash = bank.ask(&post("payments", &corrected, "")).await.unwrap();
    assert_eq!((clash.status, clash.code().as_str(), clash.json()["exchange"].as_str()), (422, "repeat.other-bytes", Some(id.as_str())));

    let correction = bank.ask(&post("payments", &corrected, &format!("portolan-corrects: {id}\r\n"))).await.unwrap().exchange();
    assert_ne!(correction, id);
    let state = bank.ask(&get(&format!("/v1/exchanges/{correction}"))).await.unwrap().json();
    assert_eq!((state["corrects"].as_str(), state["message_id"].as_str()), (Some(id.as_str()), Some("MESSAGE")));
    let again = bank.ask(&post("payments", &first, "")).await.unwrap();
    assert_eq!(again.json()["receipt"], original.json()["receipt"], "the first is untouched");
}

#[tokio::test]
async fn deliveries_are_listed_page_by_page() {
    let world = World::new();
    let _receiver = world.receiver().await;
    let flow = std::fs::read_to_string(world.path("conf/flows/payments.toml")).unwrap();
    let flow = flow.replacen("canonical", "delivery_records_max = 1\ncanonical", 1);
    world.write("conf/flows/payments.toml", &flow);
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let id = bank.ask(&post("payments", &payments("MANY", 5), "")).await.unwrap().exchange();
    let whole = bank.ask(&get(&format!("/v1/exchanges/{id}/deliveries"))).await.unwrap().json();
    let names = |page: &serde_json::Value| -> Vec<String> {
        page["deliveries"].as_array().unwrap().iter().map(|row| row["delivery"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&whole).len(), &whole["next_after"]), (5, &serde_json::Value::Null));
    let (mut listed, mut after) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let page = bank.ask(&get(&format!("/v1/exchanges/{id}/deliveries?rows=2{after}"))).await.unwrap().json();
        assert_eq!(names(&page).len(), expected, "{page}");
        listed.extend(names(&page));
        after = format!("&after={}", page["next_after"].as_str().unwrap_or_default());
    }
    assert_eq!(listed, names(&whole));
    for wrong in ["after=nobody", "rows=some", "page=2"] {
        let refused = bank.ask(&get(&format!("/v1/exchanges/{id}/deliveries?{wrong}"))).await.unwrap();
        assert_eq!((refused.status, refused.code().as_str()), (400, "request.query"), "{wrong}");
    }
}

#[derive(Deserialize)]
struct Languages {
    case: Vec<Language>,
}

/// What is asked for, and in which language a problem comes.
#[derive(Deserialize)]
struct Language {
    accept: Option<String>,
    path: String,
    language: String,
    title: String,
}

#[tokio::test]
async fn problems_come_in_the_language_asked_for() {
    let world = World::new();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let cases: Languages = toml::from_str(include_str!("languages.toml")).unwrap();
    for case in cases.case {
        let accept = case.accept.as_ref().map_or(String::new(), |accept| format!("accept-language: {accept}\r\n"));
        let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n{accept}\r\n", case.path);
        let answer = bank.ask(request.as_bytes()).await.unwrap();
        let problem = answer.json();
        assert_eq!(problem["title"], case.title.as_str(), "{accept}");
        assert_eq!(answer.headers["content-language"], case.language, "{accept}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
}
