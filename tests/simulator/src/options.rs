//! The command line.

use crate::sabotage::Sabotage;

pub(crate) const USAGE: &str = "\
Usage: tests/simulation [--seeds COUNT] [--from SEED]   lives so many seeds, each in a process of its own
       tests/simulation --seed SEED [--trace]           lives one seed, and prints what happened in it
       tests/simulation --prove                         shows that each check notices its lie, and that a
                                                        seed gives the same trace twice";

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) sabotage: Option<Sabotage>,
}

#[derive(Debug)]
pub(crate) enum Command {
    One { seed: u64, trace: bool },
    Many { from: u64, count: u64 },
    Prove,
}

impl Options {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let (mut seed, mut trace, mut from, mut count) = (None, false, 1, 1000);
        let (mut prove, mut sabotage) = (false, None);
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let given = arguments.next().ok_or(format!("{argument} needs a number"))?;
                given.parse::<u64>().map_err(|_| format!("{argument} {given}: this is no number"))
            };
            match argument.as_str() {
                "--seed" => seed = Some(number()?),
                "--seeds" => count = number()?,
                "--from" => from = number()?,
                "--trace" => trace = true,
                "--prove" => prove = true,
                "--sabotage" => {
                    let name = arguments.next().unwrap_or_default();
                    sabotage =
                        Some(Sabotage::named(&name).ok_or(format!("{name}: there is no such sabotage"))?);
                }
                other => return Err(format!("{other}: there is no such option")),
            }
        }
        let command = match seed {
            Some(seed) => Command::One { seed, trace },
            None if prove => Command::Prove,
            None => Command::Many { from, count },
        };
        Ok(Options { command, sabotage })
    }
}
