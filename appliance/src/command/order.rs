//! `genset order`: a person's overrides, written into the store, which a running box follows within a second.

use std::process::ExitCode;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use store::{NewOrder, OrderError, OrderKind, OrderRecord};

use crate::cli::{Failure, OrderArgs, OrderCommand, say, tell};
use crate::config::Config;

const LISTED: u32 = 20;

pub(crate) async fn run(command: OrderCommand) -> Result<ExitCode, Failure> {
    match command {
        OrderCommand::List(config) => list(&super::load(&config.file)?)?,
        OrderCommand::ForceLocal(args) => give(OrderKind::ForceLocal, args).await?,
        OrderCommand::ForceCloud(args) => give(OrderKind::ForceCloud, args).await?,
        OrderCommand::Isolate { upstream, args } => give(OrderKind::Isolate(upstream), args).await?,
        OrderCommand::Load { model, args } => give(OrderKind::Load(model), args).await?,
        OrderCommand::Unload { model, args } => give(OrderKind::Unload(model), args).await?,
        OrderCommand::Lift { id, config } => {
            let store = super::open_to_change(&super::load(&config.file)?).await?;
            let lifted = store.lift_order(id, &super::who()).await;
            let order = lifted.map_err(|error| refused(&format!("order {id}"), &error))?;
            store.close().await;
            tell(&format!("Order {id} ({}) is lifted.", order.kind));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn give(kind: OrderKind, args: OrderArgs) -> Result<(), Failure> {
    let config = super::load(&args.config.file)?;
    check_target(&config, &kind)?;
    let name = kind.to_string();
    let wrong = |error: &OrderError| refused(&name, error);
    let new = NewOrder::checked(kind, &super::who(), &args.reason, length(&args.lasts)?)
        .map_err(|error| wrong(&error))?;
    let store = super::open_to_change(&config).await?;
    let order = store.give_order(new).await.map_err(|error| wrong(&error))?;
    store.close().await;
    let until = super::moment(order.given_ms + order.lasts_ms);
    tell(&format!("{} until {until}, unless lifted: genset order lift {}", order.kind, order.id));
    say(&order.id.to_string());
    Ok(())
}

fn check_target(config: &Config, kind: &OrderKind) -> Result<(), Failure> {
    let unusable = |why: String| Err(Failure::Unusable(format!("{kind}: {why}")));
    if let Some(upstream) = kind.upstream() {
        let known: Vec<&str> =
            config.gateway.upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        if !known.contains(&upstream) {
            return unusable(format!("there is no such upstream. The configuration names: {}.", all(&known)));
        }
    }
    let Some(model) = kind.model() else { return Ok(()) };
    let Some(local) = config.locals.iter().find(|local| local.name == model) else {
        let known: Vec<&str> = config.locals.iter().map(|local| local.name.as_str()).collect();
        return unusable(format!("there is no such local model. The configuration names: {}.", all(&known)));
    };
    match kind {
        OrderKind::Load(_) if local.resident => unusable(format!(
            "{model} is loaded by itself, unless an order to unload it stands: lift that order, if `genset order \
                 list` names one."
        )),
        OrderKind::Unload(_) if !local.resident => unusable(format!(
            "{model} is not loaded by itself, only while an order says so: lift the order to load it, if `genset \
                 order list` names one."
        )),
        _ => Ok(()),
    }
}

fn all(known: &[&str]) -> String {
    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
}

fn list(config: &Config) -> Result<(), Failure> {
    let store = super::open_store(config)?;
    let orders = store.core.orders(LISTED).map_err(|error| Failure::Failed(error.to_string()))?;
    for order in &orders {
        say(&line(order));
    }
    Ok(())
}

fn line(order: &OrderRecord) -> String {
    let OrderRecord { id, kind, who, reason, given_ms, .. } = order;
    let now_ms = Timestamp::now().as_millisecond();
    let end = match (order.ended_ms, &order.ended_by) {
        (None, _) => {
            format!("stands, {:#} left", SignedDuration::from_secs(order.left(now_ms).as_secs() as i64))
        }
        (Some(at_ms), None) => format!("ran out {}", super::moment(at_ms)),
        (Some(at_ms), Some(by)) => format!("lifted by {by} {}", super::moment(at_ms)),
    };
    format!("{id}\t{kind}\t{end}\t{who}\t{}\t{reason}", super::moment(*given_ms))
}

fn length(text: &str) -> Result<Duration, Failure> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|length| Duration::try_from(length).ok());
    parsed.ok_or_else(|| {
        Failure::Unusable(format!("--for \"{text}\" is no length of time; write 30m, 2h or \"1h 30m\""))
    })
}

fn refused(what: &str, error: &OrderError) -> Failure {
    match error {
        OrderError::Store(error) => Failure::Failed(error.to_string()),
        error => Failure::Unusable(format!("{what}: {error}")),
    }
}
