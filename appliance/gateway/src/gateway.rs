//! The gateway itself: built once from its settings, shared by the API's door and the portal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use inference::{Kind, LocalModel};
use prometheus_client::registry::Registry;
use store::{Store, StoreError};
use tokio::sync::watch;

use crate::admission::Admission;
use crate::announcer::Announcer;
use crate::answer::{Answer, Ask, Mode, Refusal};
use crate::board::Board;
use crate::course::Course;
use crate::demo::DemoControl;
use crate::drill::Drills;
use crate::hedge::FirstTokens;
use crate::homes::Homes;
use crate::ledger::{Asking, Ledger};
use crate::metrics::{Metrics, register_gpus};
use crate::monitor::{Monitor, first_site};
use crate::orders::Orders;
use crate::outside::Outside;
use crate::places::{Place, Places};
use crate::relay::Relay;
use crate::settings::{AliasSettings, Settings};
use crate::site::Site;
use crate::tally::Tally;
use crate::upstream::{ClientError, Upstream};

/// A cheap handle; all clones are one gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

struct Parts {
    settings: Settings,
    aliases: HashMap<String, usize>,
    board: Arc<Board>,
    locals: Vec<LocalModel>,
    store: Store,
    site: watch::Receiver<Arc<Site>>,
    places: Arc<Places>,
    admission: Arc<Admission>,
    metrics: Metrics,
    demo: Option<DemoControl>,
    homes: Homes,
    announcer: Announcer,
    first_tokens: FirstTokens,
}

/// Why a gateway cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the standing orders cannot be read")]
    Orders(#[source] StoreError),
}

impl Gateway {
    /// Builds everything and starts nothing: the monitor is run by whoever supervises.
    ///
    /// # Errors
    /// When an upstream's certificates are unusable, or when nobody can say what persons have ordered: a box that
    /// stands under an order keeps it from its first request on.
    pub fn build(
        settings: Settings,
        locals: Vec<LocalModel>,
        store: Store,
        registry: &mut Registry,
    ) -> Result<(Gateway, Monitor), BuildError> {
        let orders = Orders::standing(store.core.standing_orders().map_err(BuildError::Orders)?);
        let upstreams = settings.upstreams.iter().enumerate();
        let upstreams = upstreams
            .map(|(index, upstream)| Upstream::build(upstream.clone(), settings.models_of(index)))
            .collect::<Result<_, _>>()?;
        let (board, flips) = Board::new(upstreams, Outside::new(&settings.outside), orders);
        let board = Arc::new(board);
        board.orders.current().rule(&locals);
        let admission = Arc::new(Admission::new(settings.brown_out));
        let metrics = Metrics::register(registry, &board, &locals, &admission);
        let (publish, site) = watch::channel(Arc::new(first_site(&settings, &board, &locals)));
        register_gpus(registry, site.clone());
        let aliases = settings.aliases.iter().enumerate().map(|(i, alias)| (alias.name.clone(), i)).collect();
        let gateway = Gateway(Arc::new(Parts {
            aliases,
            board,
            locals,
            store,
            site,
            places: Places::new(&settings.limits),
            admission,
            metrics,
            demo: settings.demo_control.map(DemoControl::new),
            homes: Homes::default(),
            first_tokens: FirstTokens::new(&settings.aliases),
            announcer: Announcer::default(),
            settings,
        }));
        let monitor = Monitor::new(gateway.clone(), flips, publish);
        Ok((gateway, monitor))
    }

    /// Serves one request, whoever asks: the first route that answers, with its first token or its whole answer.
    ///
    /// # Errors
    /// A sentence for the caller, with a status, when nothing may or can answer.
    pub(crate) async fn ask(&self, ask: Ask, place: Place) -> Result<Answer, Refusal> {
        match self.drills().tally().watch(&ask) {
            Some(watch) => watch.over(self.serve(ask, place).await),
            None => self.serve(ask, place).await,
        }
    }

    async fn serve(&self, ask: Ask, place: Place) -> Result<Answer, Refusal> {
        let alias = self.alias(&ask.request.model)?;
        alias.must_be(Kind::Chat)?;
        let request_id = new_id("req");
        let course = Course::plan(self, alias, &ask, &request_id);
        let mut ledger = Ledger::open(self, &request_id, &Asking::of(&ask), &course.first());
        ledger.recorded_first().await?;
        let committed = ask.mode == Mode::Committed;
        let relay = Relay::begin(self.clone(), ask, request_id, course, ledger, place).await?;
        if committed { relay.collect().await } else { Ok(relay.stream()) }
    }

    /// The newest facts of the site.
    pub fn site(&self) -> watch::Receiver<Arc<Site>> {
        self.0.site.clone()
    }

    /// The control of the demo cloud, in an evaluation configuration.
    pub fn demo(&self) -> Option<&DemoControl> {
        self.0.demo.as_ref()
    }

    /// The names that are there to be asked for, in the order of the configuration.
    pub fn alias_names(&self) -> impl Iterator<Item = &str> {
        self.0.settings.aliases.iter().map(|alias| alias.name.as_str())
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn locals(&self) -> &[LocalModel] {
        &self.0.locals
    }

    /// The local models that answer in words.
    pub(crate) fn speakers(&self) -> impl Iterator<Item = &LocalModel> {
        self.0.locals.iter().filter(|model| model.kind() == Kind::Chat)
    }

    pub(crate) fn local(&self, name: &str) -> Option<&LocalModel> {
        self.0.locals.iter().find(|model| model.name() == name)
    }

    pub(crate) fn board(&self) -> &Board {
        &self.0.board
    }

    /// What persons in charge have ordered.
    pub fn orders(&self) -> &Orders {
        &self.0.board.orders
    }

    /// The drills of the site.
    pub fn drills(&self) -> &Drills {
        &self.0.board.drills
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn places(&self) -> &Arc<Places> {
        &self.0.places
    }

    pub(crate) fn homes(&self) -> &Homes {
        &self.0.homes
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.0.board.tally
    }

    pub(crate) fn announcer(&self) -> &Announcer {
        &self.0.announcer
    }

    pub(crate) fn first_tokens(&self) -> &FirstTokens {
        &self.0.first_tokens
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) fn alias(&self, name: &str) -> Result<&AliasSettings, Refusal> {
        let index = self.0.aliases.get(name).ok_or_else(|| {
            let open = self.0.settings.aliases.iter().filter(|alias| !alias.restricted);
            let known: Vec<&str> = open.map(|alias| alias.name.as_str()).collect();
            let message = format!(
                "There is no model \"{}\" here. This box serves: {}.",
                shortened(name),
                if known.is_empty() { "none yet".to_owned() } else { known.join(", ") }
            );
            Refusal {
                param: Some("model".into()),
                ..Refusal::new(404, "invalid_request_error", "model_not_found", message)
            }
        })?;
        Ok(&self.0.settings.aliases[*index])
    }
}

/// How long a request waits for a local model that is being loaded or restarted.
pub(crate) const READY_PATIENCE: Duration = Duration::from_secs(15);

/// `prefix-` and 96 random bits.
pub(crate) fn new_id(prefix: &str) -> String {
    let (a, b) = (getrandom::u64().unwrap_or_default(), getrandom::u32().unwrap_or_default());
    format!("{prefix}-{a:016x}{b:08x}")
}

/// A name that a caller sent, short enough to be said back.
fn shortened(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}
