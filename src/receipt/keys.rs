//! The keys that sign the chain's heads, and the published set that verifies them.
//!
//! A folder holds `receipt-key.pem` (the key in use, PKCS#8, readable by its owner alone) and
//! `jwks.json` (RFC 7517: the key in use and all retired ones, each with its validity in
//! `portolan_valid_from` and, once retired, `portolan_valid_to`). Keys are ES256 (P-256); their ids
//! are thumbprints (RFC 7638).
//!
//! A rotation has two steps. [`stage`] lays the next key beside the one in use
//! (`receipt-key.next.pem`); the gateway takes it up itself, at its next start or while it runs, and
//! retires the one before at that moment. So a key's validity ends when it really signs no more: were
//! it ended from outside, a gateway that hears of it late would sign receipts that do not verify.

use super::mismatch::Mismatch;
use crate::data::make_private_folder;
use crate::domain::Digest;
use crate::journal::HeadSigner;
use crate::journal::evidence::{Head, time_text};
use crate::seams::{Clock, SharedClock};
use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `alg` of a head (RFC 7518).
const ALGORITHM: &str = "ES256";
/// `typ` of a head.
const HEAD_JWS_TYPE: &str = "portolan-head+jws";
/// How far a head's time may lie outside its key's validity: a head is dated a moment before it is
/// signed, and clocks are put right.
pub const VALIDITY_TOLERANCE_SECONDS: i64 = 60;
/// The key that waits to be taken up.
pub const NEXT_KEY_FILE: &str = "receipt-key.next.pem";

const KEY_FILE: &str = "receipt-key.pem";
const JWKS_FILE: &str = "jwks.json";

/// Why keys could not be opened or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the private key.
    #[error("{path} can be read by others than its owner: chmod 600 it, and rotate the key", path = .0.display())]
    Exposed(PathBuf),
    /// A file is not what it should be.
    #[error("{path}: {what}", path = path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// No key could be made.
    #[error("no key could be generated")]
    Generate,
}

/// One published key (RFC 7517), with its validity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `EC`.
    pub kty: String,
    /// `P-256`.
    pub crv: String,
    /// Coordinate x, base64url.
    pub x: String,
    /// Coordinate y, base64url.
    pub y: String,
    /// `sig`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<String>,
    /// `ES256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// The key's id.
    pub kid: String,
    /// Since when it signs; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portolan_valid_from: Option<String>,
    /// Until when it signed; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portolan_valid_to: Option<String>,
}

/// A set of published keys (RFC 7517, section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys, oldest first.
    pub keys: Vec<Jwk>,
}

/// A head whose signature holds.
pub struct SignedHead {
    /// What it says.
    pub head: Head,
    /// Id of the key that signed.
    pub kid: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

impl Jwks {
    /// Reads a set. Keys of other kinds are passed over, as the RFC asks.
    ///
    /// # Errors
    /// When it is no JSON object with `keys`.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Any {
            keys: Vec<serde_json::Value>,
        }
        let any: Any = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = any.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self { keys: known.filter(|key| key.kty == "EC" && key.crv == "P-256").collect() })
    }

    /// The set as it is published.
    pub fn to_text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Verifies a head's signature and that its key was valid then.
    ///
    /// # Errors
    /// The first thing that does not hold; nothing behind it can be judged.
    pub fn verify_head(&self, jws: &str) -> Result<SignedHead, Mismatch> {
        let unreadable = |why: &str| Mismatch::HeadUnreadable(why.to_owned());
        let (signed, signature) = jws.rsplit_once('.').ok_or_else(|| unreadable("not a compact JWS"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| unreadable("not a compact JWS"))?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| Mismatch::HeadUnreadable(error.to_string()));
        let key = self.signing_key(HEAD_JWS_TYPE, &decode(header)?, signed, &decode(signature)?)?;
        let head: Head = serde_json::from_slice(&decode(payload)?).map_err(|error| Mismatch::HeadUnreadable(error.to_string()))?;
        key.must_cover(&head.signed_at)?;
        Ok(SignedHead { head, kid: key.kid.clone() })
    }

    /// Verifies a detached signature (RFC 7515, appendix F) of a kind over a payload that says when it was signed.
    /// Returns the id of the key.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn verify_detached(&self, kind: &str, payload: &[u8], jws: &str, signed_at: &str) -> Result<String, Mismatch> {
        let unreadable = || Mismatch::SignatureUnreadable("not a detached JWS".to_owned());
        let (header, signature) = jws.split_once("..").ok_or_else(unreadable)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable());
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
        let key = self.signing_key(kind, &decode(header)?, &signed, &decode(signature)?)?;
        key.must_cover(signed_at)?;
        Ok(key.kid.clone())
    }

    /// The key that a JWS of a kind is signed with, its signature verified.
    fn signing_key(&self, kind: &str, header: &[u8], signed: &str, signature: &[u8]) -> Result<&Jwk, Mismatch> {
        let header: Header = serde_json::from_slice(header).map_err(|error| Mismatch::HeadUnreadable(error.to_string()))?;
        if (header.alg.as_str(), header.typ.as_str()) != (ALGORITHM, kind) {
            return Err(Mismatch::HeadUnreadable(format!("alg {}, typ {}", header.alg, header.typ)));
        }
        let kid = header.kid;
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or_else(|| Mismatch::KeyUnknown(kid.clone()))?;
        let point = key.point().ok_or_else(|| Mismatch::KeyUnknown(kid.clone()))?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), signature)
            .map_err(|_| Mismatch::Signature(kid.clone()))?;
        Ok(key)
    }
}

