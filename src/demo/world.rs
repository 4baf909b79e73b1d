//! The scratch folder of a demonstration: a development authority, an identity for each party, and
//! the gateway's configuration, written as an operator would write it.

use crate::certs::{Authority, Names, Usage, Validity};
use crate::domain::Name;
use crate::fault::BoxError;
use crate::seams::{Clock, SystemClock};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Days for which the demonstration's certificates are valid.
const CERTIFICATE_DAYS: u32 = 90;
/// Days for which its revocation list is valid.
const LIST_DAYS: u32 = 30;

/// What a demonstration plays; kept in its folder, so that one that was killed goes on with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The seed of all feeds.
    pub seed: u64,
    /// Records in all.
    pub records: u64,
    /// Port of the partner listener.
    pub partner_port: u16,
    /// Port of the operator listener.
    pub operator_port: u16,
    /// Port of the tax bureau's receiver.
    pub receiver_port: u16,
}

/// The folder.
#[derive(Clone, Debug)]
pub struct World {
    /// Where it lies.
    pub folder: PathBuf,
    /// What is played in it.
    pub settings: Settings,
}

/// PEM files of one party.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Certificate chain.
    pub chain: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl World {
    /// Makes the folder, or opens one that an earlier run left behind. Its ports may differ from
    /// those given then: the folder's own count.
    ///
    /// # Errors
    /// Files that cannot be written, or a folder of another demonstration.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self, BoxError> {
        fs::create_dir_all(folder)?;
        let file = folder.join("demo.json");
        if file.exists() {
            let settings = Self::resume(&file, settings)?;
            return Ok(Self { folder: folder.to_owned(), settings });
        }
        // The folder `making` stands as long as the rest is not whole.
        let making = folder.join("making");
        if making.exists() {
            // A run that was killed then has left nothing worth keeping.
            for name in ["certs", "gateway"] {
                let _ = fs::remove_dir_all(folder.join(name));
            }
        } else if fs::read_dir(folder)?.next().is_some() {
            return Err(format!("{} is not empty and not a demonstration's folder; name another with --folder", folder.display()).into());
        }
        fs::create_dir_all(&making)?;
        let world = Self { folder: folder.to_owned(), settings };
        world.make_identities()?;
        world.write_configuration()?;
        fs::create_dir_all(folder.join("out"))?;
        fs::write(making.join("demo.json"), serde_json::to_vec_pretty(&settings)?)?;
        fs::rename(making.join("demo.json"), &file)?;
        fs::remove_dir_all(making)?;
        Ok(world)
    }

    fn resume(file: &Path, asked: Settings) -> Result<Settings, BoxError> {
        let kept: Settings = serde_json::from_slice(&fs::read(file)?)?;
        if (kept.seed, kept.records) != (asked.seed, asked.records) {
            let (seed, records) = (kept.seed, kept.records);
            return Err(format!("{} plays --seed {seed} --records {records}; give the same, or another --folder", file.display()).into());
        }
        Ok(kept)
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("certs/ca.pem")
    }

    /// The configuration folder of the gateway.
    pub fn gateway(&self) -> PathBuf {
        self.folder.join("gateway")
    }

    /// Where reports and receipts are put for people to look at.
    pub fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// A party's files.
    pub fn identity(&self, party: &str) -> Identity {
        Identity {
            chain: self.folder.join(format!("certs/issued/{party}.pem")),
            key: self.folder.join(format!("certs/issued/{party}.key")),
        }
    }

    /// The address partners call.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.settings.partner_port)
    }

    /// The receiver's address.
    pub fn receiver_address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.settings.receiver_port).into()
    }

    fn make_identities(&self) -> Result<(), BoxError> {
        let clock = SystemClock;
        let validity = Validity::days(clock.now(), CERTIFICATE_DAYS);
        let folder = self.folder.join("certs");
        let names = |common_name: &str, alternative: &[&str]| Names {
            common_name: common_name.to_owned(),
            organization: Some("Portolan demonstration (synthetic)".to_owned()),
            alternative: alternative.iter().map(|&a| a.to_owned()).collect(),
        };
        let mut authority = Authority::create(&folder, &names("Portolan demonstration CA", &[]), validity, LIST_DAYS, &clock)?;
        let parties: [(&str, Usage, &[&str]); 6] = [
            ("gateway", Usage::Both, &["localhost", "127.0.0.1"]),
            ("bank", Usage::Client, &["bank.example"]),
            ("platform", Usage::Client, &["platform.example"]),
            ("customs", Usage::Client, &["customs.example"]),
            ("tax-bureau", Usage::Server, &["localhost", "127.0.0.1"]),
            ("operator", Usage::Client, &["operator.example"]),
        ];
        for (party, usage, alternative) in parties {
            let name: Name = party.parse()?;
            authority.issue(&name, &names(party, alternative), usage, validity, &clock)?;
        }
        Ok(())
    }

    fn write_configuration(&self) -> Result<(), BoxError> {
        let gateway = self.gateway();
        for folder in ["partners", "flows", "operators", "mappings"] {
            fs::create_dir_all(gateway.join(folder))?;
        }
        let Settings { partner_port, operator_port, receiver_port, .. } = self.settings;
        fs::write(
            gateway.join("portolan.toml"),
            format!(
                "data = \"data\"\n\n\
                 [partner_listener]\naddress = \"127.0.0.1:{partner_port}\"\n{IDENTITY}client_authorities = [\"../certs/ca.pem\"]\nrevocation_lists = [\"../certs/crl.pem\"]\n\n\
                 [operator_listener]\naddress = \"127.0.0.1:{operator_port}\"\n{IDENTITY}client_authorities = [\"../certs/ca.pem\"]\n\n\
                 [outbound_identity]\nchain = \"../certs/issued/gateway.pem\"\nkey = \"../certs/issued/gateway.key\"\n"
            ),
        )?;
        for (name, zh, en) in [
            ("bank", "示范银行", "Example Bank"),
            ("platform", "示范电商平台", "Example Platform"),
            ("customs", "示范海关", "Example Customs"),
        ] {
            let text = format!("title = {{ zh = \"{zh}\", en = \"{en}\" }}\n\n[[certificate]]\nfile = \"../certs/issued/{name}.pem\"\n");
            fs::write(gateway.join(format!("partners/{name}.toml")), text)?;
        }
        let mut bureau = "title = { zh = \"示范税务局\", en = \"Example Tax Bureau\" }\n".to_owned();
        for flow in FLOWS {
            let place = flow.place;
            bureau.push_str(&format!(
                "\n[destination.{place}]\nurl = \"https://localhost:{receiver_port}/{place}\"\nauthorities = [\"../certs/ca.pem\"]\n\
                 retry_first_ms = 200\nretry_ms_max = 2000\ncircuit_failures = 3\ncircuit_pause_ms = 1000\n"
            ));
        }
        fs::write(gateway.join("partners/tax-bureau.toml"), bureau)?;
        fs::write(gateway.join("operators/operator.toml"), OPERATOR)?;
        FLOWS.iter().try_for_each(|flow| fs::write(gateway.join(format!("flows/{}.toml", flow.name)), flow.to_toml()))?;
        Ok(())
    }
}

