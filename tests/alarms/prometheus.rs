//! The rules and the dashboard against a real Prometheus, which scrapes a real gateway with an operator's certificate.

use crate::duty::{quick_file, raised};
use crate::line::{get, payments, post};
use crate::support::{Running, free_ports};
use crate::world::{Gateway, World, eventually};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// A program of Debian's package `prometheus`.
fn program(name: &str) -> Command {
    let found = Command::new(name).arg("--version").output();
    assert!(found.is_ok_and(|output| output.status.success()), "{name} is not there: run `make tools`, or apt-get install prometheus");
    Command::new(name)
}

#[test]
fn promtool_finds_the_rules_right() {
    let folder = deploy("prometheus");
    for arguments in [["check", "rules", "portolan.rules.yml"], ["test", "rules", "portolan.rules.test.yml"]] {
        let output = program("promtool").args(arguments).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn every_query_of_the_dashboard_has_data() {
    let world = World::new();
    let mut receiver = world.receiver().await;
    world.write("conf/portolan.toml", &quick_file(""));
    world.partner("platform", &["platform"], "[limits]\nrequests = { per_second = 1, burst = 2 }\n");
    let gateway = world.serve().await;
    let [port] = free_ports();
    let _prometheus = start(&world, gateway.operators.port(), port);

    // Something of everything: accepted, delivered, refused, throttled, turned away, and a receiver that is down.
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("DELIVERED", 2), "")).await.unwrap().exchange();
    eventually("it is delivered", async || (receiver.totals().get("payments")?.records == 2).then_some(())).await;
    receiver.down().await;
    bank.ask(&post("payments", &payments("WAITING", 2), "")).await.unwrap().exchange();
    raised(&world, &gateway, "destination.down", "destination", "bureau/payments").await;
    // What is delivered is asked for once the receiver is up again, everything else while the alarm is open.
    let (of_deliveries, others) = queries().into_iter().partition(|(expression, _)| expression.contains("portolan_delivery_seconds"));
    all_have_data(&world, &gateway, port, others, "DOWN").await;
    receiver.up().await.unwrap();
    all_have_data(&world, &gateway, port, of_deliveries, "UP").await;
    let text = crate::duty::ask(&world, &gateway, &get("/metrics")).await;
    let text = String::from_utf8(text.body).unwrap();
    let exemplar = text.lines().find(|line| line.starts_with("portolan_exchange_seconds_bucket") && line.contains("# {trace_id=\""));
    assert!(exemplar.is_some(), "a bucket leads to a trace: {text}");
}

/// Waits until every one of some queries has data, while a little of everything goes on.
async fn all_have_data(world: &World, gateway: &Gateway, port: u16, queries: BTreeMap<String, String>, named: &str) {
    let mut bank = world.line(gateway, "bank").await.unwrap();
    let mut platform = world.line(gateway, "platform").await.unwrap();
    let mut missing = queries;
    let mut round = 0;
    eventually("every query has data", async || {
        // A rate needs something to go on while it is scraped.
        round += 1;
        bank.ask(&post("payments", &payments(&format!("{named}-{round}"), 2), "")).await.unwrap().exchange();
        bank.ask(&post("payments", "nonsense", "")).await.unwrap();
        platform.ask(&get("/v1/me")).await.unwrap();
        drop(TcpStream::connect(gateway.address).await.unwrap());
        let mut still = BTreeMap::new();
        for (expression, title) in std::mem::take(&mut missing) {
            if !has_data(port, &expression).await {
                still.insert(expression, title);
            }
        }
        missing = still;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        assert!(round < 300, "no data: {missing:#?}");
        missing.is_empty().then_some(())
    })
    .await;
}

/// The configuration that ships, with the places of this test.
fn start(world: &World, operators: u16, port: u16) -> Running {
    let shipped = std::fs::read_to_string(deploy("prometheus/prometheus.yml")).unwrap();
    let file = |name: &str| world.path(name).display().to_string();
    let replaced = [
        ("localhost:8444", format!("localhost:{operators}")),
        ("15s", "1s".to_owned()),
        ("ca_file: ca.pem", format!("ca_file: {}", file("ca/ca.pem"))),
        ("operator.pem", file("ca/issued/gateway.pem")),
        ("operator.key", file("ca/issued/gateway.key")),
    ];
    let text = replaced.iter().fold(shipped, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    world.write("prometheus/prometheus.yml", &text);
    std::fs::copy(deploy("prometheus/portolan.rules.yml"), world.path("prometheus/portolan.rules.yml")).unwrap();
    let config = world.path("prometheus/prometheus.yml");
    let checked = program("promtool").args(["check", "config"]).arg(&config).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    let mut command = program("prometheus");
    command.arg(format!("--config.file={}", config.display())).arg(format!("--storage.tsdb.path={}", file("prometheus/data")));
    command.arg(format!("--web.listen-address=127.0.0.1:{port}")).arg("--enable-feature=exemplar-storage");
    Running::start(&mut command, &world.path("prometheus.log"))
}

/// Every expression of the dashboard, and the panel that it stands in.
fn queries() -> BTreeMap<String, String> {
    let dashboard: Value = serde_json::from_slice(&std::fs::read(deploy("grafana/portolan.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 15);
    let expressions = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        targets.iter().map(move |target| (target["expr"].as_str().unwrap().replace("$__rate_interval", "1m"), title.to_owned()))
    });
    expressions.collect()
}

/// Whether a query answers with something that is a number.
async fn has_data(port: u16, expression: &str) -> bool {
    let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let request = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    if stream.read_to_end(&mut answer).await.is_err() {
        return false;
    }
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let Ok(found) = serde_json::from_str::<Value>(body) else { return false };
    assert_ne!(found["status"], "error", "{expression}: {found}");
    let results = found["data"]["result"].as_array().cloned().unwrap_or_default();
    results.iter().any(|result| result["value"][1].as_str().is_some_and(|value| value.parse::<f64>().is_ok_and(f64::is_finite)))
}
