//! What stands around every page: the band, the masthead, the language, who is signed in.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use store::{Right, authorize};

use crate::assets;
use crate::band::Band;
use crate::error_page::Failed;
use crate::language::Language;
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
    Elsewhere,
}

/// The person as the masthead shows them.
#[derive(Debug)]
pub(crate) struct PersonView {
    pub(crate) name: String,
    pub(crate) csrf: String,
    /// May give orders to the site.
    pub(crate) orders_site: bool,
    /// May read what persons asked for and what upstreams said.
    pub(crate) reads_audit: bool,
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
                orders_site: may(Right::OrderSite),
                reads_audit: may(Right::ReadAudit),
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
