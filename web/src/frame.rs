//! What stands around every page: the band, the masthead, the language, who is signed in.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use store::{Right, authorize};

use crate::assets;
use crate::band::Band;
use crate::error_page::Failed;
use crate::language::Language;
use crate::pages::break_glass;
use crate::text::Text;
use crate::visit::Visit;

/// Which entry of the masthead is the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Chat,
    Status,
    Outages,
    SecondLook,
    Orders,
    Drills,
    Account,
    People,
    Rights,
    Emergency,
    Elsewhere,
}

/// The person as the masthead shows them.
#[derive(Debug)]
pub(crate) struct PersonView {
    pub(crate) name: String,
    pub(crate) csrf: String,
    /// Let in on the directory's last word.
    pub(crate) by_cache: bool,
    /// May start drills.
    pub(crate) orders_site: bool,
    pub(crate) gives_orders: bool,
    /// May read who asked for what.
    pub(crate) reads_audit: bool,
    pub(crate) reads_people: bool,
    pub(crate) reads_rights: bool,
    pub(crate) breaks_glass: bool,
    pub(crate) reviews_broken_glass: bool,
    /// Emergencies that wait for this person as a reviewer.
    pub(crate) to_review: u64,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) text: &'static Text,
    pub(crate) language: Language,
    pub(crate) site_name: String,
    pub(crate) band: Band,
    pub(crate) person: Option<PersonView>,
    pub(crate) place: Place,
    /// Where to come back to after the language was changed.
    pub(crate) path: String,
}

impl Frame {
    pub(crate) fn of(visit: &Visit, place: Place) -> Frame {
        let portal = &visit.portal;
        let person = visit.person.as_ref();
        let may = |right| person.is_some_and(|p| authorize(&p.subject(), right).is_ok());
        Frame {
            text: visit.text(),
            language: visit.language,
            site_name: portal.site_name().to_owned(),
            band: Band::of_visit(visit),
            person: person.map(|p| PersonView {
                name: p.account.name.clone(),
                csrf: p.csrf.clone(),
                by_cache: p.by_cache,
                orders_site: may(Right::OrderSite),
                gives_orders: may(Right::GiveOrders),
                reads_audit: may(Right::ReadAudit),
                reads_people: may(Right::ReadPeople),
                reads_rights: may(Right::ReadRights),
                breaks_glass: may(Right::BreakGlass),
                reviews_broken_glass: may(Right::ReviewBreakGlass),
                to_review: break_glass::waiting(visit),
            }),
            place,
            path: visit.path.clone(),
        }
    }

    /// The address of a static file.
    #[expect(clippy::unused_self, reason = "templates reach functions through the frame")]
    pub(crate) fn asset(&self, name: &str) -> &'static str {
        assets::address(name)
    }
}

impl Visit {
    /// The page as a response.
    ///
    /// # Errors
    /// The error page, when the template cannot be rendered.
    pub(crate) fn show(&self, page: &impl Template) -> Result<Response, Failed> {
        page.render().map(|html| Html(html).into_response()).map_err(|error| self.internal(&error))
    }
}
