//! What a certificate says, in the words with which configuration and logs name it.
//!
//! Subjects are written as RFC 4514 text: the last attribute first, `CN=客户端,O=Bank`. Attribute types
//! outside its table are dotted numbers, values that are no text are `#` and the hexadecimal DER.

use super::files::NOT_X509;
use crate::domain::Digest;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, SubjectPublicKeyInfo, X509Name};

/// The parts of a certificate by which it is recognised, warned of and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The subject as RFC 4514 text.
    pub subject: String,
    /// DNS names (lower case), e-mail addresses, URIs and IP addresses, in the certificate's order.
    pub alternative_names: Vec<String>,
    /// The serial number in lower-case hexadecimal, two digits a byte, without leading zero bytes.
    pub serial: String,
    /// SHA-256 of the whole certificate.
    pub sha256: Digest,
    /// SHA-256 of the SubjectPublicKeyInfo.
    pub key_sha256: Digest,
    /// Beginning of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
}

impl Summary {
    /// Reads a certificate. Nothing is verified here.
    ///
    /// # Errors
    /// Why the bytes are no X.509 certificate.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| NOT_X509)?;
        let names = parsed.subject_alternative_name().map_err(|_| "its alternative names cannot be read; have it issued again")?;
        Ok(Self {
            subject: distinguished_name(parsed.subject()),
            alternative_names: names.map(|n| n.value.general_names.iter().filter_map(alternative_name).collect()).unwrap_or_default(),
            serial: serial_text(parsed.raw_serial()),
            sha256: Digest::of(certificate),
            key_sha256: Digest::of(parsed.public_key().raw),
            not_before: timestamp(parsed.validity().not_before),
            not_after: timestamp(parsed.validity().not_after),
        })
    }
}

/// A distinguished name as RFC 4514 text.
pub fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name.iter().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

/// The text of an attribute's value, where it is one of the string types.
pub fn attribute_text(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString | Tag::VisibleString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        Tag::T61String => Some(value.data.iter().map(|&b| char::from(b)).collect()),
        Tag::BmpString => {
            let units: Vec<u16> = value.data.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

/// A serial number as it is written: lower-case hexadecimal without leading zero bytes.
pub fn serial_text(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().skip_while(|b| **b == 0).map(|b| format!("{b:02x}")).collect();
    if digits.is_empty() { "00".to_owned() } else { digits }
}

/// An ASN.1 time. Seconds outside what a timestamp can hold become its nearest end.
pub fn timestamp(time: x509_parser::time::ASN1Time) -> Timestamp {
    let second = time.timestamp();
    Timestamp::from_second(second).unwrap_or(if second < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// An alternative name as text; kinds that no configuration can name are left out.
pub fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) => Some(text.to_ascii_lowercase()),
        GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some((*text).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => <[u8; 4]>::try_from(*octets).ok().map(|o| Ipv4Addr::from(o).to_string()),
            16 => <[u8; 16]>::try_from(*octets).ok().map(|o| Ipv6Addr::from(o).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// Whether a signature over a message is one by this key, in any algorithm that is strong enough for
/// certificates. Proof of possession, and whose list a list is; chains are checked elsewhere.
pub fn signed_by(key: &SubjectPublicKeyInfo<'_>, message: &[u8], signature: &[u8]) -> bool {
    let key = key.subject_public_key.as_ref();
    webpki::ALL_VERIFICATION_ALGS.iter().any(|algorithm| algorithm.verify_signature(key, message, signature).is_ok())
}

/// The descriptors of RFC 4514 section 3, and those registered beside them that are in common use.
const ATTRIBUTE_TYPES: [(&str, &str); 14] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.12", "title"),
    ("2.5.4.97", "organizationIdentifier"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    match ATTRIBUTE_TYPES.iter().find(|(number, _)| *number == oid) {
        Some((_, descriptor)) => match attribute_text(attribute.attr_value()) {
            Some(text) => format!("{descriptor}={}", escaped(&text)),
            None => format!("{descriptor}={}", hexadecimal(attribute.attr_value())),
        },
        None => format!("{oid}={}", hexadecimal(attribute.attr_value())),
    }
}

fn hexadecimal(value: &Any<'_>) -> String {
    let der = value.to_der_vec().unwrap_or_else(|_| value.data.to_vec());
    std::iter::once("#".to_owned()).chain(der.iter().map(|b| format!("{b:02x}"))).collect()
}

fn escaped(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', c]),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_as_rfc_4514_section_4_shows() {
        let cases = [
            ("James \"Jim\" Smith, III", "James \\\"Jim\\\" Smith\\, III"),
            ("Before\rAfter", "Before\\0dAfter"),
            ("Lučić", "Lučić"),
            (" both ends ", "\\ both ends\\ "),
            ("#1", "\\#1"),
            ("a#b", "a#b"),
            ("国家税务总局", "国家税务总局"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }

    #[test]
    fn serial_numbers_lose_leading_zero_bytes() {
        for (bytes, expected) in [(&[0, 0x8f, 1][..], "8f01"), (&[0][..], "00"), (&[][..], "00"), (&[0x0a][..], "0a")] {
            assert_eq!(serial_text(bytes), expected);
        }
    }
}
