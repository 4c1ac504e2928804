//! The links between the pages of a list.

use actix_web::HttpRequest;

use crate::admin::parameters::{place, shown};
use crate::journal::Cursor;

/// How many entries a page has.
pub(super) const LIMIT: usize = 50;

/// A link, and what it says.
type Link = (String, &'static str);

/// The way back to the first page and on to the next one.
pub(super) struct Pager {
    pub(super) first: Option<Link>,
    pub(super) next: Option<Link>,
}

impl Pager {
    /// The links on the page that begins at `here`, of a list that is at `path`.
    pub(super) fn new(path: &str, here: Option<Cursor>, next: Option<Cursor>, words: [&'static str; 2]) -> Self {
        let [first, more] = words;
        let and = if path.contains('?') { '&' } else { '?' };
        Self {
            first: here.map(|_| (path.to_owned(), first)),
            next: shown(next).map(|cursor| (format!("{path}{and}cursor={cursor}"), more)),
        }
    }
}

/// The fields of a page's URL.
pub(super) fn asked(request: &HttpRequest) -> Vec<(String, String)> {
    url::form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect()
}

/// Where the page begins that is asked for; what is no place is the beginning.
pub(super) fn here(asked: &[(String, String)]) -> Option<Cursor> {
    asked.iter().find(|(name, _)| name == "cursor").and_then(|(_, value)| place(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lead_on_and_back() {
        let pager = Pager::new("/list?a=b", Some(Cursor(1)), Some(Cursor(255)), ["Newest", "Older"]);
        assert_eq!(pager.first, Some(("/list?a=b".into(), "Newest")));
        assert_eq!(pager.next, Some(("/list?a=b&cursor=ff".into(), "Older")));
        let only = Pager::new("/list", None, None, ["Newest", "Older"]);
        assert!(only.first.is_none() && only.next.is_none());
    }

    #[test]
    fn what_is_no_cursor_is_the_beginning() {
        let at = |value: &str| here(&[("cursor".into(), value.into())]);
        assert_eq!(at("ff"), Some(Cursor(255)));
        assert_eq!((at(""), at("+1"), at("-1"), at("ffffffffffffffff"), here(&[])), (None, None, None, None, None));
    }
}
