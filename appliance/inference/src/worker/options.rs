//! The worker's command line: written by the keeper, read by the worker.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use super::measured::Measured;
use crate::kind::{Kind, Pooling};
use crate::plan::CacheKind;
use crate::spec::ModelSpec;

/// What a worker process is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerOptions {
    pub model: PathBuf,
    pub kind: Kind,
    /// How a model that makes vectors makes them; `None` is as its file says.
    pub pooling: Option<Pooling>,
    /// Cells of the context, shared by all sequences.
    pub context: u32,
    pub sequences: u32,
    /// Sequences that only the clinical lane may have.
    pub clinical_reserve: u32,
    pub threads: Option<u32>,
    /// The index of one device in [`devices`](super::devices).
    pub device: Option<u32>,
    /// On no GPU, whatever there is.
    pub on_cpu: bool,
    /// Layers that go to the GPU; `None` wants all there.
    pub gpu_layers: Option<u32>,
    pub cache: CacheKind,
    /// What the file's SHA-256 must be, in 64 hexadecimal digits.
    pub sha256: Option<String>,
    /// What an earlier worker of the same model has measured.
    pub(crate) measured: Option<Measured>,
    /// Bytes of this machine's memory that look free, and hold the mapped weights of other models.
    pub mapped_bytes: u64,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionsError {
    #[error("`{0}` is no argument of a worker")]
    Unknown(String),
    #[error("`{0}` needs a value")]
    NoValue(String),
    #[error("`{0}` needs a whole number")]
    NoNumber(String),
    #[error("`--cache` is \"f16\" or \"q8_0\"")]
    NoCache,
    #[error("`--kind` is \"chat\", \"embedding\" or \"rerank\"")]
    NoKind,
    #[error("`--pooling` is \"mean\", \"cls\", \"last\" or \"rank\"")]
    NoPooling,
    #[error("`--measured` is no measurement of a worker")]
    NoMeasurement,
    #[error("`{0}` is missing")]
    Missing(&'static str),
}

impl WorkerOptions {
    /// Reads `--model FILE --context N --sequences N [--clinical-reserve N] [--threads N] [--device N]
    /// [--on-cpu] [--gpu-layers N] [--cache q8_0] [--sha256 HEX] [--kind embedding] [--pooling mean]
    /// [--measured 1=33125,4=40250/64=200000/4] [--mapped BYTES]`.
    ///
    /// # Errors
    /// The argument that is unknown, missing or no number.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<WorkerOptions, OptionsError> {
        let (mut model, mut context, mut sequences, mut threads, mut device) = (None, None, None, None, None);
        let (mut clinical_reserve, mut cache, mut sha256, mut measured) = (0, CacheKind::F16, None, None);
        let (mut kind, mut pooling, mut gpu_layers) = (Kind::Chat, None, None);
        let (mut on_cpu, mut mapped_bytes) = (false, 0);
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let name = name.to_string_lossy().into_owned();
            let mut value = || args.next().ok_or(OptionsError::NoValue(name.clone()));
            match name.as_str() {
                "--model" => model = Some(PathBuf::from(value()?)),
                "--context" => context = Some(number(&name, &value()?)?),
                "--sequences" => sequences = Some(number(&name, &value()?)?),
                "--clinical-reserve" => clinical_reserve = number(&name, &value()?)?,
                "--threads" => threads = Some(number(&name, &value()?)?),
                "--device" => device = Some(number(&name, &value()?)?),
                "--on-cpu" => on_cpu = true,
                "--gpu-layers" => gpu_layers = Some(number(&name, &value()?)?),
                "--mapped" => mapped_bytes = number(&name, &value()?)?,
                "--cache" => {
                    cache = value()?.to_str().and_then(CacheKind::named).ok_or(OptionsError::NoCache)?;
                }
                "--kind" => kind = value()?.to_str().and_then(Kind::named).ok_or(OptionsError::NoKind)?,
                "--pooling" => {
                    let named = value()?.to_str().and_then(Pooling::named);
                    pooling = Some(named.ok_or(OptionsError::NoPooling)?);
                }
                "--sha256" => sha256 = Some(value()?.to_string_lossy().into_owned()),
                "--measured" => {
                    let read = value()?.to_str().and_then(|text| text.parse().ok());
                    measured = Some(read.ok_or(OptionsError::NoMeasurement)?);
                }
                _ => return Err(OptionsError::Unknown(name)),
            }
        }
        Ok(WorkerOptions {
            model: model.ok_or(OptionsError::Missing("--model"))?,
            kind,
            pooling,
            context: context.ok_or(OptionsError::Missing("--context"))?,
            sequences: sequences.ok_or(OptionsError::Missing("--sequences"))?,
            clinical_reserve,
            threads,
            device,
            on_cpu,
            gpu_layers,
            cache,
            sha256,
            measured,
            mapped_bytes,
        })
    }

    #[cfg_attr(feature = "simulation", expect(dead_code, reason = "a simulated worker has no command line"))]
    pub(crate) fn to_args(&self) -> Vec<OsString> {
        let mut args = vec!["--model".into(), self.model.clone().into_os_string()];
        let numbers = [
            ("--context", Some(self.context)),
            ("--sequences", Some(self.sequences)),
            ("--clinical-reserve", Some(self.clinical_reserve)),
            ("--threads", self.threads),
            ("--device", self.device),
            ("--gpu-layers", self.gpu_layers),
        ];
        for (name, value) in numbers {
            if let Some(value) = value {
                args.push(name.into());
                args.push(value.to_string().into());
            }
        }
        args.extend(["--cache".into(), self.cache.name().into(), "--kind".into(), self.kind.name().into()]);
        if let Some(pooling) = self.pooling {
            args.extend(["--pooling".into(), pooling.name().into()]);
        }
        args.extend(self.on_cpu.then(|| "--on-cpu".into()));
        if let Some(sha256) = &self.sha256 {
            args.extend(["--sha256".into(), sha256.into()]);
        }
        if let Some(measured) = &self.measured {
            args.extend(["--measured".into(), measured.to_string().into()]);
        }
        args.extend(["--mapped".into(), self.mapped_bytes.to_string().into()]);
        args
    }
}

