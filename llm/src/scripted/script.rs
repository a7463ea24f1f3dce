//! A script: the rules of the embedded responder, read from TOML and checked whole. A script that
//! was read cannot fail in a call.
//!
//! ```toml
//! [script]
//! sure = 0.6                            # how well a rule must fit, 0.3 to 1; 0.6 when absent
//! fallback = ["I did not get that."]    # when no rule fits; the next one each time in a row
//! no_words = ["I am listening."]        # when asked to speak and nothing was said
//! tool_failed = ["That did not work."]  # when a tool fails whose rule has no `failed`
//!
//! [script.words]                        # groups: `@hello` in a pattern is any of its phrases
//! hello = ["hello", "good morning"]
//!
//! [[script.rule]]
//! name = "sum"                          # unique; for `after`
//! hear = ["what is {sum:expression}"]   # patterns: see `pattern`; the best of all rules wins
//! after = ["greeting"]                  # only directly after one of these rules
//! before = ["Let me see."]              # said before the tool is called
//! tool = "calculate"
//! arguments = { expression = "{sum}" }  # texts with slots
//! say = ["That is {result.spoken}."]    # the answer, in turns; with a tool, said once it answered
//! failed = ["I cannot: {result.error}"] # instead of `say` when the tool failed
//! ```
use std::collections::BTreeSet;

use crate::{
    scripted::{
        answer::{RESERVED, Template},
        pattern::{Groups, Pattern, is_name},
        words::plain,
    },
    strict::{Findings, Located, Mistakes, Table, parse},
};

/// Rules and what to say when none fits.
#[derive(Clone, Debug)]
pub struct Script {
    pub(super) sure: f32,
    pub(super) fallback: Vec<Template>,
    pub(super) no_words: Vec<Template>,
    pub(super) tool_failed: Vec<Template>,
    pub(super) rules: Vec<Rule>,
    /// The agent's name, for `{self}`.
    pub(super) own_name: String,
}

/// What is heard and what is said to it.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub name: String,
    pub hear: Vec<Pattern>,
    pub after: Vec<String>,
    pub say: Vec<Template>,
    pub before: Vec<Template>,
    pub tool: Option<Tool>,
    pub failed: Vec<Template>,
}

/// The call a rule makes.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    pub name: String,
    pub arguments: Vec<(String, Template)>,
}

impl Script {
    /// Reads a file that holds a `[script]` and nothing else. `own_name` is what `{self}` says.
    ///
    /// # Errors
    /// Every mistake with its line.
    pub fn parse(file: &str, text: &str, own_name: &str) -> Result<Script, Mistakes> {
        parse(file, text, |document, findings| {
            match document.table("script", findings) {
                Some(table) => Script::read(table, own_name, findings),
                None => {
                    document.missing("script", findings);
                    Script::empty(own_name)
                }
            }
        })
    }

    /// Reads the `[script]` of a larger file. What is returned is of use only when nothing was
    /// noted.
    pub fn read(mut table: Table<'_>, own_name: &str, findings: &mut Findings<'_>) -> Script {
        let mut script = Script::empty(own_name);
        if let Some(sure) = table.number("sure", 0.3..=1.0, findings) {
            #[allow(clippy::cast_possible_truncation)] // A ratio of two digits.
            let sure = sure as f32;
            script.sure = sure;
        }
        script.fallback = fixed_answers(&mut table, "fallback", findings);
        script.no_words = fixed_answers(&mut table, "no_words", findings);
        script.tool_failed = fixed_answers(&mut table, "tool_failed", findings);
        let groups = groups(&mut table, findings);
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut afters: Vec<Located<String>> = Vec::new();
        for mut rule in table.tables("rule", findings) {
            let name = rule_name(&mut rule, &names, findings);
            names.insert(name.clone());
            script
                .rules
                .push(read_rule(rule, name, &groups, &mut afters, findings));
        }
        for after in afters {
            if !names.contains(&after.value) {
                findings.note(&after.place, format!("there is no rule `{}`", after.value));
            }
        }
        table.finish(findings);
        script
    }

    /// The tools its rules call, each once.
    pub fn tools(&self) -> Vec<&str> {
        let tools: BTreeSet<&str> = (self.rules.iter())
            .filter_map(|rule| rule.tool.as_ref().map(|tool| tool.name.as_str()))
            .collect();
        tools.into_iter().collect()
    }

    /// How many rules it has.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether it has no rules and answers everything with its fallback.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    fn empty(own_name: &str) -> Script {
        Script {
            sure: 0.6,
            fallback: Vec::new(),
            no_words: Vec::new(),
            tool_failed: Vec::new(),
            rules: Vec::new(),
            own_name: own_name.to_owned(),
        }
    }
}

/// Answers that must be there and know no captures.
fn fixed_answers(table: &mut Table<'_>, key: &str, findings: &mut Findings<'_>) -> Vec<Template> {
    if !table.has(key) {
        table.missing(key, findings);
    }
    let mut answers = Vec::new();
    for text in table.texts(key, findings) {
        if let Some(template) = template(&text, &["heard", "last", "self"], findings) {
            answers.push(template);
        }
    }
    answers
}

