//! What the scoreboard was asked to do.

/// How the client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The answer whole or not at all: not streamed, or with `x-genset-mode: committed`.
    Committed,
    /// The answer as it comes.
    Stream,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::Committed => "committed",
            Mode::Stream => "stream",
        }
    }
}

/// The command line.
#[derive(Debug, Clone)]
pub struct Options {
    pub seeds: Vec<u64>,
    pub modes: Vec<Mode>,
    /// Scenarios by name; all where it is empty.
    pub only: Vec<String>,
    pub short: bool,
    /// Which of the three parts.
    pub public: bool,
    pub offline: bool,
    pub verdicts: bool,
    /// The drill, which takes three quarters of an hour; only when it is asked for.
    pub drill: bool,
    /// Boxes that run side by side.
    pub side_by_side: usize,
    /// Labs that run side by side.
    pub labs: usize,
}

/// How the command line is written.
pub const USAGE: &str = "\
usage: tests/scoreboard [--public] [--offline] [--verdicts] [--short] [--seeds N | --seed K] [--only S08,S09]
                        [--mode committed|stream] [--side-by-side N] [--labs N] [--drill]
  --public, --offline, --verdicts
                    the public faults, the losses in a lab, the verdict table: these alone; all where none is given
  --drill           one drill as shipped, by its schedule, with a real cut: 45 minutes; with --short 7
  --short           two seeds of each public fault, and each verdict once
  --seeds N         seeds 1 to N of each public fault, 20 by default
  --seed K          this seed alone: a failure is repeated by its scenario, its mode and its seed
  --only NAMES      these scenarios alone, by a part of their names
  --mode MODE       this mode alone
  --side-by-side N  so many boxes at once, 12 by default
  --labs N          so many labs at once, 4 by default
";

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            seeds: Vec::new(),
            modes: Vec::new(),
            only: Vec::new(),
            short: false,
            public: false,
            offline: false,
            verdicts: false,
            drill: false,
            side_by_side: 12,
            labs: 4,
        };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.short = true,
                "--public" => options.public = true,
                "--offline" => options.offline = true,
                "--verdicts" => options.verdicts = true,
                "--drill" => options.drill = true,
                "--seeds" => options.seeds = (1..=number(&value()?)?).collect(),
                "--seed" => options.seeds = vec![number(&value()?)?],
                "--only" => options.only = value()?.split(',').map(str::to_uppercase).collect(),
                "--mode" => options.modes = vec![mode(&value()?)?],
                "--labs" => options.labs = number(&value()?)?.max(1) as usize,
                "--side-by-side" => options.side_by_side = number(&value()?)?.max(1) as usize,
                _ => return Err(format!("{argument} is not known")),
            }
        }
        if !(options.public || options.offline || options.verdicts || options.drill) {
            (options.public, options.offline, options.verdicts) = (true, true, options.only.is_empty());
        }
        if options.seeds.is_empty() {
            options.seeds = (1..=if options.short { 2 } else { 20 }).collect();
        }
        if options.modes.is_empty() {
            options.modes = vec![Mode::Committed, Mode::Stream];
        }
        Ok(options)
    }

    /// Whether a scenario of this name is wanted.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| name.to_uppercase().contains(wanted.as_str()))
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "committed" => Ok(Mode::Committed),
        "stream" => Ok(Mode::Stream),
        _ => Err(format!("{text} is no mode: committed or stream")),
    }
}
