//! What stands around every page: where one is, who one is, and what was just done.

use actix_web::HttpRequest;

use super::live;
use crate::admin::Admin;
use crate::admin::session::Visitor;
use crate::config::Role;

/// The pages of the navigation: path and name.
const PAGES: &[(&str, &str)] = &[
    ("/", "Overview"),
    ("/events", "Events"),
    ("/applications", "Applications"),
    ("/protections", "Protections"),
    ("/refused", "Refused"),
    ("/try", "Try it"),
    ("/set-up", "Set up"),
];

/// What the layout of a page is made from.
pub(super) struct Frame {
    /// The path of the page in the navigation that this one belongs to.
    here: &'static str,
    /// The name of the token.
    pub(super) who: String,
    /// Whether the visitor may act.
    pub(super) acts: bool,
    /// The key that forms carry.
    pub(super) form_key: String,
    /// What was just done.
    pub(super) notice: Option<String>,
}

/// A place in the navigation.
pub(super) struct Place {
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    pub(super) is_here: bool,
}

impl Frame {
    /// The frame of a page.
    pub(super) fn new(admin: &Admin, request: &HttpRequest, visitor: &Visitor, here: &'static str) -> Self {
        // A page that only brings itself up to date is not looked at by anybody.
        let notice = if live::asked_by_itself(request) { None } else { admin.console.sessions.told(visitor) };
        Self {
            here,
            who: visitor.token.name.clone(),
            acts: visitor.token.role == Role::Operator,
            form_key: visitor.form_key.clone(),
            notice,
        }
    }

    /// What the token allows, in a word.
    pub(super) fn role(&self) -> &'static str {
        if self.acts { "operator" } else { "viewer" }
    }

    /// The navigation.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        PAGES.iter().map(|&(path, name)| Place { path, name, is_here: path == self.here })
    }
}
