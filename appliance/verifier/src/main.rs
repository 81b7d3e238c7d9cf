//! `genset-verify`: checks an export of the audit log on a machine that has nothing to do with the box.

use std::fs::File;
use std::io::{BufReader, Read, Write, stderr, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use verifier::{Anchor, Certificate, CheckError, Checked, Code, PublicKey, Trust, anchors, check_export};

/// Checks an export of a Genset audit log: every row, every signature, and what was written down elsewhere.
#[derive(Debug, Parser)]
#[command(
    name = "genset-verify",
    version,
    about,
    after_help = "Exit codes: 0 the log is whole; 1 it is broken, and the first row that is wrong is named; 2 an \
                  argument or a file is unusable."
)]
struct Arguments {
    /// What `genset audit export` wrote; - is the standard input
    export: PathBuf,
    /// The box's public key, as `genset audit key` shows it, or a file that holds it; may be given again for an older
    /// key of the same box
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Checkpoints that were written down elsewhere: an anchor file or a syslog; may be given again
    #[arg(long = "anchor", value_name = "FILE")]
    anchors: Vec<PathBuf>,
    /// A code from paper, as `genset audit anchor` printed it; may be given again
    #[arg(long = "code", value_name = "CODE")]
    codes: Vec<String>,
    /// The certificate of a wiped box, which must belong to the export
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refused) => {
            let _ = refused.print();
            return ExitCode::from(u8::from(refused.use_stderr()) * 2);
        }
    };
    match check(&arguments) {
        Ok((checked, certificate)) => {
            let _ = writeln!(stdout(), "{}", verdict(&checked, &arguments));
            if let Some(certificate) = certificate {
                let _ = writeln!(stdout(), "{}", wiped(&certificate));
            }
            ExitCode::SUCCESS
        }
        Err((code, why)) => {
            let _ = writeln!(stderr(), "genset-verify: {why}");
            ExitCode::from(code)
        }
    }
}

fn check(arguments: &Arguments) -> Result<(Checked, Option<Certificate>), (u8, String)> {
    let trust = trust(arguments).map_err(|why| (2, why))?;
    let unusable = |path: &Path, why: String| (2, format!("{}: {why}", path.display()));
    let export: Box<dyn Read> = if arguments.export == Path::new("-") {
        Box::new(stdin())
    } else {
        let file = File::open(&arguments.export);
        Box::new(file.map_err(|error| unusable(&arguments.export, format!("cannot be opened ({error})")))?)
    };
    let checked = check_export(BufReader::new(export), trust).map_err(|error| match error {
        CheckError::Broken(broken) => (1, broken.to_string()),
        error => unusable(&arguments.export, error.to_string()),
    })?;
    let Some(path) = &arguments.certificate else { return Ok((checked, None)) };
    let text =
        std::fs::read_to_string(path).map_err(|error| unusable(path, format!("cannot be read ({error})")))?;
    let wrong = |error| (1, format!("the certificate {}: {error}", path.display()));
    let certificate = Certificate::read(&text).map_err(wrong)?;
    certificate.fits(&checked.log, &checked.header.key).map_err(wrong)?;
    Ok((checked, Some(certificate)))
}

fn trust(arguments: &Arguments) -> Result<Trust, String> {
    let keys = arguments.keys.iter().map(|given| key(given)).collect::<Result<_, _>>()?;
    let mut known = Vec::new();
    for path in &arguments.anchors {
        let failed = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read(path).map_err(|error| failed(format!("cannot be read ({error})")))?;
        // A syslog may hold any bytes.
        known.extend(anchors(&String::from_utf8_lossy(&text)).map_err(|error| failed(error.to_string()))?);
    }
    for code in &arguments.codes {
        known.push(Anchor::Code(code.parse::<Code>().map_err(|error| format!("--code {code}: {error}"))?));
    }
    Ok(Trust { keys, anchors: known })
}

/// The key itself, or the file that holds it.
fn key(given: &str) -> Result<PublicKey, String> {
    if let Ok(key) = given.parse() {
        return Ok(key);
    }
    let text = std::fs::read_to_string(given)
        .map_err(|error| format!("--key {given}: it is no key of 64 digits, and no file either ({error})"))?;
    text.trim().parse().map_err(|why| format!("--key {given}: {why}"))
}

/// What was found, and what it does not prove.
fn verdict(checked: &Checked, arguments: &Arguments) -> String {
    let log = &checked.log;
    let mut lines = vec![format!(
        "{} rows of \"{}\", the chain is whole, {} checkpoints cover {} rows, {} anchors fit, head {}",
        log.rows,
        checked.header.site.escape_debug(),
        log.checkpoints,
        log.signed_rows,
        log.anchors,
        log.head
    )];
    if arguments.keys.is_empty() {
        lines.push(format!(
            "not proven: that it is this box's log. It is signed by {}; compare it with `genset audit key`, or give --key",
            checked.header.key
        ));
    }
    if log.anchors == 0 {
        lines.push(
            "not proven: that nobody who had the box's key made it anew or cut it. Give --anchor or --code"
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// What a certificate says that belongs to the log.
fn wiped(certificate: &Certificate) -> String {
    let wiping = &certificate.wiping;
    let left = if wiping.left.is_empty() { "nothing".to_owned() } else { wiping.left.join(", ") };
    format!(
        "the box was wiped: {} files ({} bytes) on \"{}\", by {}, from {} to {} (unix ms), because: {}; left: {}; \
         the code of the log is {}",
        wiping.files,
        wiping.bytes,
        wiping.host.escape_debug(),
        wiping.who.escape_debug(),
        wiping.began_ms,
        wiping.ended_ms,
        wiping.reason.escape_debug(),
        left.escape_debug(),
        wiping.code()
    )
}
