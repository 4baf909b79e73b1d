//! The pages that find exchanges, show one and act on dead letters, as a browser without scripts uses them: pages are asked for,
//! and the forms that stand in them are sent as they are. Steps are in `desk.toml`.

use crate::cases::cases;
use crate::dead_letters::bury;
use crate::door::House;
use crate::exchanges::{commit, fill, pin_mapping};
use crate::samples::{SampleRecord, sample, sample_of};
use crate::world::{Answer, World, ask, ask_with};
use portolan::certs::Issued;
use portolan::domain::Stored;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    name: String,
    /// `operator`, `second` or `reader`.
    by: String,
    page: String,
    #[serde(default)]
    language: String,
    status: u16,
    #[serde(default)]
    holds: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
    /// The address of a form in the page that is then sent, where it leads, and what is typed into it.
    submit: Option<String>,
    #[serde(default)]
    leads_to: String,
    #[serde(default)]
    typed: BTreeMap<String, String>,
}

#[tokio::test]
async fn steps() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let mut names: Vec<(String, String)> = Vec::new();
    for (name, delivery, exchange) in bury(&world).await {
        names.extend([(format!("<{name}>"), delivery.to_string()), (format!("<OF-{name}>"), exchange.to_string())]);
    }
    names.extend(fill(&world).await.iter().map(|(name, id)| (format!("<{name}>"), id.to_string())));
    names.push(("<M>".to_owned(), personal(&world).await));
    let filled = |text: &str| names.iter().fold(text.to_owned(), |text, (name, id)| text.replace(name, id));
    for step in &cases::<Step>(include_str!("desk.toml")) {
        let issued = match step.by.as_str() {
            "operator" => &house.operator,
            "second" => &house.second,
            _ => &house.reader,
        };
        let answer = look(&house, issued, &filled(&step.page), &step.language).await;
        assert_eq!(answer.status, step.status, "{}: {}", step.name, answer.body);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{}", step.name);
        answer.says(&step.name, &step.holds, &step.lacks, filled);
        if let Some(action) = &step.submit {
            let sent = submit(&house, issued, &answer.body, &filled(action), &step.typed).await;
            assert_eq!((sent.status, sent.header("location")), (303, filled(&step.leads_to).as_str()), "{}: {}", step.name, sent.body);
        }
    }
}

/// An exchange that holds an account, which is personal: a mapping's own case.
async fn personal(world: &World) -> String {
    let body = Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings/camt054/cases/credits-and-debits.in.xml");
    let records = [SampleRecord::plain(), SampleRecord::plain(), SampleRecord::plain(), SampleRecord::plain()];
    let mut exchange = sample_of(&*world.clock, "M", &records);
    exchange.body = Stored::Inline(std::fs::read(body).unwrap().into());
    pin_mapping(world, &mut exchange);
    commit(world, exchange).await.to_string()
}

async fn look(house: &House, issued: &Issued, page: &str, language: &str) -> Answer {
    let language = if language.is_empty() { "en" } else { language };
    let head = format!("GET {page} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\naccept-language: {language}\r\n");
    ask(house.connect(Some(issued)).await.unwrap(), &head).await
}

/// Sends the form with this address as a browser does: its fields as they stand, but for what is typed.
async fn submit(house: &House, issued: &Issued, page: &str, action: &str, typed: &BTreeMap<String, String>) -> Answer {
    let (_, rest) = page.split_once(&format!("action=\"{action}\"")).unwrap_or_else(|| panic!("no form goes to {action}: {page}"));
    let (form, _) = rest.split_once("</form>").unwrap();
    let attribute = |tag: &str, name: &str| Some(tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.to_owned());
    let inputs = form.split("<input").skip(1).map(|rest| rest.split_once('>').unwrap().0);
    let mut fields: BTreeMap<String, String> =
        inputs.map(|tag| (attribute(tag, "name").unwrap(), attribute(tag, "value").unwrap_or_default())).collect();
    for (name, text) in typed {
        fields.insert(name.clone(), text.clone()).unwrap_or_else(|| panic!("{action} has no field {name}"));
    }
    let encoded =
        |text: &str| text.bytes().map(|byte| if byte == b' ' { "+".to_owned() } else { format!("%{byte:02X}") }).collect::<String>();
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let body = body.join("&");
    let head = format!(
        "POST {action} HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\nsec-fetch-site: same-origin\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        body.len()
    );
    ask_with(house.connect(Some(issued)).await.unwrap(), &head, &body).await
}

/// The pages of a search, one after the other, have everything once.
#[tokio::test]
async fn every_exchange_is_on_one_page() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let mut expected = Vec::new();
    for number in 0..101 {
        let mut exchange = sample(&*world.clock, &number.to_string());
        exchange.partner = "many".parse().unwrap();
        expected.push(commit(&world, exchange).await.to_string());
    }
    let (mut found, mut pages) = (Vec::new(), 0);
    let mut next = Some("/exchanges?partner=many&rule=".to_owned());
    while let Some(page) = next {
        let body = look(&house, &house.reader, &page, "en").await.body;
        let ids = body.split("<a class=\"id\" href=\"/exchanges/").skip(1).map(|rest| rest.split_once('"').unwrap().0.to_owned());
        found.extend(ids);
        pages += 1;
        next = body.split_once("rel=\"next\" href=\"").map(|(_, rest)| rest.split_once('"').unwrap().0.replace("&amp;", "&"));
    }
    expected.sort();
    found.sort();
    assert_eq!((found, pages), (expected, 3));
}