const OPERATOR: &str = "title = { zh = \"示范管理员\", en = \"Example Administrator\" }\nrole = \"administer\"\n\n[[certificate]]\nfile = \"../certs/issued/operator.pem\"\n";

const IDENTITY: &str = "identity = { chain = \"../certs/issued/gateway.pem\", key = \"../certs/issued/gateway.key\" }\n";

/// One flow of the demonstration.
pub struct DemoFlow {
    /// Its name.
    pub name: &'static str,
    /// Who sends it.
    pub sender: &'static str,
    place: &'static str,
    title: [&'static str; 2],
    canonical: &'static str,
    reads: &'static str,
    writes: &'static str,
    when: Option<&'static str>,
    on_invalid: &'static str,
}

/// The flows: what is sent in which format, and in which format the tax bureau wants it.
pub const FLOWS: [DemoFlow; 3] = [
    DemoFlow {
        name: "payment-confirmation",
        sender: "bank",
        place: "payments",
        title: ["缴款确认", "Payment confirmation"],
        canonical: "payment-confirmation.v1",
        reads: "camt054",
        writes: "payment-confirmation-json",
        when: Some("record.status == \"booked\""),
        on_invalid: "refuse body",
    },
    DemoFlow {
        name: "platform-income",
        sender: "platform",
        place: "income",
        title: ["平台内经营者收入", "Platform income"],
        canonical: "platform-income.v1",
        reads: "cn-platform-income",
        writes: "cn-platform-income",
        when: None,
        on_invalid: "refuse record",
    },
    DemoFlow {
        name: "customs-declaration",
        sender: "customs",
        place: "declarations",
        title: ["出口申报清单", "Export declaration"],
        canonical: "customs-declaration.v1",
        reads: "ceb603",
        writes: "ceb603",
        when: None,
        on_invalid: "refuse record",
    },
];

impl DemoFlow {
    fn to_toml(&self) -> String {
        let [zh, en] = self.title;
        let when = self.when.map(|w| format!("when = '{w}'\n")).unwrap_or_default();
        format!(
            "title = {{ zh = \"{zh}\", en = \"{en}\" }}\ncanonical = \"{}\"\non_invalid = \"{}\"\n\n[sender.{}]\nmappings = [\"{}\"]\n\n[[route]]\nto = \"tax-bureau/{}\"\nmapping = \"{}\"\n{when}",
            self.canonical, self.on_invalid, self.sender, self.reads, self.place, self.writes
        )
    }
}
