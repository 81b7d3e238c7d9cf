//! `genset drill`: rehearsing an outage. The running box carries it out; the two meet in the store.

mod report;

use std::process::ExitCode;

use gateway::drill::{DrillRefused, NoDrill, drill_begun};
use gateway::{DrillReport, Scope};
use serde_json::Value;
use store::DrillRecord;

use crate::cli::{DrillCommand, Failure, say, tell};

const LISTED: u32 = 20;

pub(crate) async fn run(command: DrillCommand) -> Result<ExitCode, Failure> {
    match command {
        DrillCommand::Start { scope, long, config } => {
            let config = super::load(&config.file)?;
            let scope = match scope {
                Some(text) => text.parse().map_err(|error: gateway::drill::BadScope| {
                    Failure::Unusable(format!("--scope {error}"))
                })?,
                None => config.gateway.drill.scope.clone(),
            };
            start(&super::open_to_change(&config).await?, &scope, long).await?;
        }
        DrillCommand::Abort(config) => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let aborted = store.work.abort_drill(&super::who()).await;
            let id = aborted.map_err(|error| Failure::Failed(error.to_string()))?;
            store.close().await;
            let id = id.ok_or_else(|| Failure::Unusable("no drill is running".into()))?;
            tell(&format!("Drill {id} ends now; the way to the cloud is given free within a second."));
        }
        DrillCommand::Status(config) => {
            let site = super::status::site(&super::load(&config.file)?).await?;
            status(&site["drill"]);
        }
        DrillCommand::List(config) => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let drills = store.work.drills(LISTED).map_err(|error| Failure::Failed(error.to_string()))?;
            drills.iter().for_each(|drill| say(&line(drill)));
        }
        DrillCommand::Report { id, config } => {
            let store = super::open_store(&super::load(&config.file)?)?;
            let found = store.work.drill(id).map_err(|error| Failure::Failed(error.to_string()))?;
            let drill = found.ok_or_else(|| Failure::Unusable(format!("drill {id}: there is none")))?;
            tell_report(&drill)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn start(store: &store::Store, scope: &Scope, long: bool) -> Result<(), Failure> {
    let failed = |error: store::StoreError| Failure::Failed(error.to_string());
    let id = store.work.ask_drill(&super::who(), &scope.to_string(), long).await.map_err(failed)?;
    let begun = drill_begun(&store.work, id).await;
    store.close().await;
    match begun {
        Ok(id) => {
            tell(&format!("Drill {id} ({scope}) has begun. It ends by itself, or by: genset drill abort"));
            say(&id.to_string());
            Ok(())
        }
        Err(DrillRefused::NotNow(why)) => {
            Err(Failure::Unusable(format!("no drill begins (scope \"{scope}\"): {why}")))
        }
        Err(error) => Err(Failure::Failed(error.to_string())),
    }
}

fn status(drill: &Value) {
    match &drill["running"] {
        Value::Null => say("no drill is running"),
        running => say(&format!(
            "drill {} ({}) is {}: {} of {} s carried",
            running["id"],
            running["scope"].as_str().unwrap_or("-"),
            running["phase"].as_str().unwrap_or("-"),
            running["carried_s"],
            running["of_s"],
        )),
    }
    let moment = |field: &str| drill[field].as_i64().map_or_else(|| "never".to_owned(), super::moment);
    let days = drill["days"].as_i64().map_or_else(String::new, |days| format!(", {days} days ago"));
    say(&format!(
        "last valid drill: {}{days} ({})",
        moment("last_passed_ms"),
        drill["urgency"].as_str().unwrap_or("-")
    ));
    say(&format!("last long drill (4 h, once in 36 months): {}", moment("last_long_ms")));
    let next = drill["next_ms"].as_i64().map_or_else(|| "none is scheduled".to_owned(), super::moment);
    say(&format!("next drill: {next}"));
}

fn line(drill: &DrillRecord) -> String {
    let DrillRecord { id, state, scope, asked_by, asked_ms, refusal, .. } = drill;
    let why = refusal.as_deref().map_or(String::new(), |word| format!("\t{}", NoDrill::of_record(word)));
    format!("{id}\t{state}\t{scope}\t{}\t{asked_by}{why}", super::moment(*asked_ms))
}

fn tell_report(drill: &DrillRecord) -> Result<(), Failure> {
    let id = drill.id;
    let Some(text) = &drill.report else {
        return Err(Failure::Unusable(format!("drill {id} has no report: it is {}", drill.state)));
    };
    let report = DrillReport::read(text)
        .map_err(|error| Failure::Failed(format!("the report of drill {id} cannot be read ({error})")))?;
    report::lines(id, &report).iter().for_each(|line| say(line));
    Ok(())
}
