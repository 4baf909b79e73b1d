//! `portolan send` against a server that answers as its script says, over real mutual TLS.
//!
//! Each file of `tests/cli_send_cases/` is one run: the file that is sent, further arguments, the
//! script, and what must come of it: exit code, texts, requests, and files beside the one sent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "the deliveries' tests use the rest")]
#[path = "../delivery/receiver.rs"]
mod receiver;

#[path = "../support/identities.rs"]
mod identities;

use self::identities::Identities;
use self::receiver::{Receiver, Reply, Seen, Server};
use base64::Engine;
use portolan::domain::Digest;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Name and text of the file that is sent.
    file: (String, String),
    #[serde(default)]
    arguments: Vec<String>,
    /// Who sends: `partner`, or `stranger` with another authority's certificate.
    #[serde(default = "partner")]
    identity: String,
    /// What lies beside the file already.
    #[serde(default)]
    before: BTreeMap<String, String>,
    #[serde(default)]
    script: Vec<Scripted>,
    code: i32,
    #[serde(default)]
    output: Vec<String>,
    #[serde(default)]
    errors: Vec<String>,
    /// Paths asked for, in order.
    requests: Vec<String>,
    /// Fields of every submission.
    #[serde(default)]
    fields: BTreeMap<String, String>,
    /// Files that lie in the folder afterwards, beside the one sent.
    #[serde(default)]
    after: BTreeMap<String, String>,
}

fn partner() -> String {
    "partner".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scripted {
    /// The line is cut instead of an answer.
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    status: u16,
    retry_after: Option<u64>,
    #[serde(default)]
    body: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_sent_as_their_cases_say() {
    let identities = Identities::new("gateway", "partner");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(here("tests/cli_send_cases")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    for path in cases {
        for protocol in ["h2", "http/1.1"] {
            let case: Case = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{path:?}: {e}"));
            let name = path.file_stem().unwrap().to_string_lossy();
            check(&format!("{name} over {protocol}"), &identities, case, protocol).await;
        }
    }
}

async fn check(name: &str, identities: &Identities, case: Case, protocol: &'static str) {
    let authority = identities.authority();
    let server = Receiver::start(&Server { identity: &identities.server, client_authority: &authority, protocol }, 0).await;
    server.script(case.script.iter().map(reply));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(&case.file.0), &case.file.1).unwrap();
    case.before.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    let identity = if case.identity == "stranger" { &identities.stranger } else { &identities.client };
    let mut command = Command::new(env!("CARGO_BIN_EXE_portolan"));
    command.current_dir(folder.path()).env("COLUMNS", "120").env("LC_ALL", "C").args(["send", "--flow", "payments"]);
    command.arg("--url").arg(format!("https://127.0.0.1:{}", server.address.port())).arg("--ca").arg(&authority);
    command.arg("--cert").arg(&identity.chain).arg("--key").arg(identity.key.as_ref().unwrap());
    // A declaration that there is nothing has no file.
    let declares = case.arguments.iter().any(|argument| argument == "--empty-period");
    command.args(&case.arguments).args((!declares).then_some(&case.file.0));
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    check_output(name, &case, &ran);
    check_requests(name, &case, &server.seen());
    check_files(name, &case, folder.path());
}

fn check_output(name: &str, case: &Case, ran: &Output) {
    let (output, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let told = format!("{name}\n--- output\n{output}\n--- errors\n{errors}");
    assert_eq!(ran.status.code(), Some(case.code), "{told}");
    case.output.iter().for_each(|text| assert!(output.contains(text), "{text:?} is not in the output of {told}"));
    case.errors.iter().for_each(|text| assert!(errors.contains(text), "{text:?} is not in the errors of {told}"));
}

/// Every submission brings the same bytes, their true digest, and the same key.
fn check_requests(name: &str, case: &Case, seen: &[Seen]) {
    assert_eq!(seen.iter().map(|s| s.path.as_str()).collect::<Vec<_>>(), case.requests, "{name}");
    let submissions: Vec<&Seen> = seen.iter().filter(|s| s.path.contains("/flows/")).collect();
    for submission in &submissions {
        let digest = base64::engine::general_purpose::STANDARD.encode(Digest::of(&submission.body).0);
        assert_eq!(submission.field("content-digest"), format!("sha-256=:{digest}:"), "{name}");
        assert_eq!(submission.field("content-length"), submission.body.len().to_string(), "{name}");
        assert_eq!(submission.body, submissions[0].body, "{name}");
        if submission.field("content-encoding").is_empty() {
            assert_eq!(submission.body, case.file.1.as_bytes(), "{name}");
        }
        let key = Digest::of(case.file.1.as_bytes()).to_string();
        let fields = BTreeMap::from([("idempotency-key".to_owned(), key)]);
        for (field, value) in fields.into_iter().chain(case.fields.clone()).collect::<BTreeMap<_, _>>() {
            assert_eq!(submission.field(&field), value, "{name}: {field}");
        }
    }
}

fn check_files(name: &str, case: &Case, folder: &Path) {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        found.insert(entry.file_name().into_string().unwrap(), std::fs::read_to_string(entry.path()).unwrap());
    }
    let mut expected = case.after.clone();
    expected.insert(case.file.0.clone(), case.file.1.clone());
    assert_eq!(found, expected, "{name}");
}

fn reply(scripted: &Scripted) -> Reply {
    if scripted.cut {
        return Reply::Cut;
    }
    let fields = scripted.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
    Reply::Answer(scripted.status, fields.into_iter().collect(), scripted.body.clone())
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
