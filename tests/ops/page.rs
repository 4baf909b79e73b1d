//! The console's pages: nothing that they show can become markup, and nothing in them needs more than their policy lets in.

use crate::door::House;
use crate::exchanges::{commit, pin_mapping};
use crate::samples::sample;
use crate::world::{Answer, PAGES_MAX, World, ask, ask_with};
use jiff::SignedDuration;
use portolan::config::Problem;
use portolan::domain::{Finding, Role, Severity};
use portolan::journal::Settlement;
use portolan::ops::routes::{Kind, ROUTES};
use portolan::seams::Clock;
use portolan_contract::{Position, Words};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOSTILE: &str = "\"><script>alert('1')</script>&amp;";
const SHOWN: &str = "&quot;&gt;&lt;script&gt;alert('1')&lt;/script&gt;&amp;amp;";

/// The addresses of all pages, with something that there is in their open segments.
fn pages(exchange: &str) -> impl Iterator<Item = String> {
    let pages = ROUTES.iter().filter(|route| matches!(route.kind, Kind::Page { .. }));
    let there = [("{partner}", "bank"), ("{flow}", "payment-confirmation"), ("{number}", "1"), ("{id}", exchange)];
    pages.map(move |route| there.iter().fold(route.path.to_owned(), |path, (open, name)| path.replace(open, name)))
}

