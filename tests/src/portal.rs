//! A person at the portal, with a browser that runs no scripts.

use std::sync::{Arc, Mutex};

use crate::client::{Client, Reply};

pub const NAME: &str = "kim";
pub const PASSWORD: &str = "four plain words here";

/// A signed-in owner.
#[derive(Debug, Clone)]
pub struct Portal {
    client: Client,
    /// As they were set last.
    cookies: Arc<Mutex<Vec<String>>>,
}

impl Portal {
    /// Makes the owner's account with the setup code, as on the first visit.
    pub(crate) async fn first_visit(client: Client, setup_code: &str) -> Portal {
        let welcome = client.get("/").await;
        assert_eq!(welcome.header("location"), "/setup", "until there is an owner all leads to the setup");
        let fields = [("code", setup_code), ("name", NAME), ("password", PASSWORD), ("again", PASSWORD)];
        Portal::entered(&client, &client.post_form("/setup", &fields).await)
    }

    /// Chooses the first password with the one-time code, as somebody does whom others have added.
    pub(crate) async fn welcomed(client: Client, name: &str, code: &str) -> Portal {
        let fields = [("name", name), ("code", code), ("password", PASSWORD), ("again", PASSWORD)];
        Portal::entered(&client, &client.post_form("/welcome", &fields).await)
    }

    /// Signs in to an account that was made before.
    pub(crate) async fn sign_in(client: Client) -> Portal {
        let fields = [("name", NAME), ("password", PASSWORD), ("back", "/")];
        Portal::entered(&client, &client.post_form("/sign-in", &fields).await)
    }

    pub(crate) fn entered(client: &Client, reply: &Reply) -> Portal {
        assert_eq!(reply.status, 303, "{}", reply.text());
        let cookies = reply.cookies();
        assert_eq!(cookies.len(), 2, "the session and the device: {cookies:?}");
        for cookie in &cookies {
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        }
        Portal { client: client.clone(), cookies: Arc::new(Mutex::new(cookies)) }
    }

    /// The client with the cookies of the session.
    fn browser(&self) -> Client {
        self.client.clone().with_header("cookie", &pairs(&self.cookies.lock().unwrap()))
    }

    /// Keeps the cookies of an answer in the place of those of the same name.
    fn keep(&self, reply: Reply) -> Reply {
        let name = |cookie: &String| cookie.split('=').next().unwrap_or_default().to_owned();
        let mut kept = self.cookies.lock().unwrap();
        for fresh in reply.cookies() {
            kept.retain(|cookie| name(cookie) != name(&fresh));
            kept.push(fresh);
        }
        drop(kept);
        reply
    }

    /// The token that the forms of the session carry.
    pub async fn token(&self) -> String {
        let page = self.page("/account").await.text();
        between(&page, "name=\"csrf\" value=\"", "\"").expect("a form carries a token").to_owned()
    }

    /// Posts a form of the portal as it is given.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.keep(self.browser().post_form(path, fields).await)
    }

    /// Posts a form of the portal with the token of the session.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.token().await;
        let mut all = vec![("csrf", token.as_str())];
        all.extend_from_slice(fields);
        self.post(path, &all).await
    }

    /// A page of the portal.
    pub async fn page(&self, path: &str) -> Reply {
        self.browser().get(path).await
    }

    /// A page for somebody whose browser prefers this language.
    pub async fn page_in(&self, path: &str, language: &str) -> Reply {
        self.browser().with_header("accept-language", language).get(path).await
    }

    /// Asks on a new conversation's page and gives the page with the answer.
    pub async fn ask(&self, alias: &str, question: &str) -> Reply {
        let page = self.page("/").await.text();
        let token = between(&page, "name=\"csrf\" value=\"", "\"").expect("a form carries a token");
        let fields = [("csrf", token), ("conversation", ""), ("alias", alias), ("question", question)];
        self.client.note(question);
        let asked = self.post("/ask", &fields).await;
        assert_eq!(asked.status, 303, "{}", asked.text());
        self.page(&asked.header("location")).await
    }

    /// The lines of an answer as the page's script gets them.
    pub async fn ask_line_by_line(&self, alias: &str, question: &str) -> Vec<serde_json::Value> {
        let token = self.token().await;
        let fields =
            [("csrf", token.as_str()), ("conversation", ""), ("alias", alias), ("question", question)];
        self.client.note(question);
        let browser = self.browser().with_header("accept", "application/x-ndjson");
        let lines = self.keep(browser.post_form("/ask", &fields).await).text();
        lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The same as [`Portal::ask`] on a box that may die meanwhile; true when the page with the answer came.
    pub(crate) async fn try_ask(&self, alias: &str, question: &str) -> std::io::Result<bool> {
        let page = self.keep(self.browser().try_get("/").await?).text();
        let Some(token) = between(&page, "name=\"csrf\" value=\"", "\"") else { return Ok(false) };
        let fields = [("csrf", token), ("conversation", ""), ("alias", alias), ("question", question)];
        self.client.note(question);
        let asked = self.keep(self.browser().try_post_form("/ask", &fields).await?);
        if asked.status != 303 {
            return Ok(false);
        }
        Ok(self.browser().try_get(&asked.header("location")).await?.status == 200)
    }

    /// The site state that the band of a page shows.
    pub async fn band(&self) -> String {
        let page = self.page("/").await.text();
        between(&page, "data-state=\"", "\"").expect("every page has the band").to_owned()
    }
}

/// What a browser sends of these cookies.
pub(crate) fn pairs(cookies: &[String]) -> String {
    let pairs: Vec<_> = cookies.iter().filter_map(|cookie| cookie.split(';').next()).collect();
    pairs.join("; ")
}

/// The text between the first `start` and the next `end`.
pub(crate) fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    rest.find(end).map(|end| &rest[..end])
}
