//! What of a receipt does not hold, in words.

use crate::domain::Digest;
use portolan_contract::Words;
use std::fmt;

/// Why a receipt proves nothing: everything that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyError {
    /// At least one.
    pub mismatches: Vec<Mismatch>,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.mismatches.iter().map(|mismatch| mismatch.words().en).collect();
        f.write_str(&words.join("; "))
    }
}

impl std::error::Error for VerifyError {}

/// One thing that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It is no receipt.
    ReceiptUnreadable(String),
    /// Its type or version is not known.
    VersionUnknown(String),
    /// The head is no compact JWS of ours.
    HeadUnreadable(String),
    /// The signature of a statement is no detached JWS of ours.
    SignatureUnreadable(String),
    /// The file is not the workbook that the statement names.
    Workbook {
        /// As the statement has it.
        statement: Digest,
        /// As the file has it.
        found: Digest,
    },
    /// The head is signed with a key that is not among the given ones.
    KeyUnknown(String),
    /// The key was not in use when the head says that it was signed.
    KeyNotValid {
        /// Id of the key.
        kid: String,
        /// `signed_at` of the head.
        signed_at: String,
    },
    /// The signature is not of this head and key.
    Signature(String),
    /// Leaf and head tell different places.
    Place {
        /// What of it.
        what: &'static str,
        /// As the receipt has it.
        receipt: u64,
        /// As the signed head has it.
        head: u64,
    },
    /// The leaf and its path do not lead to the signed root.
    Root,
    /// The body could not be read.
    BodyUnreadable(String),
    /// The body has another length.
    BodyLength {
        /// As the receipt has it.
        receipt: u64,
        /// As the file has it.
        found: u64,
    },
    /// The body has another digest.
    BodyDigest {
        /// As the receipt has it.
        receipt: Digest,
        /// As the file has it.
        found: Digest,
    },
}

impl Mismatch {
    /// What does not match, for people.
    pub fn words(&self) -> Words {
        let (zh, en) = match self {
            Self::ReceiptUnreadable(why) => (format!("文件不是签收凭证：{why}"), format!("the file is not a receipt: {why}")),
            Self::VersionUnknown(found) => {
                (format!("不支持的凭证类型或版本：{found}"), format!("the receipt's type or version is not known: {found}"))
            }
            Self::HeadUnreadable(why) => (format!("凭证中的签名头无法读取：{why}"), format!("the signed head cannot be read: {why}")),
            Self::SignatureUnreadable(why) => (format!("签名无法读取：{why}"), format!("the signature cannot be read: {why}")),
            Self::Workbook { statement, found } => (
                format!("工作簿摘要不符：对账单为 {statement}，文件为 {found}"),
                format!("the workbook's SHA-256 is {found}, but the statement names {statement}"),
            ),
            Self::KeyUnknown(kid) => {
                (format!("给定的公钥中没有签名密钥 {kid}"), format!("the key {kid} that signed is not among the given keys"))
            }
            Self::KeyNotValid { kid, signed_at } => (
                format!("密钥 {kid} 在签名时间 {signed_at} 不在有效期内"),
                format!("the key {kid} was not valid at the time of signing, {signed_at}"),
            ),
            Self::Signature(kid) => (format!("签名与密钥 {kid} 不符"), format!("the signature does not match the key {kid}")),
            Self::Place { what, receipt, head } => (
                format!("凭证与签名头不一致（{what}）：凭证为 {receipt}，签名头为 {head}"),
                format!("the {what} is {receipt} in the receipt, but {head} by the signed head"),
            ),
            Self::Root => (
                "凭证内容与签名的根不符：内容或路径被改动".to_owned(),
                "the leaf and its path do not lead to the signed root: one of them was changed".to_owned(),
            ),
            Self::BodyUnreadable(why) => (format!("报文文件无法读取：{why}"), format!("the body cannot be read: {why}")),
            Self::BodyLength { receipt, found } => (
                format!("报文长度不符：凭证为 {receipt} 字节，文件为 {found} 字节"),
                format!("the body has {found} bytes, but the receipt is for {receipt}"),
            ),
            Self::BodyDigest { receipt, found } => (
                format!("报文摘要不符：凭证为 {receipt}，文件为 {found}"),
                format!("the body's SHA-256 is {found}, but the receipt is for {receipt}"),
            ),
        };
        Words::new(zh, en)
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().en)
    }
}