impl Jwk {
    fn of(pair: &EcdsaKeyPair, valid_from: &str) -> Option<Self> {
        // Uncompressed form (SEC 1, section 2.3.3): 04, x, y.
        let point = pair.public_key().as_ref();
        let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let thumbprint = Digest::of(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        Some(Self {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x,
            y,
            usage: Some("sig".to_owned()),
            alg: Some(ALGORITHM.to_owned()),
            kid: URL_SAFE_NO_PAD.encode(thumbprint.0),
            portolan_valid_from: Some(valid_from.to_owned()),
            portolan_valid_to: None,
        })
    }

    fn point(&self) -> Option<Vec<u8>> {
        let (x, y) = (URL_SAFE_NO_PAD.decode(&self.x).ok()?, URL_SAFE_NO_PAD.decode(&self.y).ok()?);
        (x.len() == 32 && y.len() == 32).then(|| [vec![4], x, y].concat())
    }

    fn must_cover(&self, signed_at: &str) -> Result<(), Mismatch> {
        let not_valid = || Mismatch::KeyNotValid { kid: self.kid.clone(), signed_at: signed_at.to_owned() };
        if self.covers(signed_at) { Ok(()) } else { Err(not_valid()) }
    }

    /// Whether the key was in use at a time. A time that cannot be read is never covered.
    fn covers(&self, signed_at: &str) -> bool {
        let Ok(signed_at) = signed_at.parse::<Timestamp>() else { return false };
        let tolerance = SignedDuration::from_secs(VALIDITY_TOLERANCE_SECONDS);
        let holds = |limit: &Option<String>, within: &dyn Fn(Timestamp) -> bool| match limit {
            None => true,
            Some(limit) => limit.parse().is_ok_and(within),
        };
        holds(&self.portolan_valid_from, &|from| from.duration_since(signed_at) <= tolerance)
            && holds(&self.portolan_valid_to, &|to| signed_at.duration_since(to) <= tolerance)
    }
}

/// The key in use, and the set that is published.
pub struct Keys {
    folder: PathBuf,
    clock: SharedClock,
    current: ArcSwap<Current>,
}

struct Current {
    pair: EcdsaKeyPair,
    kid: String,
    /// base64url of the JWS header.
    header: String,
    jwks: Jwks,
}

impl Keys {
    /// Opens the keys of a folder, or makes the first.
    ///
    /// # Errors
    /// When files cannot be read or written, are malformed, or the private key is open to others.
    pub fn open_or_create(folder: &Path, clock: SharedClock) -> Result<Self, KeysError> {
        make_private_folder(folder).map_err(|source| KeysError::Io { path: folder.to_owned(), source })?;
        adopt(folder)?;
        let path = folder.join(KEY_FILE);
        let pair = if path.exists() { read_pair(&path)? } else { create_pair(&path)? };
        let current = publish(folder, pair, clock.as_ref())?;
        Ok(Self { folder: folder.to_owned(), clock, current: ArcSwap::from_pointee(current) })
    }

