//! The fake identity provider as a program: prints how to sign in there as one line of JSON, then goes on until it is
//! killed.

#![allow(clippy::print_stdout, reason = "the address is what a caller reads from it")]

use serde_json::json;
use tests::{FakeIdp, fake_idp};

fn main() {
    let idp = FakeIdp::start();
    let (client_id, client_secret) = (fake_idp::CLIENT_ID, fake_idp::CLIENT_SECRET);
    println!("{}", json!({"issuer": idp.issuer(), "client_id": client_id, "client_secret": client_secret}));
    loop {
        std::thread::park();
    }
}
