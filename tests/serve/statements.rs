//! Daily statements (日对账单) over mutual TLS: what was sent and what became of it, the same for partner and operator, signed,
//! and read by a program that is not ours.

use crate::line::{Answer, Line, get, payments, post};
use crate::support::portolan;
use crate::tools::python;
use crate::world::{Gateway, World, eventually};
use portolan::seams::{Clock, SystemClock};
use serde_json::Value;
use std::process::Command;

const OPERATOR: &str =
    "title = { zh = \"值班员\", en = \"On duty\" }\nrole = \"read\"\n\n[[certificate]]\nfile = \"../ca/issued/bureau.pem\"\n";
const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A zone in which it is about noon, so that no test runs over midnight.
fn noon_zone() -> String {
    let hour = i64::from(SystemClock.now().to_zoned_datetime(jiff::tz::TimeZone::UTC).hour());
    match 12 - hour {
        0 => "Etc/GMT".to_owned(),
        // The signs of these names are the other way round.
        ahead @ 1.. => format!("Etc/GMT-{ahead}"),
        behind => format!("Etc/GMT+{}", -behind),
    }
}

async fn ask(line: &mut Line, path: &str, accept: &str) -> Answer {
    line.ask(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\naccept: {accept}\r\n\r\n").as_bytes()).await.unwrap()
}

/// Measure, other, basis, date, currency, direction, records and amount of each line.
fn lines(statement: &Value) -> Vec<String> {
    let members = ["measure", "other", "basis", "date", "currency", "direction", "records", "amount"];
    let line = |line: &Value| {
        let words = members.iter().map(|member| line[member].as_str().map_or_else(|| line[member].to_string(), str::to_owned));
        words.filter(|word| !word.is_empty() && word != "null").collect::<Vec<_>>().join(" ")
    };
    statement["statement"]["lines"].as_array().unwrap().iter().map(line).collect()
}

struct Served {
    world: World,
    gateway: Gateway,
    _receiver: portolan::demo::receiver::Receiver,
    today: jiff::civil::Date,
}

/// Two payments of 100.00 CNY, and in another body one that is good and one that is not.
async fn served() -> Served {
    let world = World::new();
    let receiver = world.receiver().await;
    let (zone, flow) = (noon_zone(), world.path("conf/flows/payments.toml"));
    let text = std::fs::read_to_string(&flow).unwrap();
    let (title, rest) = text.split_once('\n').unwrap();
    std::fs::write(&flow, format!("{title}\nzone = \"{zone}\"\n{rest}")).unwrap();
    world.flow("others", "payment-confirmation.v1", &["platform"], "payment-confirmation-json", "");
    world.write("conf/operators/on-duty.toml", OPERATOR);
    let gateway = world.serve().await;
    let today = SystemClock.now().to_zoned_datetime(jiff::tz::TimeZone::get(&zone).unwrap()).date();
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    bank.ask(&post("payments", &payments("M-1", 2), "")).await.unwrap().exchange();
    let one_bad = payments("M-2", 2).replacen("\"amount\":\"100.00\"", "\"amount\":\"0.07\"", 1);
    let (good, bad) = one_bad.split_once('\n').unwrap();
    let bad = bad.replace("\"2026-10-12\"", "\"2026-13-12\"").replace("100.00", "7.00");
    bank.ask(&post("payments", &format!("{good}\n{bad}"), "")).await.unwrap().exchange();
    Served { world, gateway, _receiver: receiver, today }
}

#[tokio::test]
async fn a_day_is_stated_to_both_sides() {
    let Served { world, gateway, today, .. } = &served().await;
    let mut bank = world.line(gateway, "bank").await.unwrap();
    let path = format!("/v1/statements/{today}?flow=payments");
    let statement = eventually("everything is delivered", async || {
        let mut line = world.line(gateway, "bank").await.unwrap();
        let statement = ask(&mut line, &path, "*/*").await.json();
        let delivered = lines(&statement).into_iter().find(|line| line.starts_with("delivered bureau/payments received"));
        delivered.filter(|line| line.contains(" 3 ")).map(|_| statement)
    })
    .await;
    let date = today.to_string();
    let booked = |line: &str| line.replace("DATE", &date);
    let expected = [
        "sent received DATE CNY credit 4 207.07",
        "sent booking CNY credit 1 7.00",
        "sent booking 2026-10-12 CNY credit 3 200.07",
        "accepted received DATE CNY credit 3 200.07",
        "accepted booking 2026-10-12 CNY credit 3 200.07",
        "refused received DATE CNY credit 1 7.00",
        "refused booking CNY credit 1 7.00",
        "delivered bureau/payments received DATE CNY credit 3 200.07",
        "delivered bureau/payments booking 2026-10-12 CNY credit 3 200.07",
    ];
    assert_eq!(lines(&statement), expected.map(booked));
    let inner = &statement["statement"];
    assert_eq!((&inner["provisional"], &inner["exchanges"]["all"], &inner["exchanges"]["in_part"]), (&true.into(), &2.into(), &1.into()));
    assert_eq!(ask(&mut bank, &format!("/v1/statements/{today}"), "*/*").await.json()["statement"]["flow"], "payments", "its only flow");

    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    let seen = ask(&mut operator, &format!("/v1/statements/{today}/bank/payments"), "*/*").await;
    assert_eq!(lines(&seen.json()), lines(&statement));
    let receiver = ask(&mut operator, &format!("/v1/statements/{today}/bureau/payments"), "*/*").await;
    assert_eq!(
        lines(&receiver.json()),
        ["taken bank received DATE CNY credit 3 200.07", "taken bank booking 2026-10-12 CNY credit 3 200.07"].map(booked)
    );

    let mut platform = world.line(gateway, "platform").await.unwrap();
    assert_eq!(lines(&ask(&mut platform, &path, "*/*").await.json()), [""; 0], "its own, not the bank's");
    assert_eq!(ask(&mut bank, &format!("/v1/statements/{today}?flow=others"), "*/*").await.code(), "permission.flow");
    assert_eq!(ask(&mut bank, &format!("/v1/statements/{}?flow=payments", today.tomorrow().unwrap()), "*/*").await.code(), "request.query");
    assert_eq!(ask(&mut bank, "/v1/statements/2026-13-01?flow=payments", "*/*").await.code(), "request.query");
    assert_eq!(ask(&mut platform, &format!("/v1/statements/{today}"), "*/*").await.code(), "request.query", "which of two flows");
}

#[tokio::test]
async fn a_closed_day_is_the_same_bytes_for_both_sides() {
    let Served { world, gateway, today, .. } = &served().await;
    let yesterday = today.yesterday().unwrap();
    let mut bank = world.line(gateway, "bank").await.unwrap();
    let mut operator = world.line_to(gateway.operators, "bureau").await.unwrap();
    for accept in ["application/json", WORKBOOK] {
        let path = format!("/v1/statements/{yesterday}?flow=payments");
        let first = ask(&mut bank, &path, accept).await;
        assert_eq!(first, ask(&mut bank, &path, accept).await);
        assert_eq!(first.body, ask(&mut operator, &format!("/v1/statements/{yesterday}/bank/payments"), accept).await.body);
    }
    let closed = ask(&mut bank, &format!("/v1/statements/{yesterday}?flow=payments"), "*/*").await.json();
    assert_eq!(closed["statement"]["provisional"], false);
}

#[tokio::test]
async fn a_statement_is_proven_offline_and_its_workbook_read_elsewhere() {
    let Served { world, gateway, today, .. } = &served().await;
    let mut bank = world.line(gateway, "bank").await.unwrap();
    let day = today.yesterday().unwrap();
    let name = format!("bank_payments_{}_statement", day.to_string().replace('-', ""));
    for (accept, extension) in [("application/json", "json"), (WORKBOOK, "xlsx")] {
        let answer = ask(&mut bank, &format!("/v1/statements/{day}?flow=payments"), accept).await;
        assert_eq!(answer.headers["content-disposition"], format!("attachment; filename=\"{name}.{extension}\""));
        std::fs::write(world.path(&format!("{name}.{extension}")), &answer.body).unwrap();
    }
    let jwks = bank.ask(&get("/.well-known/jwks.json")).await.unwrap();
    std::fs::write(world.path("jwks.json"), &jwks.body).unwrap();
    let verify = |statement: &str, workbook: &str| {
        let mut command = portolan();
        command.arg("verify").args([statement, workbook].map(|file| world.path(file))).arg("--jwks").arg(world.path("jwks.json"));
        command.output().unwrap()
    };
    let (statement, workbook) = (format!("{name}.json"), format!("{name}.xlsx"));
    let proven = verify(&statement, &workbook);
    assert!(proven.status.success(), "{proven:?}");
    assert!(String::from_utf8_lossy(&proven.stdout).contains("exactly this workbook"));
    let text = std::fs::read_to_string(world.path(&statement)).unwrap();
    world.write("changed.json", &text.replacen("\"all\":0", "\"all\":1", 1));
    assert_ne!(std::fs::read_to_string(world.path("changed.json")).unwrap(), text);
    assert_eq!(verify("changed.json", &workbook).status.code(), Some(1), "another number");
    assert_eq!(verify(&statement, &statement).status.code(), Some(1), "another file");
    // White space is not what was signed.
    world.write("spaced.json", &serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap());
    assert!(verify("spaced.json", &workbook).status.success());
}

#[tokio::test]
async fn a_workbook_says_what_the_json_says() {
    let Served { world, gateway, today, .. } = &served().await;
    let path = format!("/v1/statements/{today}?flow=payments");
    // Deliveries may come in between: both are asked for until they are of the same moment.
    let (statement, workbook) = eventually("the same moment", async || {
        let mut line = world.line(gateway, "bank").await.unwrap();
        let before = ask(&mut line, &path, "*/*").await.json();
        let workbook = ask(&mut line, &path, WORKBOOK).await.body;
        let after = ask(&mut line, &path, "*/*").await.json();
        (lines(&before) == lines(&after)).then_some((before, workbook))
    })
    .await;
    let file = world.path("statement.xlsx");
    std::fs::write(&file, workbook).unwrap();
    let script = "import json, sys, openpyxl\n\
        sheet = openpyxl.load_workbook(sys.argv[1]).active\n\
        rows = [['' if c is None else c for c in row] for row in sheet.iter_rows(values_only=True)]\n\
        head = next(n for n, row in enumerate(rows) if str(row[0]).startswith('项目'))\n\
        print(json.dumps([[cell.split(' ')[-1] if n in (0, 2) else cell for n, cell in enumerate(row)] for row in rows[head + 1:]]))";
    let read = Command::new(python()).arg("-c").arg(script).arg(&file).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let rows: Vec<Vec<String>> = serde_json::from_slice(&read.stdout).unwrap();
    let rows = rows.iter().map(|row| row.iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>().join(" "));
    assert_eq!(rows.collect::<Vec<_>>(), lines(&statement));
}
