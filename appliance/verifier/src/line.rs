//! The lines of an export.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::checkpoint::{Signing, is_signed};
use crate::{Hex, PublicKey};

pub(crate) const HEADER: &str = "{\"genset_audit_export\":1,";
pub(crate) const ROW: &str = "{\"seq\":";
pub(crate) const CHECKPOINT: &str = "{\"checkpoint\":";
pub(crate) const END: &str = "{\"end\":";

/// The first line. It is covered by the signature at the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub genset_audit_export: u32,
    pub site: String,
    /// Unix milliseconds.
    pub made_ms: i64,
    pub key: PublicKey,
}

/// A row of the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowLine {
    pub seq: i64,
    pub at_ms: i64,
    pub kind: String,
    body: Box<RawValue>,
    pub hash: Hex<32>,
}

impl RowLine {
    pub fn new(seq: i64, at_ms: i64, kind: String, body: &str, hash: Hex<32>) -> RowLine {
        RowLine { seq, at_ms, kind, body: Body::of(body), hash }
    }

    /// The bytes that are hashed; `None` for a body that the box never writes.
    pub fn body(&self) -> Option<String> {
        let raw = self.body.get();
        if raw.starts_with('{') { Some(raw.to_owned()) } else { serde_json::from_str(raw).ok() }
    }
}

struct Body;

impl Body {
    /// A body as the box writes it stands in the line as it is. Any other text stands there as a string, so that
    /// what somebody made of a row can be exported and shown.
    fn of(body: &str) -> Box<RawValue> {
        let is_plain = body.starts_with('{') && body.ends_with('}') && !body.contains(['\n', '\r']);
        let raw = is_plain.then(|| RawValue::from_string(body.to_owned()).ok()).flatten();
        raw.unwrap_or_else(|| {
            let text = serde_json::to_string(body).expect("a text is always JSON");
            RawValue::from_string(text).expect("it was just made")
        })
    }
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The number of the last row.
    #[serde(rename = "end")]
    pub rows: u64,
    pub head: Hex<32>,
    pub checkpoints: u64,
    pub key: PublicKey,
    pub signature: Hex<64>,
}

impl End {
    /// `header` is the first line without its line break.
    pub fn sign(header: &str, rows: u64, head: Hex<32>, checkpoints: u64, signing: &impl Signing) -> End {
        let signature = signing.sign(&statement(header, rows, &head, checkpoints));
        End { rows, head, checkpoints, key: signing.public(), signature }
    }

    pub(crate) fn is_signed(&self, header: &str) -> bool {
        let statement = statement(header, self.rows, &self.head, self.checkpoints);
        is_signed(&statement, &self.key, &self.signature)
    }
}

fn statement(header: &str, rows: u64, head: &Hex<32>, checkpoints: u64) -> Vec<u8> {
    let header = Hex::<32>(Sha256::digest(header).into());
    format!("genset audit export 1\n{header}\n{rows}\n{head}\n{checkpoints}\n").into_bytes()
}
