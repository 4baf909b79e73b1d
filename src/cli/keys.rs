//! `portolan keys`: the keys that sign receipts.

use super::terminal::fail;
use crate::receipt::keys::{Jwk, KeysError, keys_folder, read_published, stage};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// What `--help` shows last.
pub const GROUP_EXAMPLE: &str = "\
Example:
  portolan keys rotate --data /var/lib/portolan";

const ROTATE_ABOUT: &str = "\
Sign receipts with a new key from now on

Makes a key and lays it beside the one in use. A running gateway sees it, signs with it and publishes it in \
/.well-known/jwks.json; one that does not run takes it up when it starts. The key before it is retired at that moment: it \
stays published with its validity, so that its receipts verify for ever, and signs no more.

Tell your partners to fetch the published keys again: whoever has pinned them needs the new one for new receipts.";

const ROTATE_EXAMPLE: &str = "\
Example, as the user that the gateway runs as:
  sudo -u portolan portolan keys rotate --data /var/lib/portolan";

/// How long a running gateway is waited for.
const TAKE_UP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// `portolan keys`.
#[derive(Debug, clap::Subcommand)]
pub enum KeysCommand {
    /// Sign receipts with a new key from now on
    #[command(long_about = ROTATE_ABOUT, after_help = ROTATE_EXAMPLE)]
    Rotate(Rotate),
}

/// `portolan keys rotate`.
#[derive(Debug, clap::Args)]
pub struct Rotate {
    /// The gateway's data folder, as portolan.toml names it
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
}

/// Runs it.
pub fn run(command: &KeysCommand) -> ExitCode {
    let KeysCommand::Rotate(args) = command;
    match rotate(&keys_folder(&args.data)) {
        Ok(text) => super::print(&text),
        Err(error) => fail(&error.to_string()),
    }
}

fn rotate(folder: &Path) -> Result<String, KeysError> {
    let kid = stage(folder)?;
    let begun = Instant::now();
    loop {
        let published = read_published(folder)?.keys;
        if let Some(new) = published.iter().find(|key| key.kid == kid) {
            return Ok(taken_up(new, &published));
        }
        if begun.elapsed() > TAKE_UP_TIMEOUT {
            return Ok(format!(
                "new key  {kid}\nwaiting  no running gateway has taken it up yet; it is taken up at the next start or at SIGHUP\n"
            ));
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

fn taken_up(new: &Jwk, published: &[Jwk]) -> String {
    let since = new.portolan_valid_from.as_deref().unwrap_or_default();
    let retired = published.iter().rev().find_map(|key| Some((&key.kid, key.portolan_valid_to.as_ref()?)));
    let retired = retired.map_or(String::new(), |(kid, until)| format!("retired  {kid}, valid until {until}\n"));
    format!("new key  {}, signs since {since}\n{retired}", new.kid)
}