    /// Retires the key in use and goes on with a new one.
    ///
    /// # Errors
    /// When files cannot be written; the key in use stays then.
    pub fn rotate(&self) -> Result<(), KeysError> {
        stage(&self.folder)?;
        self.take_up().map(drop)
    }

    /// Goes on with the key that waits, if there is one, and retires the one in use. Returns the new
    /// key's id.
    ///
    /// # Errors
    /// When the key that waits is no usable key, or files cannot be written; the key in use stays then.
    pub fn take_up(&self) -> Result<Option<String>, KeysError> {
        adopt(&self.folder)?;
        let pair = read_pair(&self.folder.join(KEY_FILE))?;
        let next = publish(&self.folder, pair, self.clock.as_ref())?;
        let kid = (next.kid != self.kid()).then(|| next.kid.clone());
        self.current.store(Arc::new(next));
        Ok(kid)
    }

    /// A detached signature (RFC 7515, appendix F) of a kind over a payload.
    pub fn sign_detached(&self, kind: &str, payload: &[u8]) -> String {
        let current = self.current.load();
        let header = header_text(&current.kid, kind);
        let signature = current.signature(&format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload)));
        format!("{header}..{signature}")
    }

    /// The published set.
    pub fn jwks(&self) -> Jwks {
        self.current.load().jwks.clone()
    }
}

/// The folder of the keys within a gateway's data folder.
pub fn keys_folder(data: &Path) -> PathBuf {
    data.join("keys")
}

/// Makes the next key of a folder and lays it where the gateway takes it up; another that waits there
/// is replaced. Returns its id.
///
/// # Errors
/// When the folder holds no key in use, or cannot be written.
pub fn stage(folder: &Path) -> Result<String, KeysError> {
    let in_use = folder.join(KEY_FILE);
    fs::metadata(&in_use).map_err(|source| KeysError::Io { path: in_use, source })?;
    let pair = create_pair(&folder.join(NEXT_KEY_FILE))?;
    Jwk::of(&pair, "").map(|jwk| jwk.kid).ok_or(KeysError::Generate)
}

/// What keeps the keys of a folder from being opened. Nothing is made or changed; a folder without a key gets its
/// first when it is opened.
pub fn inspect(folder: &Path) -> Vec<KeysError> {
    // The key that waits takes the place of the one in use.
    let path = [NEXT_KEY_FILE, KEY_FILE].map(|file| folder.join(file)).into_iter().find(|path| path.exists());
    let pair = path.map(|path| read_pair(&path)).transpose();
    match (pair, read_published(folder)) {
        (Ok(Some(pair)), Ok(published)) => with_key(folder, &pair, &published, "").err().into_iter().collect(),
        (pair, published) => pair.err().into_iter().chain(published.err()).collect(),
    }
}

/// The published set of a folder; empty before the first key.
///
/// # Errors
/// When the file cannot be read or is malformed.
pub fn read_published(folder: &Path) -> Result<Jwks, KeysError> {
    let path = folder.join(JWKS_FILE);
    match fs::read_to_string(&path) {
        Ok(text) => Jwks::parse(&text).map_err(|what| KeysError::Malformed { path, what }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Jwks::default()),
        Err(source) => Err(KeysError::Io { path, source }),
    }
}

impl HeadSigner for Keys {
    fn kid(&self) -> String {
        self.current.load().kid.clone()
    }

    fn sign(&self, payload: &[u8]) -> String {
        let current = self.current.load();
        let signed = format!("{}.{}", current.header, URL_SAFE_NO_PAD.encode(payload));
        format!("{signed}.{}", current.signature(&signed))
    }
}

