//! What must not start: `portolan check` and `portolan serve` name the same problems, every one of them. Cases are in
//! `refused.toml`.

use crate::identity::DaysAgo;
use crate::support::portolan;
use crate::world::{PATIENCE, World, eventually};
use portolan::certs::{Authority, Names, Usage, Validity};
use portolan::seams::{Clock, SystemClock};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    base: BTreeMap<String, String>,
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    what: String,
    #[serde(default)]
    write: Vec<[String; 2]>,
    #[serde(default)]
    replace: Vec<[String; 3]>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    mode: Vec<[String; 2]>,
    /// How each problem begins.
    problems: Vec<String>,
}

fn cases() -> Cases {
    toml::from_str(include_str!("refused.toml")).unwrap()
}

/// The good configuration, with all that the cases put in its place.
fn good(base: &BTreeMap<String, String>) -> World {
    let mut world = World::new();
    for (name, usage) in [
        ("console", Usage::Both),
        ("outbound", Usage::Both),
        ("own", Usage::Both),
        ("client-only", Usage::Client),
        ("server-only", Usage::Server),
    ] {
        issue(&mut world.authority, name, usage, Validity::days(SystemClock.now(), 300));
    }
    let names = Names { common_name: "Test CA".to_owned(), ..Names::default() };
    Authority::create(&world.path("twin-ca"), &names, Validity::days(SystemClock.now(), 300), 300, &SystemClock).unwrap();
    base.iter().for_each(|(file, text)| world.write(file, text));
    world
}

fn issue(authority: &mut Authority, name: &str, usage: Usage, validity: Validity) {
    let names = Names { common_name: name.to_owned(), organization: None, alternative: vec!["localhost".to_owned()] };
    authority.issue(&name.parse().unwrap(), &names, usage, validity, &SystemClock).unwrap();
}

#[test]
fn what_must_not_start_is_refused_alike_by_check_and_serve() {
    let Cases { base, case } = cases();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = case.iter().map(|case| scope.spawn(|| check(&base, case))).collect();
        running.into_iter().filter_map(|case| case.join().unwrap().err()).collect()
    });
    assert!(case.len() > 10 && failures.is_empty(), "{}", failures.join("\n\n"));
}

fn check(base: &BTreeMap<String, String>, case: &Case) -> Result<(), String> {
    let world = good(base);
    case.write.iter().for_each(|[file, text]| world.write(file, text));
    for [file, from, to] in &case.replace {
        let text = fs::read_to_string(world.path(file)).unwrap();
        assert!(text.contains(from), "{}: {from:?} is not in {file}", case.what);
        world.write(file, &text.replace(from, to));
    }
    case.remove.iter().for_each(|file| fs::remove_file(world.path(file)).unwrap());
    for [file, mode] in &case.mode {
        fs::set_permissions(world.path(file), fs::Permissions::from_mode(u32::from_str_radix(mode, 8).unwrap())).unwrap();
    }
    let before = files(&world);
    let checked = portolan().args(["check", "--config", "conf"]).current_dir(world.path("")).output().unwrap();
    assert_eq!(files(&world), before, "{}: check has changed something", case.what);
    let printed = String::from_utf8(checked.stdout).unwrap();
    let (summary, named) = printed.lines().collect::<Vec<_>>().split_last().map(|(last, rest)| (*last, rest.to_vec())).unwrap();
    let mut serving = world.start();
    let served = serving.wait(PATIENCE).expect("it ends").code();
    let told = serving.printed();
    let refused: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let as_expected = |lines: &[&str]| {
        lines.len() == case.problems.len() && lines.iter().zip(&case.problems).all(|(line, start)| line.starts_with(start))
    };
    let count = format!(": {} problem{}", case.problems.len(), if case.problems.len() == 1 { "" } else { "s" });
    let good = checked.status.code() == Some(1)
        && served == Some(1)
        && as_expected(&named)
        && named == refused
        && summary.ends_with(&count)
        && !summary.contains(" 0 ");
    if good { Ok(()) } else { Err(format!("{}\n--- check\n{printed}\n--- serve\n{told}", case.what)) }
}

/// Every file below the world's folder.
fn files(world: &World) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![world.path("")]);
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What has ended refuses nothing: a gateway must still take in other changes, such as a revocation.
#[tokio::test]
async fn what_has_ended_is_warned_of_by_name() {
    let mut world = good(&cases().base);
    let ended = Validity { not_before: DaysAgo(20).now(), not_after: DaysAgo(10).now() };
    issue(&mut world.authority, "ended", Usage::Both, ended);
    let text = fs::read_to_string(world.path("conf/portolan.toml")).unwrap();
    world.write("conf/portolan.toml", &text.replace("issued/console", "issued/ended").replace("issued/outbound", "issued/ended"));
    // One who sends once a quarter and has not called yet.
    let rarely = "title = { zh = \"季报单位\", en = \"Rarely\" }\n\n[[certificate]]\nfile = \"../ca/issued/ended.pem\"\n";
    world.write("conf/partners/rarely.toml", rarely);
    issue(&mut world.authority, "night", Usage::Both, ended);
    let night = "title = { zh = \"夜班\", en = \"Night\" }\nrole = \"read\"\n\n[[certificate]]\nfile = \"../ca/issued/night.pem\"\n";
    world.write("conf/operators/night.toml", night);
    world.authority.renew_list(&DaysAgo(400)).unwrap();
    let checked = portolan().args(["check", "--config", "conf"]).current_dir(world.path("")).output().unwrap();
    let printed = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(0), "{printed}");
    let sentences = [
        "the gateway's server certificate ca/issued/ended.pem has ended",
        "the gateway's outbound certificate ca/issued/ended.pem has ended",
        "the revocation list of CN=Test CA has ended",
        "the certificate CN=ended of rarely has ended",
        "the certificate ca/issued/night.pem of the operator night has ended",
    ];
    for sentence in &sentences {
        assert!(printed.lines().any(|line| line == format!("warning: {sentence}")), "{printed}");
    }
    let gateway = world.serve().await;
    for sentence in &sentences {
        eventually("it is logged", async || gateway.logged(sentence).pop()).await;
    }
}