fn groups(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Groups {
    let mut groups = Groups::new();
    let Some(mut words) = table.table("words", findings) else {
        return groups;
    };
    for key in words.keys() {
        let phrases = words.texts(&key.value, findings);
        if !is_name(&key.value) {
            let what = "a group's name is lower-case letters, digits and `_`";
            findings.note(&key.place, what);
        }
        for phrase in &phrases {
            if plain(&phrase.value).is_empty() {
                findings.note(&phrase.place, format!("`{}` is no word", phrase.value));
            }
        }
        let phrases: Vec<String> = phrases.into_iter().map(|p| p.value).collect();
        if phrases.is_empty() {
            findings.note(&key.place, format!("the group `{}` is empty", key.value));
        }
        groups.insert(key.value, phrases);
    }
    words.finish(findings);
    groups
}

fn rule_name(
    rule: &mut Table<'_>,
    names: &BTreeSet<String>,
    findings: &mut Findings<'_>,
) -> String {
    let Some(name) = rule.required_text("name", findings) else {
        return String::new();
    };
    if !is_name(&name.value) {
        let what = format!(
            "`{}`: a rule's name is lower-case letters, digits and `_`",
            name.value
        );
        findings.note(&name.place, what);
    }
    if names.contains(&name.value) {
        findings.note(&name.place, format!("there are two rules `{}`", name.value));
    }
    name.value
}

fn read_rule(
    mut table: Table<'_>,
    name: String,
    groups: &Groups,
    afters: &mut Vec<Located<String>>,
    findings: &mut Findings<'_>,
) -> Rule {
    let hear = patterns(&mut table, groups, findings);
    let captured = captured_by_all(&hear);
    let mut plain_names: Vec<&str> = vec!["heard", "last", "self"];
    plain_names.extend(captured.iter().map(String::as_str));
    let mut result_names = plain_names.clone();
    result_names.push("result");

    let after = table.texts("after", findings);
    afters.extend(after.iter().cloned());
    let tool = tool(&mut table, &plain_names, findings);
    let say_names = if tool.is_some() {
        &result_names
    } else {
        &plain_names
    };
    let say = answers(&mut table, "say", say_names, findings);
    let before = answers(&mut table, "before", &plain_names, findings);
    let failed = answers(&mut table, "failed", &result_names, findings);
    if tool.is_none() {
        for key in ["before", "failed", "arguments"] {
            if table.has(key) {
                findings.note(
                    table.place(),
                    format!("`{key}` needs a `tool` (rule `{name}`)"),
                );
            }
        }
        if say.is_empty() && !table.has("say") {
            table.missing("say", findings);
        }
    }
    table.finish(findings);
    Rule {
        name,
        hear,
        after: after.into_iter().map(|after| after.value).collect(),
        say,
        before,
        tool,
        failed,
    }
}

fn patterns(table: &mut Table<'_>, groups: &Groups, findings: &mut Findings<'_>) -> Vec<Pattern> {
    if !table.has("hear") {
        table.missing("hear", findings);
    }
    let mut patterns = Vec::new();
    for text in table.texts("hear", findings) {
        match Pattern::parse(&text.value, groups) {
            Ok(pattern) => patterns.push(pattern),
            Err(mistakes) => {
                for mistake in mistakes {
                    findings.note(&text.place, format!("`{}`: {mistake}", text.value));
                }
            }
        }
    }
    patterns
}

/// Slots that every pattern is sure to take: an answer may rely on no others.
fn captured_by_all(patterns: &[Pattern]) -> Vec<String> {
    let sure = |pattern: &Pattern| -> BTreeSet<String> {
        let sure = pattern.slots().filter(|(_, sure)| *sure);
        sure.map(|(name, _)| name.to_owned()).collect()
    };
    let mut patterns = patterns.iter();
    let Some(first) = patterns.next() else {
        return Vec::new();
    };
    let all = patterns.fold(sure(first), |all, pattern| {
        all.intersection(&sure(pattern)).cloned().collect()
    });
    all.into_iter().collect()
}

fn answers(
    table: &mut Table<'_>,
    key: &str,
    names: &[&str],
    findings: &mut Findings<'_>,
) -> Vec<Template> {
    let texts = table.texts(key, findings);
    let read = texts
        .iter()
        .filter_map(|text| template(text, names, findings));
    read.collect()
}

fn template(
    text: &Located<String>,
    names: &[&str],
    findings: &mut Findings<'_>,
) -> Option<Template> {
    let template = match Template::parse(&text.value) {
        Ok(template) => template,
        Err(mistake) => {
            findings.note(&text.place, mistake);
            return None;
        }
    };
    for name in template.names() {
        if names.contains(&name) {
            continue;
        }
        let what = if name == "result" {
            "`{result}` needs a `tool`, and stands in `say` or `failed`".to_owned()
        } else if RESERVED.contains(&name) {
            format!("`{{{name}}}` cannot stand here")
        } else {
            format!("`{{{name}}}` is not taken by every pattern of the rule")
        };
        findings.note(&text.place, what);
    }
    Some(template)
}

fn tool(table: &mut Table<'_>, names: &[&str], findings: &mut Findings<'_>) -> Option<Tool> {
    let name = table.text("tool", findings);
    let mut arguments = Vec::new();
    if let Some(mut given) = table.table("arguments", findings) {
        for key in given.keys() {
            if let Some(text) = given.text(&key.value, findings)
                && let Some(template) = template(&text, names, findings)
            {
                arguments.push((key.value, template));
            }
        }
        given.finish(findings);
    }
    let name = name?.value;
    Some(Tool { name, arguments })
}
