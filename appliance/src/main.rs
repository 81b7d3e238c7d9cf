//! genset
fn main() {}