async fn look(house: &House, path: &str) -> Answer {
    let stream = house.connect(Some(&house.operator)).await.unwrap();
    ask(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n")).await
}

#[tokio::test]
async fn no_text_becomes_markup() {
    let (world, house, exchange) = hostile().await;
    for page in pages(&exchange) {
        let answer = look(&house, &page).await;
        assert_eq!(answer.status, 200, "{page}: {}", answer.body);
        assert!(!answer.body.contains("alert('1')</script>"), "{page}: {}", answer.body);
    }
    assert!(look(&house, "/").await.body.contains(SHOWN));
    drop(world);
}

/// Whatever a page asks for again is answered alone, and asks for itself again.
#[tokio::test]
async fn a_live_part_is_asked_for_alone() {
    let (_world, house, exchange) = hostile().await;
    let mut live_pages = 0;
    for page in pages(&exchange) {
        let whole = look(&house, &page).await.body;
        let again: Vec<&str> = whole.split("hx-get=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        live_pages += usize::from(!again.is_empty());
        for address in again {
            let part = look(&house, &address.replace("&amp;", "&")).await;
            let id = address.rsplit("part=").next().unwrap();
            assert_eq!(part.status, 200, "{address}");
            assert!(part.body.starts_with(&format!("<div id=\"{id}\" hx-get=\"{address}\"")), "{address}: {}", part.body);
            assert_eq!(part.body.matches("hx-get").count(), 1, "{address}");
            assert!(part.body.len() < whole.len() && !part.body.contains("<form"), "{address}: what is typed would be lost");
        }
    }
    assert!(live_pages >= 7, "{live_pages} pages are live");
}

#[tokio::test]
async fn pages_are_within_their_policy() {
    let (_world, house, exchange) = hostile().await;
    for page in pages(&exchange) {
        let answer = look(&house, &page).await;
        assert_eq!(
            answer.header("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        );
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{page}");
        for forbidden in ["<style", " style=", " onclick=", "javascript:", "http://", "hx-on", "hx-vals=\"js:"] {
            assert!(!answer.body.contains(forbidden), "{page}: {forbidden}");
        }
        // A script has an address and nothing inside.
        for script in answer.body.split("<script").skip(1) {
            let (tag, rest) = script.split_once('>').unwrap();
            assert!(tag.contains(" src=\"/assets/") && rest.starts_with("</script>"), "{page}: {tag}");
        }
    }
}

#[tokio::test]
async fn what_pages_load_is_there_and_is_kept() {
    let (_world, house, _) = hostile().await;
    let page = look(&house, "/").await.body;
    let addresses: Vec<&str> = page.split(['"']).filter(|text| text.starts_with("/assets/")).collect();
    assert!(addresses.len() >= 6, "{addresses:?}");
    for address in addresses {
        let answer = look(&house, address).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "private, max-age=31536000, immutable"), "{address}");
    }
    assert_eq!(look(&house, "/assets/nothing.js").await.status, 404);
}

#[tokio::test]
async fn a_language_that_was_chosen_stays() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let asked = async |path: &str, head: &str| {
        let stream = house.connect(Some(&house.operator)).await.unwrap();
        ask(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{head}")).await
    };
    let chosen = asked("/?lang=en", "accept-language: zh\r\n").await;
    assert_eq!(chosen.header("set-cookie"), "portolan-lang=en; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000");
    assert_eq!(asked("/", "accept-language: zh\r\ncookie: a=b; portolan-lang=en\r\n").await.header("content-language"), "en");
    assert_eq!(asked("/", "accept-language: en\r\ncookie: portolan-lang=xx\r\n").await.header("content-language"), "en");
    assert!(asked("/?lang=xx", "").await.header("set-cookie").is_empty());
}

/// A form of the console goes where it says, with what came of it, and nowhere else.
#[tokio::test]
async fn a_form_goes_back_to_its_page() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let page = look(&house, "/").await.body;
    let (_, rest) = page.split_once("name=\"csrf\" content=\"").unwrap();
    let (token, _) = rest.split_once('"').unwrap();
    for (then, expected) in [
        ("/flows/payment-confirmation", "/flows/payment-confirmation?said=done-"),
        ("/?a=b", "/?a=b&said=done-"),
        ("//evil.example", ""),
        ("https://evil.example/", ""),
        ("/\\evil.example", ""),
        ("/a%0D%0Ab", ""),
    ] {
        let then = then.replace('/', "%2F").replace('?', "%3F").replace('&', "%26").replace('=', "%3D").replace('\\', "%5C");
        for act in ["pause", "resume"] {
            let body = format!("csrf={token}&reason=because&then={then}");
            let head = format!(
                "POST /v1/flows/payment-confirmation/{act} HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
                body.len()
            );
            let answer = ask_with(house.connect(Some(&house.operator)).await.unwrap(), &head, &body).await;
            assert_eq!(answer.status, if expected.is_empty() { 200 } else { 303 }, "{then}: {}", answer.body);
            assert!(answer.header("location").starts_with(expected), "{then}: {}", answer.header("location"));
        }
    }
}

/// A destination that an operator has paused is called paused wherever it stands: in the table of its flow, on the map, and in the
/// table of the ways that stands in the map's place on a narrow screen.
#[tokio::test]
async fn a_paused_destination_is_called_so() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let shown = async |path: &str, expected: &str| look(&house, &format!("{path}?lang=en")).await.body.matches(expected).count();
    // Its circuit is open too, which is worse and said first.
    let (badge, node) = ("</svg>paused</span>", ": circuit open, paused</title>");
    let of_flow = "/flows/payment-confirmation";
    assert_eq!((shown(of_flow, badge).await, shown("/", badge).await, shown("/", node).await), (0, 0, 0));
    let page = look(&house, "/").await.body;
    let (_, rest) = page.split_once("name=\"csrf\" content=\"").unwrap();
    let (token, _) = rest.split_once('"').unwrap();
    let body = format!("csrf={token}&reason=repairs&then=%2F");
    let head = format!(
        "POST /v1/destinations/tax-bureau/payments/pause HTTP/1.1\r\nhost: localhost\r\norigin: https://localhost\r\naccept: text/html\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n",
        body.len()
    );
    let answer = ask_with(house.connect(Some(&house.operator)).await.unwrap(), &head, &body).await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    // On the first page: how its partner stands, and the way to it.
    assert_eq!((shown(of_flow, badge).await, shown("/", badge).await, shown("/", node).await), (1, 2, 1));
}

