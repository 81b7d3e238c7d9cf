//! How long steps took on this machine when a model was first loaded: told to control, and given to the next worker of the
//! same model, which then has no need to measure while answers wait for it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What was measured. As text: `1=33125,4=40250/64=200000/4`, times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// Steps that wrote a token for each of so many answers, by rising number; at least one.
    pub(super) writing: Vec<(u32, Duration)>,
    /// A step that read so many tokens of a prompt.
    pub(super) reading: (u32, Duration),
    /// Rows that are computed together: 1 where none are.
    pub(super) block: u32,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = |(rows, took): &(u32, Duration)| format!("{rows}={}", took.as_micros());
        let writing: Vec<String> = self.writing.iter().map(step).collect();
        write!(f, "{}/{}/{}", writing.join(","), step(&self.reading), self.block)
    }
}

impl FromStr for Measured {
    type Err = ();

    fn from_str(text: &str) -> Result<Measured, ()> {
        let step = |text: &str| {
            let (rows, took) = text.split_once('=').ok_or(())?;
            let (rows, took) = (rows.parse().map_err(drop)?, took.parse().map_err(drop)?);
            Ok((rows, Duration::from_micros(took)))
        };
        let [writing, reading, block] = text.split('/').collect::<Vec<_>>()[..] else { return Err(()) };
        Ok(Measured {
            writing: writing.split(',').map(step).collect::<Result<_, _>>()?,
            reading: step(reading)?,
            block: block.parse().ok().filter(|block| *block > 0).ok_or(())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_measured_is_read_as_it_was_written() {
        let micros = Duration::from_micros;
        let measured = Measured {
            writing: vec![(1, micros(33_125)), (16, micros(85_000))],
            reading: (64, micros(200_000)),
            block: 4,
        };
        assert_eq!(measured.to_string().parse(), Ok(measured));
        for wrong in
            ["", "1=2/3=4", "/3=4/1", "1=2/3/1", "1=2/3=4/0", "1=2/3=4/x", "1=2/3=4/1/1", "-1=2/3=4/1"]
        {
            assert_eq!(wrong.parse::<Measured>(), Err(()), "{wrong}");
        }
    }
}
