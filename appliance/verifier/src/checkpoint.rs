//! A checkpoint: the box's signature over the head of the chain, and so over every row before it.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use crate::chain::Hash;
use crate::{Hex, PublicKey};

/// A checkpoint follows after so many rows at the latest.
pub const CHECKPOINT_ROWS: u64 = 1000;

/// Whoever holds the private key.
pub trait Signing {
    fn public(&self) -> PublicKey;
    fn sign(&self, statement: &[u8]) -> Hex<64>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// 1, 2, 3 and so on.
    #[serde(rename = "checkpoint")]
    pub number: u64,
    /// The number of the last row that it covers.
    pub rows: u64,
    /// The hash of that row.
    pub head: Hex<32>,
    /// Unix milliseconds.
    pub at_ms: i64,
    pub key: PublicKey,
    pub signature: Hex<64>,
}

impl Checkpoint {
    pub fn sign(number: u64, rows: u64, head: Hash, at_ms: i64, signing: &impl Signing) -> Checkpoint {
        let (head, key) = (Hex(head), signing.public());
        let signature = signing.sign(&statement(number, rows, &head, at_ms));
        Checkpoint { number, rows, head, at_ms, key, signature }
    }

    /// Whether the signature is that of the key that stands beside it.
    pub fn is_signed(&self) -> bool {
        let statement = statement(self.number, self.rows, &self.head, self.at_ms);
        is_signed(&statement, &self.key, &self.signature)
    }

    /// One line, as it stands in an export, in an anchor file and in a syslog message.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("it has text keys only, so it is always JSON")
    }
}

/// What is signed: a name that no other signature of the box begins with, then each value on a line of its own.
fn statement(number: u64, rows: u64, head: &Hex<32>, at_ms: i64) -> Vec<u8> {
    format!("genset audit checkpoint 1\n{number}\n{rows}\n{head}\n{at_ms}\n").into_bytes()
}

pub(crate) fn is_signed(statement: &[u8], key: &PublicKey, signature: &Hex<64>) -> bool {
    UnparsedPublicKey::new(&ED25519, &key.0).verify(statement, &signature.0).is_ok()
}
