//! The fake cloud as a program: prints its addresses as one line of JSON, then obeys its control door.

#![allow(clippy::print_stdout, reason = "the addresses are what a caller reads from it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot set up its world ends there")]

use serde_json::json;
use tests::{FakeCloud, fake_cloud};

fn main() {
    let cloud = FakeCloud::start();
    let control = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = control.local_addr().unwrap();
    println!(
        "{}",
        json!({
            "base_url": cloud.base_url(), "control": format!("http://{address}"),
            "key": fake_cloud::KEY, "model": fake_cloud::MODEL,
        })
    );
    cloud.serve_control(control);
}
