//! Who operates the gateway, and what they may do.

use super::{Digest, Name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an operator may do; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look (查看).
    Read,
    /// Act on what is under way: dead letters, pauses (操作).
    Operate,
    /// Everything (管理).
    Administer,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Operate, Self::Administer];

    /// The word on the wire and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Administer => "administer",
        }
    }

    /// What people call it, in Chinese.
    pub fn in_chinese(self) -> &'static str {
        match self {
            Self::Read => "查看",
            Self::Operate => "操作",
            Self::Administer => "管理",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operator, as its certificate has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Which person or program: the name of its file, whatever certificate it has. `None` where it is
    /// in no file and may look only because the configuration lets anybody with a certificate of the
    /// operators' authority.
    pub name: Option<Name>,
    /// What it may do.
    pub role: Role,
    /// The subject of its certificate, RFC 4514 text.
    pub subject: String,
    /// SHA-256 of its certificate.
    pub certificate: Digest,
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => name.fmt(f),
            None => f.write_str(&self.subject),
        }
    }
}
