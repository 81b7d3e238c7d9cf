//! The audit log as others can check it: what is hashed, what is signed, what is written down elsewhere.
//!
//! The store uses this to write and `genset-verify` to check, so that both mean the same bytes. Nothing here
//! reads a clock or opens a file; the program beside it does.
//!
//! An export is one JSON object on each line, in this order:
//!
//! | line | says |
//! | --- | --- |
//! | `{"genset_audit_export":1,…}` | the box's name and public key, and when the export was made |
//! | `{"seq":…,"at_ms":…,"kind":…,"body":…,"hash":…}` | a row; `body` is hashed as the very bytes that stand here |
//! | `{"checkpoint":…,"rows":…,"head":…,"at_ms":…,"key":…,"signature":…}` | a signature over all rows above it |
//! | `{"end":…}` | a signature over the whole export, so that a cut one is no export |
//!
//! The certificate of a wiped box has two lines of its own (`certificate.rs`), and belongs to such an export.

mod anchor;
mod certificate;
mod chain;
mod checker;
mod checkpoint;
mod code;
mod export;
mod hex;
mod line;

pub use anchor::{Anchor, AnchorError, anchors};
pub use certificate::{Certificate, CertificateError, Wiping};
pub use chain::{GENESIS, Hash, Link};
pub use checker::{Broken, Checker, Trust, Verified};
pub use checkpoint::{CHECKPOINT_ROWS, Checkpoint, Signing};
pub use code::{Code, CodeError};
pub use export::{CheckError, Checked, check_export};
pub use hex::Hex;
pub use line::{End, Header, RowLine};

/// An Ed25519 public key.
pub type PublicKey = Hex<32>;
