//! The dial plan's file, read strictly: every mistake with its line.
use std::path::Path;

use voiced_llm::strict::{Findings as Mistakes, Table, parse, read_file};
use voiced_telephone::plan::{DialPlan, Pattern, Rule};

use crate::config::{
    Personas,
    findings::{Findings, Origin},
};

/// Reads the plan; without a file every call is answered by the default persona.
pub(super) fn read(file: Option<&Path>, findings: &mut Findings) -> DialPlan {
    let Some(file) = file else {
        return DialPlan::default();
    };
    let name = file.display().to_string();
    let read = read_file(file).and_then(|text| parse(&name, &text, rules));
    match read {
        Ok(rules) => DialPlan { rules },
        Err(mistakes) => {
            for mistake in mistakes.0 {
                let origin = Origin::File {
                    path: mistake.file.into(),
                    line: mistake.line,
                };
                findings.note(origin, "", mistake.what);
            }
            DialPlan::default()
        }
    }
}

fn rules(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for mut entry in table.tables("answer", mistakes) {
        let text = |entry: &mut Table<'_>, key: &str, mistakes: &mut Mistakes<'_>| {
            entry.text(key, mistakes).map(|text| text.value)
        };
        let pattern = |text: String| -> Pattern {
            match text.parse() {
                Ok(pattern) => pattern,
                Err(never) => match never {},
            }
        };
        let header = text(&mut entry, "header", mistakes);
        let value = text(&mut entry, "value", mistakes);
        if header.is_some() != value.is_some() {
            mistakes.note(entry.place(), "`header` and `value` belong together");
        }
        rules.push(Rule {
            to: text(&mut entry, "to", mistakes).map(pattern),
            from: text(&mut entry, "from", mistakes).map(pattern),
            header: header.zip(value.map(pattern)),
            persona: text(&mut entry, "persona", mistakes),
        });
        entry.finish(mistakes);
    }
    if rules.is_empty() {
        mistakes.note(
            table.place(),
            "there is no [[answer]], so no call would be taken",
        );
    }
    rules
}

/// That everybody the plan names is there.
pub(super) fn check_personas(plan: &DialPlan, personas: &Personas, findings: &mut Findings) {
    for named in plan.rules.iter().filter_map(|rule| rule.persona.as_ref()) {
        let is_known = personas.all.iter().any(|persona| persona.name == *named);
        if !is_known && !personas.all.is_empty() {
            let message = format!("the dial plan names the persona '{named}', which there is not");
            findings.note_at("telephone.plan", message);
        }
    }
}
