//! `portolan demo`: the whole life of a message on one machine, for real.

use super::serve::{asked_to_end, log_to_stderr};
use super::{exit, terminal};
use crate::demo::play::Play;
use crate::demo::stories::refused_rows;
use crate::demo::world::{Settings, World};
use crate::fault::BoxError;
use crate::ops::Loopback;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::watch;

pub(super) const ABOUT: &str = "\
Show the whole life of a message, for real, on this machine.

A bank pushes camt.054 payment confirmations, an e-commerce platform the Chinese income table as CSV
in GB18030, customs CEB603 declarations: over mutual TLS, with certificates of a development
authority made for the occasion. The gateway checks, commits, answers with signed receipts and
delivers to a tax bureau's receiver. Three short stories follow, then a table, and where to look
next. All data is synthetic and made from the seed.

A folder that an earlier run left behind, even one that was killed, is played on to the same end.";

pub(super) const EXAMPLE: &str = "\
Examples:
  portolan demo                            and leave it running to look around
  portolan demo --once --records 100000    exit when everything is delivered and compared
  portolan demo --once --folder /tmp/d     keep everything in a folder of your own";

/// `portolan demo`.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Exit once everything is delivered; fail if anything accepted is missing at the receiver
    #[arg(long)]
    once: bool,
    /// Records to send in all
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..))]
    records: u64,
    /// Seed of the feeds
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder to play in [default: a new one among the temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Port of the partner listener
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    partner_port: u16,
    /// Port of the operator listener
    #[arg(long, value_name = "PORT", default_value_t = 8444)]
    operator_port: u16,
    /// Port of the tax bureau's receiver
    #[arg(long, value_name = "PORT", default_value_t = 8445)]
    receiver_port: u16,
}

pub(super) fn run(args: &Demo) -> ExitCode {
    log_to_stderr("error");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::fail(&format!("the runtime cannot start: {error}")),
    };
    match runtime.block_on(play(args)) {
        Ok(true) => ExitCode::from(exit::GOOD),
        Ok(false) => terminal::fail("the receiver does not hold exactly what was accepted"),
        Err(error) => terminal::fail(&error.to_string()),
    }
}

async fn play(args: &Demo) -> Result<bool, BoxError> {
    let scratch;
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => {
            scratch = tempfile::Builder::new().prefix("portolan-demo-").tempdir()?;
            // A demonstration that stays up leaves its folder for people to look into.
            if args.once { scratch.path().to_owned() } else { scratch.keep() }
        }
    };
    let settings = Settings {
        seed: args.seed,
        records: args.records,
        partner_port: args.partner_port,
        operator_port: args.operator_port,
        receiver_port: args.receiver_port,
    };
    println!("Portolan 数据交换网关: a demonstration with synthetic data (seed {}) in {}", args.seed, folder.display());
    let world = World::open(&folder, settings)?;
    let mut play = Play::start(world).await?;
    println!(
        "Partners call {}; the tax bureau listens on https://localhost:{}. Everything speaks mutual TLS.\n",
        play.world.url(),
        play.world.settings.receiver_port
    );
    let exact = play.all().await?;
    if exact {
        println!("The tax bureau holds exactly what was accepted, field by field.");
    }
    match &args.folder {
        None if args.once => println!("The folder is removed now, with all that is in it; --folder keeps it."),
        Some(_) if args.once => {
            println!("\nThe folder stays. Where to look next:");
            print_what_is_kept(&play);
        }
        _ => {}
    }
    if !args.once {
        let (page, link) = Loopback::open(Arc::clone(&play.view), 0).await?;
        let (stop, stopped) = watch::channel(false);
        let page = tokio::spawn(page.serve(stopped));
        print_where_next(&play, &link);
        play.trickle(asked_to_end()).await?;
        let _ = stop.send(true);
        page.await?;
    }
    play.shutdown().await?;
    Ok(exact)
}

fn print_where_next(play: &Play, link: &str) {
    let (url, out) = (play.world.url(), play.world.out());
    let certs = play.world.folder.join("certs");
    let certs = certs.display();
    println!("\nThe gateway stays up and traffic trickles on. Where to look next:");
    println!("  how it stands (one use)  {link}");
    println!(
        "  what a bank can ask      curl --cacert {certs}/ca.pem --cert {certs}/issued/bank.pem --key {certs}/issued/bank.key {url}/v1/me"
    );
    println!(
        "  send a file yourself     portolan send --url {url} --flow platform-income --cert {certs}/issued/platform.pem --key {certs}/issued/platform.key --ca {certs}/ca.pem {}",
        out.join("platform-income.csv").display()
    );
    print_what_is_kept(play);
    println!("  change something         the files in {}; a change is in force at once", play.world.gateway().display());
    println!("Ctrl-C ends it.");
}

/// What can be looked at without the gateway.
fn print_what_is_kept(play: &Play) {
    let (out, jwks) = (play.world.out(), play.world.gateway().join("data/keys/jwks.json"));
    println!(
        "  prove what was sent      portolan verify {} {} --jwks {}",
        out.join("bank.receipt.json").display(),
        out.join("bank.camt054.xml").display(),
        jwks.display()
    );
    println!("  the refused rows         {}", refused_rows(play).display());
}
