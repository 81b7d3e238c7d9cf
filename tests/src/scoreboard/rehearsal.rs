//! One drill as the product ships it: by its schedule, after ten quiet minutes, half an hour long, with a real cut.
#![allow(clippy::print_stdout, reason = "the scoreboard is what its caller reads")]

use std::time::{Duration, Instant};

use jiff::{ToSpan, Zoned};

use super::faults::question;
use super::traffic;
use super::{Mode, Options};
use crate::lab::{Lab, Site};
use crate::{Dice, TestAppliance};

/// Ten minutes during which the standby must not be warmed; one more is added, since a schedule knows whole minutes.
const QUIET_MINUTES: i64 = 10;
/// The short form has no quiet time.
const SHORT: &str = "minutes = 5\nquiet_minutes = 0\n";
/// A ward asks now and then.
const APART: Duration = Duration::from_secs(20);
const OVER_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Lives through it with a client at a desk, prints the report, and says whether it was passed.
pub(super) async fn drill(options: &Options) -> bool {
    if let Some(missing) = Lab::missing() {
        println!("\nDrill as shipped: not run: {missing}");
        return true;
    }
    let lab = Lab::build();
    let known = question(&mut Dice::new(options.seeds[0]));
    let (alpha, beta) = (lab.cloud(Site::Alpha), lab.cloud(Site::Beta));
    [&alpha, &beta].iter().for_each(|cloud| cloud.say(&known.answer));
    let cutter = lab.cutter();
    let (quiet_minutes, extra) = if options.short { (1, SHORT) } else { (QUIET_MINUTES, "") };
    let schedule = schedule(&Zoned::now(), quiet_minutes);
    let form = if options.short { "of five minutes" } else { "as shipped" };
    println!("\nDrill {form}, in network namespaces; schedule = \"{schedule}\"");
    let builder = lab.appliance_with(&cutter).extra(&format!("schedule = \"{schedule}\"\n{extra}"));
    let mut appliance = builder.upstream("alpha", &alpha).upstream("beta", &beta).as_shipped().start().await;
    let desk = lab.at_desk(&appliance);
    let (started, mut samples) = (Instant::now(), Vec::new());
    while started.elapsed() < OVER_WITHIN && report(&appliance).is_none() {
        let mode = if samples.len() % 2 == 0 { Mode::Stream } else { Mode::Committed };
        samples.push(traffic::one(&desk, "assistant", &known, mode).await);
        tokio::time::sleep(APART).await;
    }
    let report = report(&appliance).unwrap_or_else(|| format!("no drill began:\n{}", appliance.log()));
    let wrong = samples.iter().filter(|sample| !sample.is_right()).count();
    println!("{report}\nthe desk asked {} times: {wrong} answers were not whole and right", samples.len());
    appliance.stop().await;
    wrong == 0 && report.contains(": PASSED")
}

/// The report of the first drill, once there is one.
fn report(appliance: &TestAppliance) -> Option<String> {
    let output = appliance.cli(&["drill", "report", "1"]);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The minute of this month at which the quiet time is over.
fn schedule(now: &Zoned, quiet_minutes: i64) -> String {
    let at = now.checked_add((quiet_minutes + 1).minutes()).expect("a time of our days");
    let nth = ["first", "second", "third", "fourth", "last"][usize::from(at.day().unsigned_abs() - 1) / 7];
    at.strftime(&format!("{nth} %A %H:%M")).to_string().to_lowercase()
}
