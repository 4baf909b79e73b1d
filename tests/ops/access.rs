//! Who may ask what, and which changes are let through. Requests of the second are in `access.toml`.

use crate::cases::cases;
use crate::door::House;
use crate::world::{World, ask};
use portolan::domain::Role;
use portolan::ops::routes::{Method, ROUTES};
use serde::Deserialize;

#[tokio::test]
async fn every_address_asks_for_its_role() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let operators = [(Role::Read, &house.reader), (Role::Operate, &house.second), (Role::Administer, &house.operator)];
    for route in ROUTES {
        let path: Vec<_> = route.path.split('/').map(|segment| if segment.starts_with('{') { "1" } else { segment }).collect();
        // Of what is only looked at the head is enough: one of the answers has no end.
        let method = if route.method == Method::Post { "POST" } else { "HEAD" };
        for (role, issued) in operators {
            let head = format!("{method} {} HTTP/1.1\r\nhost: localhost\r\nportolan-client: test\r\n", path.join("/"));
            let answer = ask(house.connect(Some(issued)).await.unwrap(), &head).await;
            let forbidden = answer.status == 403 && (method == "HEAD" || answer.body.contains("\"code\":\"permission.role\""));
            assert_eq!(forbidden, role < route.role, "{method} {} by {role}: {} {}", route.path, answer.status, answer.body);
            assert_ne!(answer.status, 405, "{method} {}", route.path);
        }
    }
}

#[test]
fn what_changes_something_is_not_for_those_who_only_look() {
    let open: Vec<_> = ROUTES.iter().filter(|route| route.changes() && route.role == Role::Read).map(|route| route.path).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default = "localhost")]
    host: String,
    /// Header fields, one a line.
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    body: String,
    /// The refusal's code; none for what is let through, and then finds no such proposal.
    #[serde(default)]
    code: String,
    #[serde(default)]
    says: String,
}

fn localhost() -> String {
    "localhost".to_owned()
}

#[tokio::test]
async fn a_change_is_asked_for_from_here_or_by_a_program() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let mut tokens = Vec::new();
    for issued in [&house.operator, &house.second] {
        let answer = ask(house.connect(Some(issued)).await.unwrap(), "GET /v1/token HTTP/1.1\r\nhost: localhost\r\n").await;
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        tokens.push(answer["token"].as_str().unwrap().to_owned());
    }
    for case in &cases::<Case>(include_str!("access.toml")) {
        let filled = |text: &str| text.replace("TOKEN-OF-ANOTHER", &tokens[1]).replace("TOKEN", &tokens[0]);
        let fields: String = case.fields.iter().map(|field| format!("{}\r\n", filled(field))).collect();
        let body = filled(&case.body);
        let head = format!("POST /v1/acts/7/approve HTTP/1.1\r\nhost: {}\r\n{fields}content-length: {}\r\n", case.host, body.len());
        let answer = crate::world::ask_with(house.connect(Some(&house.operator)).await.unwrap(), &head, &body).await;
        let code = if case.code.is_empty() { "request.proposal-unknown" } else { case.code.as_str() };
        assert!(answer.body.contains(&format!("\"code\":\"{code}\"")), "{}: {}", case.name, answer.body);
        assert!(answer.body.contains(&case.says), "{}: {}", case.name, answer.body);
    }
}

/// A look that is logged is asked for as a change is: by no page of another site in an operator's name.
#[tokio::test]
async fn another_site_reveals_nothing() {
    let world = World::new().await;
    let house = House::open(&world).await;
    let asked = async |path: &str, field: &str| {
        let stream = house.connect(Some(&house.second)).await.unwrap();
        ask(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept-language: en\r\n{field}")).await
    };
    let found: serde_json::Value = serde_json::from_str(&asked("/v1/exchanges", "").await.body).unwrap();
    let findings = format!("/v1/exchanges/{}/findings?reveal=case-17", found["exchanges"][0]["exchange"].as_str().unwrap());
    for (site, status) in [("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)] {
        let answer = asked(&findings, &format!("sec-fetch-site: {site}\r\n")).await;
        assert_eq!(answer.status, status, "{site}: {}", answer.body);
        assert_eq!(answer.body.contains("\"code\":\"permission.cross-site\""), status == 403, "{site}: {}", answer.body);
    }
    let acts: serde_json::Value = serde_json::from_str(&asked("/v1/acts?kind=reveal", "").await.body).unwrap();
    assert_eq!(acts["acts"].as_array().map(Vec::len), Some(2), "{acts}");
}