impl From<&ModelSpec> for WorkerOptions {
    fn from(spec: &ModelSpec) -> WorkerOptions {
        WorkerOptions {
            model: spec.file.clone(),
            kind: spec.kind,
            pooling: spec.pooling,
            context: spec.context_cells,
            sequences: spec.sequences,
            clinical_reserve: spec.reserve(),
            threads: spec.threads,
            device: spec.device,
            on_cpu: spec.on_cpu,
            gpu_layers: spec.gpu_layers,
            cache: spec.cache,
            sha256: spec.sha256.clone(),
            measured: None,
            mapped_bytes: 0,
        }
    }
}

fn number<N: FromStr>(name: &str, value: &OsStr) -> Result<N, OptionsError> {
    value.to_str().and_then(|value| value.parse().ok()).ok_or_else(|| OptionsError::NoNumber(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_keeper_writes_the_worker_reads() {
        let options = WorkerOptions {
            model: "/models/a b.gguf".into(),
            kind: Kind::Embedding,
            pooling: Some(Pooling::Cls),
            context: 4096,
            sequences: 8,
            clinical_reserve: 2,
            threads: Some(2),
            device: None,
            on_cpu: true,
            gpu_layers: Some(20),
            cache: CacheKind::Q8_0,
            sha256: Some("ab".repeat(32)),
            measured: "1=33125,4=40250/64=200000/4".parse().ok(),
            mapped_bytes: 5_000_000_000,
        };
        assert_eq!(WorkerOptions::from_args(options.to_args()), Ok(options));
    }

    #[test]
    fn a_wrong_argument_is_named() {
        let read = |args: &[&str]| WorkerOptions::from_args(args.iter().map(OsString::from));
        assert_eq!(read(&["--modle"]), Err(OptionsError::Unknown("--modle".into())));
        assert_eq!(read(&["--context", "many"]), Err(OptionsError::NoNumber("--context".into())));
        assert_eq!(read(&["--model", "a"]), Err(OptionsError::Missing("--context")));
    }
}
