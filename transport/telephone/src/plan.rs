//! The dial plan: which calls are taken, and who answers them.
use std::str::FromStr;

use crate::sip::{agent::Invitation, headers::NameAddr, uri::Uri};

/// What a number, a name or a header must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Exactly this.
    Exactly(String),
    /// Beginning with this: `+4420*`.
    Beginning(String),
}

impl FromStr for Pattern {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Pattern, Self::Err> {
        Ok(match text.strip_suffix('*') {
            Some(beginning) => Pattern::Beginning(beginning.to_owned()),
            None => Pattern::Exactly(text.to_owned()),
        })
    }
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exactly(wanted) => wanted.eq_ignore_ascii_case(text),
            Pattern::Beginning(beginning) => text.starts_with(beginning.as_str()),
        }
    }
}

/// One line of the plan: what it is about, and who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The number or name that is called.
    pub to: Option<Pattern>,
    /// The number or name that calls, as the caller says.
    pub from: Option<Pattern>,
    /// A header, by its name.
    pub header: Option<(String, Pattern)>,
    /// Who answers; `None`: the default persona.
    pub persona: Option<String>,
}

/// The plan. Without rules every call is answered by the default persona.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialPlan {
    /// The first that matches counts; a call that none matches is refused.
    pub rules: Vec<Rule>,
}

/// Who answers a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `None`: the default persona.
    pub persona: Option<String>,
}

impl DialPlan {
    /// Who answers; `None`: nobody, 404.
    pub fn route(&self, invitation: &Invitation) -> Option<Route> {
        if self.rules.is_empty() {
            return Some(Route { persona: None });
        }
        let called = |uri: &Uri| uri.number().unwrap_or_default();
        let (to, from) = (called(&invitation.to), called(&invitation.from.uri));
        // Trunks put the called number into `To` when the request is addressed to our contact.
        let in_header = invitation.headers.get("To").and_then(NameAddr::parse);
        let in_header = in_header.map(|to| called(&to.uri)).unwrap_or_default();
        let rule = self.rules.iter().find(|rule| {
            let to_fits = rule
                .to
                .as_ref()
                .is_none_or(|p| p.matches(&to) || p.matches(&in_header));
            let from_fits = rule.from.as_ref().is_none_or(|p| p.matches(&from));
            let header_fits = rule.header.as_ref().is_none_or(|(name, pattern)| {
                invitation
                    .headers
                    .all(name)
                    .any(|value| pattern.matches(value))
            });
            to_fits && from_fits && header_fits
        });
        rule.map(|rule| Route {
            persona: rule.persona.clone(),
        })
    }
}
