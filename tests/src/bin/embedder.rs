//! Writes a model that makes vectors: `embedder minilm FOLDER FILE`, or `embedder mean|cls|last|rank FILE`.

#![allow(clippy::print_stderr, reason = "whoever runs it is told what went wrong")]

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use tests::embedder::{Tiny, convert, tiny};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (bytes, file) = match args[..] {
        ["minilm", folder, file] => (convert(Path::new(folder)), file),
        ["mean", file] => (Ok(tiny(Tiny::Mean)), file),
        ["cls", file] => (Ok(tiny(Tiny::Cls)), file),
        ["last", file] => (Ok(tiny(Tiny::Last)), file),
        ["rank", file] => (Ok(tiny(Tiny::Rank)), file),
        _ => {
            eprintln!("embedder minilm FOLDER FILE | embedder mean|cls|last|rank FILE");
            return ExitCode::from(2);
        }
    };
    match bytes.and_then(|bytes| fs::write(file, bytes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}
