//! The data folder: who may look into it, who may use it, and what happens when its disk is nearly full.

use crate::line::{get, head, payments, post};
use crate::world::{PATIENCE, World, eventually, gateway_file};
use portolan::data::DataFolder;
use portolan::receipt::Keys;
use portolan::receipt::keys::{NEXT_KEY_FILE, keys_folder, stage};
use portolan::seams::SystemClock;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// The size of the small disk, in the words of `mount`.
const DISK_SIZE: &str = "size=48m";
/// What the gateway keeps free of it.
const FREE_BYTES_MIN: u64 = 24 << 20;
/// What something else takes of it: less is left than the gateway keeps, and more than it needs.
const TAKEN_BYTES: usize = 32 << 20;

/// A small disk in memory, at a folder.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` for whoever may not mount.
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK_SIZE, "none"]).arg(at).output();
        mounted.is_ok_and(|mount| mount.status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that was killed may still be going.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_disk_that_is_nearly_full_takes_nothing_in_and_still_delivers() {
    let world = World::new();
    let Some(_disk) = SmallDisk::mount(&world.path("conf/data")) else {
        eprintln!("NOT RUN: a_disk_that_is_nearly_full_takes_nothing_in_and_still_delivers needs root, to mount a small disk");
        return;
    };
    world.write("conf/portolan.toml", &format!("{}free_bytes_min = {FREE_BYTES_MIN}\n", gateway_file("127.0.0.1:0", "")));
    let mut receiver = world.receiver().await;
    receiver.down().await;
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let accepted = bank.ask(&post("payments", &payments("ACCEPTED", 4), "")).await.unwrap().exchange();

    fs::write(world.path("conf/data/something-else"), vec![1; TAKEN_BYTES]).unwrap();
    // The body is never sent: the answer does not wait for it.
    let mut refused = world.line(&gateway, "bank").await.unwrap();
    let refused = refused.ask(&head("payments", 1000, "expect: 100-continue\r\n")).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (507, "gateway.storage-full"));
    assert_eq!(refused.json()["party"], "gateway");

    receiver.up().await.unwrap();
    let deliveries = format!("/v1/exchanges/{accepted}/deliveries");
    eventually("the delivery is recorded as acknowledged", async || {
        let told = bank.ask(&get(&deliveries)).await.unwrap().json();
        (told["deliveries"][0]["state"] == "acknowledged").then_some(())
    })
    .await;
    assert_eq!(receiver.totals()["payments"].records, 4);

    fs::remove_file(world.path("conf/data/something-else")).unwrap();
    bank.ask(&post("payments", &payments("LATER", 1), "")).await.unwrap().exchange();
}

#[tokio::test]
async fn nobody_else_may_look_into_the_data_folder() {
    let world = World::new();
    let data = world.path("conf/data");
    fs::create_dir_all(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let gateway = world.serve().await;
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    // So much that body, records and index are in files.
    bank.ask(&post("payments", &payments("LARGE", 2000), "")).await.unwrap().exchange();

    let mut modes = Vec::new();
    let mut folders = vec![data.clone()];
    while let Some(folder) = folders.pop() {
        modes.push((folder.clone(), mode(&folder)));
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { modes.push((path.clone(), mode(&path))) }
        }
    }
    // What verifies receipts is public, if only whoever may pass the folders above can read it.
    modes.retain(|(path, _)| path.file_name().is_none_or(|name| name != "jwks.json"));
    for file in ["journal.db", "journal.db-wal", "journal.db-shm", "lock", "keys", "keys/receipt-key.pem", "bodies", "spool"] {
        assert!(modes.iter().any(|(path, _)| *path == data.join(file)), "{file}: {modes:?}");
    }
    let open: Vec<_> = modes.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(gateway.logs("was open to others", 1).await["was"], "755");
}

#[tokio::test]
async fn a_restored_data_folder_goes_on_in_a_new_epoch() {
    let world = World::new();
    // The epoch of a receipt that is given out now, by a gateway of its own.
    let epoch = async |message: &str| {
        let mut gateway = world.serve().await;
        let mut bank = world.line(&gateway, "bank").await.unwrap();
        let receipt = bank.ask(&post("payments", &payments(message, 1), "")).await.unwrap().json()["receipt"].clone();
        // A line that stays open is waited for.
        drop(bank);
        gateway.signal("TERM");
        gateway.ended().await;
        receipt["leaf"]["epoch"].clone()
    };
    assert_eq!(epoch("BEFORE").await, 1);
    // As an operator marks a copy.
    fs::write(world.path("conf/data/restored"), "").unwrap();
    assert_eq!(epoch("RESTORED").await, 2);
    assert_eq!(epoch("AFTER").await, 2, "the mark is taken away");
}

#[tokio::test]
async fn what_is_committed_is_answered_as_committed_even_if_its_report_cannot_be_read() {
    let world = World::new();
    let gateway = world.serve().await;
    let damage = "CREATE TRIGGER damage AFTER INSERT ON content BEGIN
                  UPDATE content SET report = 'no report' WHERE sequence = NEW.sequence; END";
    rusqlite::Connection::open(world.path("conf/data/journal.db")).unwrap().execute_batch(damage).unwrap();
    let mut bank = world.line(&gateway, "bank").await.unwrap();
    let first = payments("FIRST", 2);
    bank.ask(&post("payments", &first, "")).await.unwrap().exchange();
    // The same facts in another message: the report is read, since it alone names them.
    let second = first.replace("\"message_id\":\"FIRST\"", "\"message_id\":\"SECOND\"");
    let answer = bank.ask(&post("payments", &second, "")).await.unwrap();
    assert_eq!((answer.status, &answer.json()["counts"]["repeated"]), (202, &serde_json::json!(2)), "{answer:?}");
    gateway.logs("which records were known before cannot be told", 1).await;
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_gateway_that_is_turned_away_leaves_the_keys_alone() {
    let world = World::new();
    // The folder is this process's, as it would be another gateway's; a running one would take the key up itself.
    let folder = DataFolder::take(&world.path("conf/data")).unwrap();
    let keys = keys_folder(folder.path());
    Keys::open_or_create(&keys, Arc::new(SystemClock)).unwrap();
    stage(&keys).unwrap();
    let contents = || ["jwks.json", "receipt-key.pem", NEXT_KEY_FILE].map(|file| fs::read(keys.join(file)).unwrap());
    let before = contents();
    let mut second = world.start();
    assert_eq!(second.wait(PATIENCE).expect("it ends").code(), Some(1));
    assert!(second.printed().contains("is in use by another gateway"), "{}", second.printed());
    assert_eq!(contents(), before);
}

#[tokio::test]
async fn a_key_is_not_taken_up_with_a_configuration_that_is_refused() {
    let world = World::new();
    let gateway = world.serve().await;
    world.write("conf/partners/bank.toml", "nonsense");
    gateway.logs("the new configuration is refused", 1).await;
    let keys = world.path("conf/data/keys");
    let before = fs::read(keys.join("jwks.json")).unwrap();
    stage(&keys).unwrap();
    gateway.logs("the new configuration is refused", 2).await;
    assert_eq!(fs::read(keys.join("jwks.json")).unwrap(), before);
    world.partner("bank", &["bank"], "");
    gateway.logs("receipts are signed with a new key", 1).await;
}
