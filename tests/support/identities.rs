//! Identities for a test of one listener: who answers there, who may call, and who may not.

use portolan::certs::{Authority, Issued, Names, Usage, Validity};
use portolan::seams::{Clock, SystemClock};
use std::path::PathBuf;
use tempfile::TempDir;

/// A folder with an authority, a server and a client of it, and a stranger of another authority.
pub struct Identities {
    pub folder: TempDir,
    pub server: Issued,
    pub client: Issued,
    pub stranger: Issued,
}

impl Identities {
    /// Those of a server of loopback and of a client, by their names.
    pub fn new(server: &str, client: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let validity = Validity::days(SystemClock.now(), 2);
        let authority = |name: &str| {
            let names = Names { common_name: name.to_owned(), ..Names::default() };
            Authority::create(&folder.path().join(name), &names, validity, 2, &SystemClock).unwrap()
        };
        let issue = |authority: &mut Authority, name: &str, alternative: &[&str], usage| {
            let alternative = alternative.iter().map(|&name| name.to_owned()).collect();
            let names = Names { common_name: name.to_owned(), organization: None, alternative };
            authority.issue(&name.parse().unwrap(), &names, usage, validity, &SystemClock).unwrap()
        };
        let (mut main, mut other) = (authority("main"), authority("other"));
        let server = issue(&mut main, server, &["127.0.0.1"], Usage::Server);
        let client = issue(&mut main, client, &[], Usage::Client);
        let stranger = issue(&mut other, "stranger", &[], Usage::Client);
        Self { folder, server, client, stranger }
    }

    /// The certificate of the authority that both sides trust.
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("main/ca.pem")
    }
}