/// The menu has what the reader may open, and `/v1` says what is a page.
#[tokio::test]
async fn the_menu_is_what_the_reader_may_open() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let stream = house.connect(Some(&house.reader)).await.unwrap();
    let page = ask(stream, "GET /?lang=en HTTP/1.1\r\nhost: localhost\r\n").await.body;
    let (_, rest) = page.split_once("<nav").unwrap();
    let (menu, _) = rest.split_once("</nav>").unwrap();
    for route in ROUTES {
        let Kind::Page { menu: Some(word) } = route.kind else { continue };
        let listed = menu.contains(&format!("<a href=\"{}\"", route.path)) && menu.contains(word.en);
        assert_eq!(listed, route.role == Role::Read, "{}: {menu}", route.path);
    }
    let addresses = look(&house, "/v1").await.body;
    let addresses: serde_json::Value = serde_json::from_str(&addresses).unwrap();
    let count = addresses["addresses"].as_array().unwrap().iter().filter(|row| row["page"] == true).count();
    assert_eq!(count, pages("").count());
}

/// Whoever asks for a page is refused with one.
#[tokio::test]
async fn a_browser_is_refused_with_a_page() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let answer = look(&house, "/nothing").await;
    assert_eq!((answer.status, answer.header("content-type")), (404, "text/html; charset=utf-8"));
    assert!(answer.body.contains("request.path-unknown"), "{}", answer.body);
}

/// Hostile text wherever text comes from elsewhere, and the id of an exchange that is full of it.
async fn hostile() -> (World, House, String) {
    let world = World::with(|config| {
        for partner in config.partners.values_mut() {
            Arc::make_mut(partner).title = Words::new(HOSTILE, HOSTILE);
        }
        for flow in config.flows.values_mut() {
            Arc::make_mut(flow).title = Words::new(HOSTILE, HOSTILE);
        }
    });
    let world = world.await;
    let problem = Problem { file: "flows/x.toml".into(), line: 3, message: HOSTILE.to_owned() };
    world.view.health.reload_refused(world.view.clock.now(), vec![problem]);
    world.raise("disk.low", Words::new(HOSTILE, HOSTILE)).await;
    let mut exchange = sample(&*world.clock, "hostile");
    pin_mapping(&world, &mut exchange);
    let hostile = || Some(HOSTILE.to_owned());
    (exchange.content_type, exchange.idempotency_key, exchange.verdict.message_id) = (hostile(), hostile(), hostile());
    exchange.verdict.findings = vec![Finding {
        severity: Severity::Error,
        rule: HOSTILE.to_owned(),
        record: Some(1),
        part: hostile(),
        at: Position::default(),
        source: hostile(),
        canonical: hostile(),
        found: hostile(),
        words: Words::new(HOSTILE, HOSTILE),
    }];
    exchange.verdict.destinations[0].to = "bureau/inbox".parse().unwrap();
    let id = commit(&world, exchange).await;
    let (to, now) = ("bureau/inbox".parse().unwrap(), world.clock.now());
    for lease in world.view.journal.lease(&to, now, now + SignedDuration::from_hours(1), 9).await.unwrap() {
        let dead = Settlement::Dead { fault: HOSTILE.to_owned(), detail: HOSTILE.to_owned(), answer: hostile() };
        assert!(world.view.journal.settle(lease.delivery, lease.token, now, dead).await.unwrap());
    }
    let house = House::open(&world).await;
    (world, house, id.to_string())
}

/// Pages are told when to look again, until they leave; whoever finds no place is told so.
#[tokio::test]
async fn pages_are_told_when_to_look_again() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let mut open = Vec::new();
    for n in 0..=PAGES_MAX {
        let mut stream = house.connect(Some(&house.operator)).await.unwrap();
        stream.write_all(b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let mut text = String::new();
        while !text.contains("data: 2026-07-01T00:01:30Z") && !text.contains("limit.concurrency") {
            let mut bytes = [0; 4_096];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        assert_eq!(text.starts_with("HTTP/1.1 200"), n < PAGES_MAX, "{n}: {text}");
        open.push(stream);
    }
    assert!(open.len() > PAGES_MAX);
}
