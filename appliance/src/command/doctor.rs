//! `genset doctor`: the box's self-test. The pilot light answers what it knows by heart, on every device.

use std::path::Path;
use std::process::ExitCode;

use inference::gpus::{idle, look};
use inference::worker::{built_for, devices};
use inference::{Confinement, ModelSpec, Placement};

use crate::cli::{Failure, say};
use crate::pilot_light;

/// Wrong answers of a device that are shown.
const SHOWN: usize = 3;

pub(crate) async fn run() -> Result<ExitCode, Failure> {
    let failed =
        |error: std::io::Error| Failure::Failed(format!("the pilot light cannot be put in place ({error})"));
    let found = devices().map_err(Failure::Unusable)?;
    let folder = std::env::temp_dir().join(format!("genset-doctor-{}", std::process::id()));
    let model = pilot_light::place(&folder).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let known = pilot_light::known_answers();
    let mut all_fine = true;
    for device in &found {
        let mut spec = ModelSpec::new("pilot-light", &model, &program);
        spec.device = Some(device.index);
        let place = format!("{} ({})", device.name, device.description);
        match inference::selftest(spec, &known).await {
            Ok(test) if test.wrong.is_empty() => {
                let speed = test.tokens as f64 / test.took.as_secs_f64().max(0.001);
                say(&format!(
                    "fine: {place}: {} of {} known answers, {speed:.0} tokens/s",
                    test.right,
                    known.len()
                ));
                if !test.confinement.is_whole() {
                    say(&unconfined(test.confinement));
                }
                if let Some(layers) = layers(&test.placement) {
                    say(&layers);
                }
            }
            Ok(test) => {
                all_fine = false;
                say(&format!("WRONG: {place}: {} of {} known answers", test.right, known.len()));
                let more = test.wrong.len().saturating_sub(SHOWN);
                for wrong in test.wrong.into_iter().take(SHOWN) {
                    let got = wrong.got.unwrap_or_else(|error| format!("({error})"));
                    say(&format!(
                        "  asked «{}»\n  expected «{}»\n  got «{got}»",
                        wrong.question, wrong.expected
                    ));
                }
                if more > 0 {
                    say(&format!("  and {more} more"));
                }
            }
            Err(reason) => {
                all_fine = false;
                say(&format!("FAILED: {place}: {reason}"));
            }
        }
    }
    for gpu in idle(&look(Path::new("/")), &found, &built_for()) {
        say(&format!("WARNING: {gpu}"));
    }
    // The copy in the temporary folder has done its work; the program has its own.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(if all_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Nothing to say of a CPU.
fn layers(placement: &Placement) -> Option<String> {
    let (on_gpu, all) = (placement.layers_on_gpu, placement.layers);
    match placement.is_short() {
        true => Some(format!("  WARNING: only {on_gpu} of {all} layers were on it, the others on the CPU")),
        false => (on_gpu > 0).then(|| format!("  {on_gpu} of {all} layers were on it")),
    }
}

/// The answers are right all the same, so this is no failure; but it must not be missed.
fn unconfined(walls: Confinement) -> String {
    let lacks = match (walls.files, walls.calls) {
        (false, false) => "open any file of its user, reach the network and start programs",
        (false, true) => "read any file of its user",
        _ => "reach the network and start programs",
    };
    format!(
        "  WARNING: this kernel does not confine a model's process: a manipulated model could {lacks}; use Linux 5.13 or newer with Landlock and seccomp"
    )
}
