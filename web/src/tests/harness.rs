//! A portal under test, its visitors, and questions to its pages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use gateway::settings::{
    AliasSettings, BrownOutSettings, CloudRoute, Deadlines, HedgeSettings, Limits, ProbeSettings, RouteFacts,
    Settings, UpstreamSettings,
};
use gateway::{Gateway, Monitor};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use scraper::{Html, Selector};
use store::{Directory, DirectoryRules, Role, SignInRules, Store};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{Portal, PortalOptions, Transport};

pub(super) const PASSWORD: &str = "four plain words here";

pub(super) struct Box {
    pub(super) portal: Portal,
    pub(super) store: Store,
    pub(super) router: Router,
    pub(super) monitor: Option<Monitor>,
    _folder: TempDir,
}

impl Box {
    /// A box that nobody has set up: no upstream, no local model, one assistant.
    pub(super) fn fresh() -> Box {
        Box::with(Vec::new(), None, SignInRules::default(), None)
    }

    /// The same, with other rules for signing in.
    pub(super) fn fresh_with(rules: SignInRules) -> Box {
        Box::with(Vec::new(), None, rules, None)
    }

    /// The same, with a directory that vouches for people for two weeks.
    pub(super) fn with_directory(directory: Arc<dyn Directory>) -> Box {
        Box::with(Vec::new(), None, SignInRules::default(), Some(directory))
    }

    /// A box whose one cloud refuses every connection, with a demo control that does not answer either.
    pub(super) fn with_a_refusing_cloud() -> Box {
        let nobody: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let upstream = UpstreamSettings {
            name: "demo".into(),
            base_url: format!("http://{nobody}/v1"),
            api_key: Some(gateway::settings::Secret::new("demo-key".into())),
            extra_roots_pem: None,
            deadlines: Deadlines::default(),
            hedge: HedgeSettings::default(),
            probe: ProbeSettings::default(),
            thresholds: continuity::Thresholds::default(),
            failback: continuity::FailbackSteps::default(),
            demo: true,
        };
        Box::with(vec![upstream], Some(nobody), SignInRules::default(), None)
    }

    fn with(
        upstreams: Vec<UpstreamSettings>,
        demo_control: Option<SocketAddr>,
        rules: SignInRules,
        directory: Option<Arc<dyn Directory>>,
    ) -> Box {
        let cloud = upstreams.iter().enumerate().map(|(upstream, settings)| CloudRoute {
            upstream,
            model: "demo-cloud-large".into(),
            label: format!("{}/demo-cloud-large", settings.name),
            facts: RouteFacts::default(),
        });
        let assistant = AliasSettings {
            name: "assistant".into(),
            kind: gateway::settings::Kind::Chat,
            cloud: cloud.collect(),
            standby: Vec::new(),
            shorten: None,
            restricted: false,
            warm_share_percent: 0,
        };
        let oncology = AliasSettings { name: "oncology".into(), restricted: true, ..assistant.clone() };
        let settings = Settings {
            site_name: "Harbor Hospital".into(),
            upstreams,
            aliases: vec![assistant, oncology],
            limits: Limits::default(),
            drill: gateway::settings::DrillSettings::default(),
            standby_facts: std::collections::HashMap::new(),
            brown_out: BrownOutSettings::default(),
            demo_control,
            outside: gateway::settings::OutsideSettings::default(),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut store =
            Store::open(folder.path()).unwrap().with_sign_in_rules(rules).with_site_name("Harbor Hospital");
        if let Some(directory) = directory {
            let cached_for = Duration::from_secs(14 * 86_400);
            let rules = DirectoryRules { cached_for, departments: vec!["Ward 3".into()] };
            store = store.with_directory(directory, rules);
        }
        let mut registry = prometheus_client::registry::Registry::default();
        let (gateway, monitor) = Gateway::build(settings, Vec::new(), store.clone(), &mut registry).unwrap();
        let options = PortalOptions { site_name: "Harbor Hospital".into(), identity_provider: None };
        let portal = Portal::new(gateway, store.clone(), options);
        let router = portal.router();
        Box { portal, store, router, monitor: Some(monitor), _folder: folder }
    }

    /// The owner, signed in through the setup page.
    pub(super) async fn owner(&self) -> Browser {
        let code = self.store.core.begin_setup().await.unwrap().expect("nobody has set the box up");
        let mut browser = self.browser();
        let form = format!("code={}&name=kim&password={PASSWORD}&again={PASSWORD}", code.expose());
        let page = browser.post("/setup", &form).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        browser
    }

    /// Somebody of the staff, signed in.
    pub(super) async fn staff(&self, name: &str) -> Browser {
        self.person(name, Role::Staff).await
    }

    /// Somebody of this role, signed in.
    pub(super) async fn person(&self, name: &str, role: Role) -> Browser {
        self.store.core.create_account(name, PASSWORD.into(), role).await.unwrap();
        let mut browser = self.browser();
        let page = browser.post("/sign-in", &format!("name={name}&password={PASSWORD}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        browser
    }

    /// The store closes, and its file of accounts cannot be opened any more.
    pub(super) async fn lose_the_accounts(&self) {
        self.store.close().await;
        let file = self._folder.path().join("core.db");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
    }

    /// Somebody who is not signed in.
    pub(super) fn browser(&self) -> Browser {
        Browser { router: self.router.clone(), transport: None, cookies: Vec::new(), headers: Vec::new() }
    }
}

/// Keeps cookies as a browser does.
#[derive(Clone)]
pub(super) struct Browser {
    router: Router,
    pub(super) transport: Option<Transport>,
    pub(super) cookies: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
}

impl Browser {
    pub(super) async fn get(&mut self, path: &str) -> Page {
        self.send(Request::get(path), Body::empty()).await
    }

    /// Posts a form as it is given.
    pub(super) async fn post(&mut self, path: &str, form: &str) -> Page {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Body::from(form.replace(' ', "+"))).await
    }

    /// Posts a form with the token of the session.
    pub(super) async fn submit(&mut self, path: &str, form: &str) -> Page {
        let token = self.get("/account").await.attribute("input[name=csrf]", "value");
        self.post(path, &format!("csrf={token}&{form}")).await
    }

    async fn send(&mut self, mut request: http::request::Builder, body: Body) -> Page {
        if let Some(transport) = self.transport {
            request = request.extension(transport);
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("host", "box:8443").header("cookie", cookies.join("; "));
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        self.keep_cookies(&headers);
        Page { status, headers, body: String::from_utf8(bytes.to_vec()).unwrap_or_default() }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(known, _)| known != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// What came back.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Page {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn has(&self, selector: &str) -> bool {
        self.count(selector) > 0
    }

    pub(super) fn count(&self, selector: &str) -> usize {
        Html::parse_document(&self.body).select(&Selector::parse(selector).unwrap()).count()
    }

    /// The text of the first match, with its white space collapsed.
    pub(super) fn text(&self, selector: &str) -> String {
        let html = Html::parse_document(&self.body);
        let found = html.select(&Selector::parse(selector).unwrap()).next();
        let text: String = found.unwrap_or_else(|| panic!("no {selector} in {}", self.body)).text().collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn attribute(&self, selector: &str, name: &str) -> String {
        let html = Html::parse_document(&self.body);
        let found = html.select(&Selector::parse(selector).unwrap()).next();
        let found = found.unwrap_or_else(|| panic!("no {selector} in {}", self.body));
        found.value().attr(name).unwrap_or_default().to_owned()
    }
}
