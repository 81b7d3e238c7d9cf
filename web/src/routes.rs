//! Every route of the portal with the right that it needs, in one table.

use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::{MethodRouter, get, post};
use store::Right;

use crate::error_page::{Failed, Fault};
use crate::guard::{Access, admit};
use crate::pages::people::{department, person};
use crate::pages::{
    account, ask, break_glass, chat, demo, drills, language, orders, outages, people, provider, rights,
};
use crate::pages::{second_factor, second_look, second_step, setup, sign_in, status, welcome};
use crate::visit::Visit;
use crate::{Portal, assets, headers};

pub(crate) struct Entry {
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handlers: fn() -> MethodRouter<Portal>,
}

const fn entry(path: &'static str, access: Access, handlers: fn() -> MethodRouter<Portal>) -> Entry {
    Entry { path, access, handlers }
}

pub(crate) static ROUTES: &[Entry] = &[
    entry("/", Access::With(Right::Ask), || get(chat::begin)),
    entry("/c/{conversation}", Access::With(Right::Ask), || get(chat::show)),
    entry("/ask", Access::With(Right::Ask), || post(ask::ask)),
    entry("/status", Access::With(Right::ReadStatus), || get(status::show)),
    entry("/outages", Access::With(Right::ReadStatus), || get(outages::show)),
    entry("/outages/{outage}", Access::With(Right::ReadStatus), || get(outages::report)),
    entry("/second-look", Access::With(Right::ReadAudit), || get(second_look::show).post(second_look::mark)),
    entry("/demo", Access::With(Right::OrderSite), || get(demo::show)),
    entry("/demo/cut", Access::With(Right::OrderSite), || post(demo::cut)),
    entry("/demo/restore", Access::With(Right::OrderSite), || post(demo::restore)),
    entry("/orders", Access::With(Right::GiveOrders), || get(orders::show).post(orders::give)),
    entry("/orders/{order}/lift", Access::With(Right::GiveOrders), || post(orders::lift)),
    entry("/drills", Access::With(Right::OrderSite), || get(drills::show).post(drills::start)),
    entry("/drills/abort", Access::With(Right::OrderSite), || post(drills::abort)),
    entry("/drills/{drill}", Access::With(Right::OrderSite), || get(drills::report)),
    entry("/account", Access::Person, || get(account::show)),
    entry("/account/password", Access::Person, || post(account::change_password)),
    entry("/account/sessions/end-others", Access::Person, || post(account::end_others)),
    entry("/account/sessions/{session}/end", Access::Person, || post(account::end_one)),
    entry("/people", Access::With(Right::ReadPeople), || get(people::show)),
    entry("/people/add", Access::With(Right::ManagePeople), || post(people::add)),
    entry("/people/{person}", Access::With(Right::ReadPeople), || get(person::show)),
    entry("/people/{person}/role", Access::With(Right::ManagePeople), || post(person::change_role)),
    entry("/people/{person}/code", Access::With(Right::ManagePeople), || post(person::renew_code)),
    entry("/people/{person}/sessions/end", Access::With(Right::ManagePeople), || post(person::end_sessions)),
    entry("/people/{person}/remove", Access::With(Right::ManagePeople), || post(person::remove)),
    entry("/departments", Access::With(Right::ManagePeople), || post(department::add)),
    entry("/departments/{department}", Access::With(Right::ReadPeople), || get(department::show)),
    entry("/departments/{department}/join", Access::With(Right::ManagePeople), || post(department::join)),
    entry("/departments/{department}/leave", Access::With(Right::ManagePeople), || post(department::leave)),
    entry("/departments/{department}/keep", Access::With(Right::ManagePeople), || post(department::keep)),
    entry("/departments/{department}/remove", Access::With(Right::ManagePeople), || post(department::remove)),
    entry("/rights", Access::With(Right::ReadRights), || get(rights::show)),
    entry("/rights/give", Access::With(Right::ManageGrants), || post(rights::give)),
    entry("/rights/{grant}/end", Access::With(Right::ManageGrants), || post(rights::end)),
    entry("/break-glass", Access::With(Right::BreakGlass), || {
        get(break_glass::show).post(break_glass::break_it)
    }),
    entry("/break-glass/review", Access::With(Right::ReviewBreakGlass), || {
        get(break_glass::queue).post(break_glass::review)
    }),
    entry("/welcome", Access::Visitor, || get(welcome::show).post(welcome::finish)),
    entry("/account/second-factor", Access::Person, || get(second_factor::show).post(second_factor::begin)),
    entry("/account/second-factor/confirm", Access::Person, || post(second_factor::confirm)),
    entry("/account/second-factor/codes", Access::Person, || post(second_factor::renew)),
    entry("/account/second-factor/remove", Access::Person, || post(second_factor::remove)),
    entry("/sign-in/code", Access::Visitor, || get(second_step::show).post(second_step::take)),
    entry("/sign-in/provider", Access::Visitor, || get(provider::leave)),
    entry("/sign-in/provider/return", Access::Visitor, || get(provider::arrive)),
    entry("/sign-out", Access::Person, || post(sign_in::sign_out)),
    entry("/sign-in", Access::Visitor, || get(sign_in::show).post(sign_in::sign_in)),
    entry("/setup", Access::Setup, || get(setup::show).post(setup::finish)),
    entry("/band", Access::Anybody, || get(status::band)),
    entry("/language", Access::Anybody, || post(language::choose)),
    entry("/static/{hash}/{name}", Access::Anybody, || get(assets::show)),
];

pub(crate) fn router(portal: &Portal) -> Router {
    let guard = |access, path: &'static str| from_fn_with_state((portal.clone(), access, path), admit);
    let mut router = Router::new();
    for Entry { path, access, handlers } in ROUTES {
        router = router.route(path, handlers().fallback(wrong_method).layer(guard(*access, path)));
    }
    let unknown = no_such_page.layer(guard(Access::Visitor, ""));
    router.fallback(unknown).layer(map_response(headers::secure)).with_state(portal.clone())
}

async fn no_such_page(visit: Visit) -> Failed {
    visit.fail(Fault::NotFound)
}

async fn wrong_method(visit: Visit) -> Failed {
    visit.fail(Fault::WrongMethod)
}
