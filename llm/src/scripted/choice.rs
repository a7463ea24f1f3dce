//! Which rule answers: the best of all that fit, follow-ups before others. Pure.
use voiced_core::turn::{Message, Role};

use crate::scripted::{
    matching::{Fit, Said, fit},
    script::{Rule, Script},
    words::tokens,
};

/// What the caller said at one go, and what came of it.
pub(super) struct Exchange<'a> {
    pub heard: String,
    pub after: Vec<&'a Message>,
}

/// How far back a follow-up may hang on a follow-up. Deeper, a rule counts as unknown.
pub(super) const MEMORY: usize = 6;
/// A follow-up that fits is meant rather than a rule for any time that fits a little better.
const FOLLOW_UP: f32 = 0.15;
/// Of two rules that fit alike, the one that matched more words is meant; by this per weight.
const SAYS_MORE: f32 = 0.03;

/// Consecutive messages of the caller are one: a sentence said in two breaths.
pub(super) fn exchanges(messages: &[Message]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    for message in messages {
        match (message.role, exchanges.last_mut()) {
            (Role::System, _) => {}
            (Role::User, Some(last)) if last.after.is_empty() => {
                last.heard.push(' ');
                last.heard.push_str(&message.text);
            }
            (Role::User, _) => exchanges.push(Exchange {
                heard: message.text.clone(),
                after: Vec::new(),
            }),
            (_, Some(last)) => last.after.push(message),
            // Said before the caller said anything: the greeting.
            (_, None) => {}
        }
    }
    exchanges
}

/// The best rule for what was said in a turn, and how it fits. `calling` narrows to rules that
/// call a tool, or that one.
pub(super) fn best_rule<'s>(
    script: &'s Script,
    exchanges: &[Exchange<'_>],
    turn: usize,
    memory: usize,
    calling: Option<Option<&str>>,
) -> Option<(&'s Rule, Fit)> {
    let tokens = tokens(&exchanges[turn].heard);
    let said = Said::new(&tokens);
    // Worked out only when a follow-up fits: it is the search of the turn before.
    let mut before: Option<Option<String>> = None;
    let mut best: Option<(&Rule, Fit, f32)> = None;
    for rule in &script.rules {
        let tool = rule.tool.as_ref().map(|tool| tool.name.as_str());
        let wanted = match calling {
            None => true,
            Some(None) => tool.is_some(),
            Some(Some(name)) => tool == Some(name),
        };
        if !wanted {
            continue;
        }
        let fits = rule.hear.iter().filter_map(|pattern| fit(pattern, &said));
        let Some(fit) = fits.max_by(|a, b| rank(a).total_cmp(&rank(b))) else {
            continue;
        };
        if fit.score < script.sure {
            continue;
        }
        let mut rank = rank(&fit);
        if !rule.after.is_empty() {
            let before = before.get_or_insert_with(|| {
                let earlier = turn.checked_sub(1).filter(|_| memory > 0)?;
                let found = best_rule(script, exchanges, earlier, memory - 1, None)?;
                Some(found.0.name.clone())
            });
            if !before
                .as_ref()
                .is_some_and(|name| rule.after.contains(name))
            {
                continue;
            }
            rank += FOLLOW_UP;
        }
        if best.as_ref().is_none_or(|(_, _, worth)| rank > *worth) {
            best = Some((rule, fit, rank));
        }
    }
    best.map(|(rule, fit, _)| (rule, fit))
}

fn rank(fit: &Fit) -> f32 {
    fit.score + SAYS_MORE * fit.matched.min(5.0)
}
