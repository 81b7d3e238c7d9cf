//! A browser between the box and the provider: it keeps its cookies and goes where it is led.

use std::collections::BTreeMap;

use super::FakeIdp;
use crate::client::{Client, Door, Reply, Sent};

/// Somebody at the portal who is nobody yet.
#[derive(Clone)]
pub struct Browser {
    portal: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new(portal: Client) -> Browser {
        Browser { portal, cookies: BTreeMap::new() }
    }

    /// A page of the portal.
    pub async fn get(&mut self, path: &str) -> Reply {
        let reply = self.client().get(path).await;
        self.keep(&reply);
        reply
    }

    /// A form of the portal, with the token of the session.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get("/account").await.text();
        let token =
            crate::portal::between(&page, "name=\"csrf\" value=\"", "\"").expect("a form has a token");
        let mut all = vec![("csrf", token)];
        all.extend_from_slice(fields);
        let reply = self.client().post_form(path, &all).await;
        self.keep(&reply);
        reply
    }

    /// Presses the button; gives the address at the provider.
    pub async fn depart(&mut self, back: &str) -> String {
        let reply = self.get(&format!("/sign-in/provider?back={back}")).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        reply.header("location")
    }

    /// The provider's page, which leads back: the path at the portal.
    pub async fn at_the_provider(&self, idp: &FakeIdp, address: &str) -> String {
        let door = match idp.ca_file() {
            None => Door::Http(idp.address()),
            Some(ca_file) => Door::Https(idp.address(), ca_file.clone()),
        };
        let path = address.split_once("/authorize").expect("the provider's own page").1;
        let reply = Client::new(door, Sent::default()).get(&format!("/authorize{path}")).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        let location = reply.header("location");
        let path = location.find("/sign-in/provider/return").expect("it leads back to the portal");
        assert!(location.starts_with("https://localhost:"), "{location}");
        location[path..].to_owned()
    }

    /// All the way: the button, the provider, and back. Gives what the portal says at the end.
    pub async fn sign_in(&mut self, idp: &FakeIdp) -> Reply {
        let address = self.depart("/status").await;
        let back = self.at_the_provider(idp, &address).await;
        self.get(&back).await
    }

    /// Whether it keeps a cookie with this in its name.
    pub fn has_cookie(&self, part: &str) -> bool {
        self.cookies.keys().any(|name| name.contains(part))
    }

    fn client(&self) -> Client {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        self.portal.clone().with_header("cookie", &cookies.join("; "))
    }

    fn keep(&mut self, reply: &Reply) {
        for cookie in reply.cookies() {
            assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
            let (name, rest) = cookie.split_once('=').expect("a cookie has a value");
            match cookie.contains("Max-Age=0") {
                true => drop(self.cookies.remove(name)),
                false => {
                    let value = rest.split(';').next().unwrap_or_default();
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}
