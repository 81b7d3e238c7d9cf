//! The certificate of a wiped box: two lines, a statement and the signature of the box's key over its very bytes.

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Signing, is_signed};
use crate::{Code, Hex, PublicKey, Verified};

/// What was wiped. The audit log that was exported before it ends with the row that tells of the wiping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wiping {
    /// The version of the format.
    pub genset_wipe_certificate: u32,
    pub site: String,
    /// The name of the machine.
    pub host: String,
    pub who: String,
    pub reason: String,
    /// Unix milliseconds.
    pub began_ms: i64,
    pub ended_ms: i64,
    /// Files and bytes that were overwritten and removed.
    pub files: u64,
    pub bytes: u64,
    /// What was not asked for and is still there, or lies where the box cannot reach it.
    pub left: Vec<String>,
    /// The file that the log was exported to.
    pub log: String,
    /// Of that log.
    pub rows: u64,
    pub head: Hex<32>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    pub wiping: Wiping,
    pub key: PublicKey,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("this is no certificate of a wiped box; `genset wipe` writes one")]
    NoCertificate,
    #[error("the signature is wrong: the certificate was changed, or was never the box's")]
    Signature,
    #[error("it is signed by {0}, and the log by another key")]
    OtherKey(PublicKey),
    #[error("it is of another log: it tells of {0} rows, and not of this log's")]
    OtherLog(u64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    key: PublicKey,
    signature: Hex<64>,
}

impl Wiping {
    /// The head of the log as a code for paper.
    pub fn code(&self) -> Code {
        Code::of(self.rows, &self.head.0)
    }

    /// The text of the certificate, signed.
    pub fn certify(&self, signing: &impl Signing) -> String {
        let statement = serde_json::to_string(self).expect("it has text keys only, so it is always JSON");
        let seal = Seal { key: signing.public(), signature: signing.sign(&signed(&statement)) };
        let seal = serde_json::to_string(&seal).expect("it has text keys only, so it is always JSON");
        format!("{statement}\n{seal}\n")
    }
}

impl Certificate {
    /// # Errors
    /// When the text is no certificate, or not signed by the key that it names.
    pub fn read(text: &str) -> Result<Certificate, CertificateError> {
        let mut lines = text.lines();
        let (Some(statement), Some(seal), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CertificateError::NoCertificate);
        };
        let no_certificate = |_| CertificateError::NoCertificate;
        let wiping: Wiping = serde_json::from_str(statement).map_err(no_certificate)?;
        let Seal { key, signature } = serde_json::from_str(seal).map_err(no_certificate)?;
        if !is_signed(&signed(statement), &key, &signature) {
            return Err(CertificateError::Signature);
        }
        Ok(Certificate { wiping, key })
    }

    /// Whether it belongs to a log, which was checked and is signed by `log_key`.
    ///
    /// # Errors
    /// When it was signed by another key, or tells of another log.
    pub fn fits(&self, log: &Verified, log_key: &PublicKey) -> Result<(), CertificateError> {
        if self.key != *log_key {
            return Err(CertificateError::OtherKey(self.key));
        }
        if (self.wiping.rows, self.wiping.head) != (log.rows, log.head) {
            return Err(CertificateError::OtherLog(self.wiping.rows));
        }
        Ok(())
    }
}

/// What is signed: a name that no other signature of the box begins with, then the statement's own bytes.
fn signed(statement: &str) -> Vec<u8> {
    format!("genset wipe certificate 1\n{statement}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    struct Key(Ed25519KeyPair);

    impl Signing for Key {
        fn public(&self) -> PublicKey {
            Hex(self.0.public_key().as_ref().try_into().unwrap())
        }

        fn sign(&self, statement: &[u8]) -> Hex<64> {
            Hex(self.0.sign(statement).as_ref().try_into().unwrap())
        }
    }

    fn key(seed: u8) -> Key {
        Key(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    fn wiping() -> Wiping {
        Wiping {
            genset_wipe_certificate: 1,
            site: "Harbor Hospital".to_owned(),
            host: "basement".to_owned(),
            who: "kim (command line)".to_owned(),
            reason: "sold, \"as is\"\n{}".to_owned(),
            began_ms: 1,
            ended_ms: 2,
            files: 3,
            bytes: 4,
            left: vec!["/models".to_owned()],
            log: "log.jsonl".to_owned(),
            rows: 5,
            head: Hex([7; 32]),
        }
    }

    fn log(rows: u64, head: u8) -> Verified {
        Verified { rows, head: Hex([head; 32]), checkpoints: 1, signed_rows: rows, anchors: 0, key: None }
    }

    #[test]
    fn a_certificate_reads_back_and_belongs_to_its_log_alone() {
        let certificate = Certificate::read(&wiping().certify(&key(1))).unwrap();
        assert_eq!(certificate.wiping, wiping());
        let own = key(1).public();
        assert_eq!(certificate.fits(&log(5, 7), &own), Ok(()));
        assert_eq!(certificate.fits(&log(5, 8), &own), Err(CertificateError::OtherLog(5)));
        assert_eq!(certificate.fits(&log(6, 7), &own), Err(CertificateError::OtherLog(5)));
        assert_eq!(certificate.fits(&log(5, 7), &key(2).public()), Err(CertificateError::OtherKey(own)));
    }

    #[test]
    fn no_byte_of_it_can_be_changed_unseen() {
        let text = wiping().certify(&key(1));
        for (at, _) in text.char_indices().filter(|(_, letter)| letter.is_ascii_alphanumeric()) {
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(Certificate::read(&changed).is_err(), "{changed}");
        }
        for wrong in ["", "{}\n{}\n", &format!("{text}x\n"), text.lines().next().unwrap()] {
            assert_eq!(Certificate::read(wrong), Err(CertificateError::NoCertificate), "{wrong}");
        }
    }
}
