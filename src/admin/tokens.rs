//! Who may use the API: named tokens, compared in constant time.

use actix_web::HttpRequest;
use actix_web::http::header;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Problem;
use crate::config::Role;
use crate::domain::OrgId;

/// A token and what it lets see.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name under which its actions are logged.
    pub name: String,
    /// What is sent as the Bearer credential.
    pub secret: SecretString,
    /// To which organisations it is bound; `None`: to none in particular.
    pub orgs: Option<Vec<OrgId>>,
    /// What it allows.
    pub role: Role,
}

impl Token {
    /// Lets a token that may act on this organisation pass.
    ///
    /// # Errors
    /// 404 for an organisation that it does not see, 403 for a token that may only look.
    pub fn act_on(&self, org: &OrgId) -> Result<(), Problem> {
        if !self.sees(org) {
            return Err(Problem::not_found(format!("There is no organisation {org}.")));
        }
        self.must_act()
    }

    /// The organisations that a query may cover: the one asked for, or all that the token sees.
    ///
    /// # Errors
    /// 404 for one that it does not see.
    pub fn narrow(&self, asked: Option<OrgId>) -> Result<Option<Vec<OrgId>>, Problem> {
        match asked {
            None => Ok(self.orgs.clone()),
            Some(org) if self.sees(&org) => Ok(Some(vec![org])),
            Some(org) => Err(Problem::not_found(format!("There is no organisation {org}."))),
        }
    }

    /// Lets operators act.
    ///
    /// # Errors
    /// For a viewer.
    pub fn must_act(&self) -> Result<(), Problem> {
        match self.role {
            Role::Operator => Ok(()),
            Role::Viewer => Err(Problem::forbidden("This token is a viewer's; to act takes an operator's.")),
        }
    }

    /// Lets operators act on what concerns all organisations.
    ///
    /// # Errors
    /// For a viewer, and for a token that is bound to some organisations.
    pub fn act_on_all(&self) -> Result<(), Problem> {
        self.must_act()?;
        match self.orgs {
            None => Ok(()),
            Some(_) => Err(Problem::forbidden("This token is bound to some organisations; this concerns all of them.")),
        }
    }

    /// Whether the token may be told of this organisation: one bound to others takes it for unknown.
    pub fn sees(&self, org: &OrgId) -> bool {
        self.orgs.as_ref().is_none_or(|own| own.contains(org))
    }
}

/// The tokens that open the admin listener, `admin.token` and those of `[[admin.tokens]]`. A reload
/// swaps them whole.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Opens the admin listener to these and to no other.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(tokens)
    }

    /// The token that the request carries.
    ///
    /// # Errors
    /// When it carries none, or one that is not known.
    pub fn verify(&self, request: &HttpRequest) -> Result<Token, Problem> {
        let presented = Self::presented(request).ok_or_else(Problem::unauthorized)?;
        self.find(presented).cloned().ok_or_else(Problem::unauthorized)
    }

    /// What a request shows as a token.
    pub(super) fn presented(request: &HttpRequest) -> Option<&str> {
        let header = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
        let (_, token) = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
        Some(token.trim()).filter(|token| !token.is_empty())
    }

    /// The token with this secret.
    pub(super) fn find(&self, presented: &str) -> Option<&Token> {
        // Every token is compared, so that the time tells nothing about which one came near.
        let equal = |token: &&Token| bool::from(token.secret.expose_secret().as_bytes().ct_eq(presented.as_bytes()));
        self.0.iter().filter(equal).fold(None, |_, token| Some(token))
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_known_token_passes_and_sees_its_own() {
        let org = |name: &str| name.parse::<OrgId>().unwrap();
        let token = |name: &str, orgs| {
            let secret = format!("{name}-secret").into();
            let role = if name == "all" { Role::Operator } else { Role::Viewer };
            Token { name: name.into(), secret, orgs, role }
        };
        let tokens = Tokens::new(vec![token("all", None), token("acme", Some(vec![org("acme")]))]);
        let with = |value: &str| TestRequest::default().insert_header((header::AUTHORIZATION, value)).to_http_request();
        assert_eq!(tokens.verify(&with("bearer  all-secret")).unwrap().name, "all");
        for wrong in ["Bearer nobody", "Basic all-secret", "all-secret", ""] {
            assert!(tokens.verify(&with(wrong)).is_err(), "{wrong}");
        }
        let own = with("Bearer acme-secret");
        let own = tokens.verify(&own).unwrap();
        assert_eq!(own.narrow(None), Ok(Some(vec![org("acme")])));
        assert!(own.narrow(Some(org("other"))).is_err());
        assert!(own.sees(&org("acme")) && !own.sees(&org("other")));
        assert!(own.act_on(&org("acme")).is_err() && own.act_on_all().is_err(), "it may only look");
        let bound = Token { role: Role::Operator, ..own };
        assert!(bound.act_on(&org("acme")).is_ok() && bound.act_on_all().is_err(), "it may act on its own only");
        let all = with("Bearer all-secret");
        let all = tokens.verify(&all).unwrap();
        assert!(all.act_on(&org("other")).is_ok() && all.act_on_all().is_ok());
        assert!(!format!("{tokens:?}").contains("all-secret"), "a token never reaches a log");
    }
}