impl Current {
    /// The signature of what a JWS signs, base64url.
    fn signature(&self, signed: &str) -> String {
        match self.pair.sign(&SystemRandom::new(), signed.as_bytes()) {
            Ok(signature) => URL_SAFE_NO_PAD.encode(signature),
            // The only failure is a machine without randomness or memory; nothing can be evidenced then.
            Err(_) => std::process::abort(),
        }
    }
}

/// Publishes a key as the one in use. Any other that is not retired yet is retired: by a rotation,
/// or by one that was cut short before it came to publish.
fn publish(folder: &Path, pair: EcdsaKeyPair, clock: &dyn Clock) -> Result<Current, KeysError> {
    let path = folder.join(JWKS_FILE);
    let published = read_published(folder)?;
    let (kid, jwks) = with_key(folder, &pair, &published, &time_text(clock.now()))?;
    if jwks != published {
        replace(&path, jwks.to_text().as_bytes(), 0o644)?;
    }
    let header = header_text(&kid, HEAD_JWS_TYPE);
    Ok(Current { pair, kid, header, jwks })
}

/// The published set in which this key is the one in use from `now` on, if it was not before, and the key's id.
fn with_key(folder: &Path, pair: &EcdsaKeyPair, published: &Jwks, now: &str) -> Result<(String, Jwks), KeysError> {
    let malformed = |what: String| KeysError::Malformed { path: folder.join(JWKS_FILE), what };
    let jwk = Jwk::of(pair, now).ok_or_else(|| malformed("the private key has no public point".to_owned()))?;
    let (kid, mut jwks) = (jwk.kid.clone(), published.clone());
    if let Some(retired_at) = published.keys.iter().find(|key| key.kid == kid).and_then(|key| key.portolan_valid_to.as_ref()) {
        return Err(malformed(format!("the key in {KEY_FILE} was retired at {retired_at} and must not sign again")));
    }
    jwks.keys.iter_mut().filter(|key| key.kid != kid).for_each(|key| {
        key.portolan_valid_to.get_or_insert_with(|| now.to_owned());
    });
    if !jwks.keys.iter().any(|key| key.kid == kid) {
        jwks.keys.push(jwk);
    }
    Ok((kid, jwks))
}

/// A JWS header (RFC 7515), base64url. Neither a thumbprint nor a kind needs an escape.
fn header_text(kid: &str, kind: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{ALGORITHM}","kid":"{kid}","typ":"{kind}"}}"#))
}

/// Puts the key that waits, if there is one, in the place of the one in use. A process that ends
/// before it has published it does so when it opens the folder again.
fn adopt(folder: &Path) -> Result<(), KeysError> {
    let next = folder.join(NEXT_KEY_FILE);
    if !next.exists() {
        return Ok(());
    }
    // What could not sign must not take the place of what can.
    read_pair(&next)?;
    let replaced = fs::rename(&next, folder.join(KEY_FILE)).and_then(|()| File::open(folder)?.sync_all());
    replaced.map_err(|source| KeysError::Io { path: next, source })
}

fn read_pair(path: &Path) -> Result<EcdsaKeyPair, KeysError> {
    let io_failed = |source| KeysError::Io { path: path.to_owned(), source };
    if fs::metadata(path).map_err(io_failed)?.mode() & 0o077 != 0 {
        return Err(KeysError::Exposed(path.to_owned()));
    }
    let malformed = |what: &str| KeysError::Malformed { path: path.to_owned(), what: what.to_owned() };
    let pem = fs::read(path).map_err(io_failed)?;
    let der = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| malformed("not a PKCS#8 private key in PEM"))?;
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()).map_err(|_| malformed("not a P-256 key"))
}

fn create_pair(path: &Path) -> Result<EcdsaKeyPair, KeysError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| KeysError::Generate)?;
    let der = pair.to_pkcs8v1().map_err(|_| KeysError::Generate)?;
    let encoded = STANDARD.encode(der.as_ref());
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    replace(path, pem.as_bytes(), 0o600)?;
    Ok(pair)
}

/// Replaces a file durably: either the old bytes stand under its name or all of the new ones.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), KeysError> {
    let write = || {
        let partial = path.with_extension("partial");
        let _ = fs::remove_file(&partial);
        let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|source| KeysError::Io { path: path.to_owned(), source })
}
