//! The one-time link. A case in `loopback/` is a list of steps against one listener, over real sockets:
//!
//! ```text
//! METHOD TARGET [HEADER: VALUE]... => STATUS
//! after SECONDS
//! ```
//!
//! `TOKEN`, `PORT` and `SECRET` stand for the link's token, the listener's port and the secret of the
//! cookie that the link gave. Without a `host:` the right one is sent; `no-host` sends none.

use crate::world::{World, ask};
use jiff::SignedDuration;
use portolan::ops::Loopback;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::watch;

#[tokio::test]
async fn cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ops/loopback");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        check(&file).await;
    }
}

async fn check(file: &Path) {
    let world = World::new().await;
    let (loopback, url) = Loopback::open(Arc::clone(&world.view), 0).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let serving = tokio::spawn(loopback.serve(stopped));
    let (port, token) = url.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once("/open/")).unwrap();
    let mut secret = "none".to_owned();
    for line in std::fs::read_to_string(file).unwrap().lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let at = format!("{}: {line}", file.display());
        if let Some(seconds) = line.strip_prefix("after ") {
            world.clock.advance(SignedDuration::from_secs(seconds.parse().unwrap()));
            continue;
        }
        let (request, expected) = line.split_once(" => ").unwrap_or_else(|| panic!("{at}: no status is expected"));
        let request = request.replace("TOKEN", token).replace("PORT", port).replace("SECRET", &secret);
        let stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
        let answer = ask(stream, &head(&request, port)).await;
        assert_eq!(answer.status.to_string(), expected, "{at}: {}", answer.body);
        match answer.status {
            303 => {
                assert_eq!((answer.header("location"), answer.header("cache-control")), ("/", "no-store"), "{at}");
                secret = cookie(answer.header("set-cookie"), port).to_owned();
            }
            403 => assert!(
                answer.header("content-type").starts_with("text/html") && (answer.body.contains("<h1>") || request.starts_with("HEAD")),
                "{at}"
            ),
            _ => assert!(!answer.header("set-cookie").starts_with("portolan-console"), "{at}"),
        }
        // Nobody sees a number who has not shown the cookie.
        assert_eq!(answer.body.contains("bank"), expected == "200" && !request.starts_with("HEAD"), "{at}: {}", answer.body);
    }
    stop.send(true).unwrap();
    serving.await.unwrap();
}

fn head(request: &str, port: &str) -> String {
    let mut parts = request.split_whitespace();
    let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
    let words: Vec<&str> = parts.collect();
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    if !words.iter().any(|word| ["no-host", "host:"].contains(word)) {
        head.push_str(&format!("host: 127.0.0.1:{port}\r\n"));
    }
    let mut words = words.into_iter().filter(|word| *word != "no-host");
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        head.push_str(&format!("{name} {value}\r\n"));
    }
    head
}

/// The secret of a cookie that is kept from scripts and from other sites.
fn cookie<'a>(field: &'a str, port: &str) -> &'a str {
    let (pair, attributes) = field.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    let (name, secret) = pair.split_once('=').unwrap();
    assert_eq!(name, format!("portolan-console-{port}"));
    // 256 bits in Base64 without padding (RFC 4648, section 5).
    assert_eq!(secret.len(), 43);
    secret
}

#[tokio::test]
async fn links_differ_and_only_loopback_listens() {
    let world = World::new().await;
    let (_first, one) = Loopback::open(Arc::clone(&world.view), 0).await.unwrap();
    let (_second, two) = Loopback::open(Arc::clone(&world.view), 0).await.unwrap();
    let token = |url: &str| url.rsplit_once('/').unwrap().1.to_owned();
    assert_ne!(token(&one), token(&two));
    // The whole of 127.0.0.0/8 is this machine, but only 127.0.0.1 listens.
    let port: u16 = one.split([':', '/']).nth(4).unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.2", port)).await.is_err());
    assert!(Loopback::open(Arc::clone(&world.view), port).await.is_err(), "a port that is taken is reported");
}
