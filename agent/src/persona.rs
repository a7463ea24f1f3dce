//! One agent's character and abilities, read from its file. A persona that was read is whole: its
//! tools exist, its script calls only what it may, and every mistake was told with its line.
mod servers;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use voiced_llm::{
    scripted::Script,
    strict::{Findings, Located, Mistake, Mistakes, Table, parse, read_file},
};

pub use self::servers::McpServer;
use crate::tools::{Builtin, Order, TransferTarget};

/// Who answers a call.
#[derive(Clone, Debug)]
pub struct Persona {
    /// How clients ask for it: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What it calls itself.
    pub called: String,
    /// One line for a list of personas.
    pub about: Option<String>,
    /// Said first where the carrier asks for a greeting.
    pub greeting: Option<String>,
    /// What a chat model is told it is.
    pub instructions: String,
    /// Its voice; `None` is the synthesiser's default.
    pub voice: Option<String>,
    /// The language it speaks, as a BCP 47 tag.
    pub language: Option<String>,
    /// What it may do.
    pub tools: Vec<Builtin>,
    /// Whom it may transfer callers to.
    pub transfers: Vec<TransferTarget>,
    /// The personas it may hand callers to.
    pub hand_off: Vec<String>,
    /// The MCP servers whose tools it may use.
    pub servers: Vec<McpServer>,
    /// The orders it can look up.
    pub orders: Vec<Order>,
    /// What answers where no chat model is configured.
    pub script: Option<Arc<Script>>,
}

impl Persona {
    /// Reads a persona. `file` names it in mistakes; a script in a file of its own is looked for
    /// in `folder`.
    ///
    /// # Errors
    /// Every mistake with its line.
    pub fn parse(file: &str, text: &str, folder: Option<&Path>) -> Result<Persona, Mistakes> {
        parse(file, text, |table, findings| read(table, folder, findings))
    }

    /// Reads a persona's file.
    ///
    /// # Errors
    /// Every mistake with its line.
    pub fn load(path: &Path) -> Result<Persona, Mistakes> {
        let text = read_file(path)?;
        Persona::parse(&path.display().to_string(), &text, path.parent())
    }

    /// Reads every `.toml` of a folder, in the order of their names.
    ///
    /// # Errors
    /// Every mistake of every file; that there is no file; two personas of one name.
    pub fn load_folder(folder: &Path) -> Result<Vec<Persona>, Mistakes> {
        let mut mistakes = Vec::new();
        let mut personas: Vec<Persona> = Vec::new();
        for path in toml_files(folder)? {
            match Persona::load(&path) {
                Ok(persona) if personas.iter().any(|known| known.name == persona.name) => {
                    let what = format!("there is another persona `{}` in the folder", persona.name);
                    mistakes.push(of_whole(&path, what));
                }
                Ok(persona) => personas.push(persona),
                Err(Mistakes(more)) => mistakes.extend(more),
            }
        }
        if personas.is_empty() && mistakes.is_empty() {
            mistakes.push(of_whole(
                folder,
                "there is no persona (`*.toml`) in it".into(),
            ));
        }
        if mistakes.is_empty() {
            Ok(personas)
        } else {
            Err(Mistakes(mistakes))
        }
    }

    /// The personas that come with the daemon; the first is the default.
    pub fn built_in() -> Vec<Persona> {
        const FILES: [(&str, &str); 2] = [
            (
                "receptionist.toml",
                include_str!("../../configs/personas/receptionist.toml"),
            ),
            (
                "storyteller.toml",
                include_str!("../../configs/personas/storyteller.toml"),
            ),
        ];
        let read = FILES.map(|(file, text)| {
            Persona::parse(file, text, None).expect("a test reads the personas of this build")
        });
        read.into()
    }
}

fn of_whole(path: &Path, what: String) -> Mistake {
    Mistake {
        file: path.display().to_string(),
        line: 0,
        what,
    }
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, Mistakes> {
    let unreadable = |error: std::io::Error| {
        Mistakes(vec![of_whole(folder, format!("cannot be read: {error}"))])
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(table: &mut Table<'_>, folder: Option<&Path>, findings: &mut Findings<'_>) -> Persona {
    let name = name(table, findings);
    let text = |table: &mut Table<'_>, key: &str, findings: &mut Findings<'_>| {
        table.text(key, findings).map(|text| text.value)
    };
    let called = text(table, "called", findings).unwrap_or_else(|| name.clone());
    let tools = tools(table, findings);
    let persona = Persona {
        about: text(table, "about", findings),
        greeting: text(table, "greeting", findings),
        instructions: (table.required_text("instructions", findings))
            .map(|text| text.value.trim().to_owned())
            .unwrap_or_default(),
        voice: text(table, "voice", findings),
        language: text(table, "language", findings),
        transfers: transfers(table, findings),
        hand_off: (table.texts("hand_off", findings).into_iter())
            .map(|name| name.value)
            .collect(),
        servers: servers::read(table, findings),
        orders: orders(table, findings),
        script: script(table, &called, folder, findings).map(Arc::new),
        tools: tools.iter().map(|tool| tool.value).collect(),
        name,
        called,
    };
    check_tools(&persona, &tools, table, findings);
    persona
}

fn name(table: &mut Table<'_>, findings: &mut Findings<'_>) -> String {
    let Some(name) = table.required_text("name", findings) else {
        return String::new();
    };
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !name.value.bytes().all(fits) {
        let what = "`name` must be lower-case letters, digits, `-` and `_`";
        findings.note(&name.place, what);
    }
    name.value
}

fn tools(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<Located<Builtin>> {
    let mut tools: Vec<Located<Builtin>> = Vec::new();
    for named in table.texts("tools", findings) {
        match Builtin::named(&named.value) {
            None => {
                let known = Builtin::ALL.map(Builtin::name).join(", ");
                let what = format!("there is no tool `{}`; there are: {known}", named.value);
                findings.note(&named.place, what);
            }
            Some(tool) if tools.iter().any(|known| known.value == tool) => {
                findings.note(&named.place, format!("`{}` stands here twice", named.value));
            }
            Some(value) => tools.push(Located {
                value,
                place: named.place,
            }),
        }
    }
    tools
}

fn transfers(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<TransferTarget> {
    let mut transfers: Vec<TransferTarget> = Vec::new();
    for mut entry in table.tables("transfer", findings) {
        let name = entry.required_text("name", findings);
        let target = entry.required_text("target", findings);
        let about = entry.text("about", findings);
        if let Some(name) = &name
            && transfers
                .iter()
                .any(|known| known.name.eq_ignore_ascii_case(&name.value))
        {
            let what = format!("there are two transfer targets `{}`", name.value);
            findings.note(&name.place, what);
        }
        if let Some(target) = &target {
            let known = ["sip:", "sips:", "tel:"];
            if !known.iter().any(|scheme| target.value.starts_with(scheme)) {
                let what = "`transfer.target` must begin with sip:, sips: or tel:";
                findings.note(&target.place, what);
            }
        }
        entry.finish(findings);
        if let (Some(name), Some(target)) = (name, target) {
            transfers.push(TransferTarget {
                name: name.value,
                target: target.value,
                about: about.map(|about| about.value).unwrap_or_default(),
            });
        }
    }
    transfers
}

fn orders(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Vec<Order> {
    let mut orders = Vec::new();
    let mut numbers = BTreeSet::new();
    for mut entry in table.tables("order", findings) {
        let number = entry.required_text("number", findings);
        let item = entry.required_text("item", findings);
        let status = entry.required_text("status", findings);
        let note = entry.text("note", findings);
        if let Some(number) = &number
            && !numbers.insert(number.value.clone())
        {
            let what = format!("there are two orders `{}`", number.value);
            findings.note(&number.place, what);
        }
        entry.finish(findings);
        if let (Some(number), Some(item), Some(status)) = (number, item, status) {
            orders.push(Order {
                number: number.value,
                item: item.value,
                status: status.value,
                note: note.map(|note| note.value).unwrap_or_default(),
            });
        }
    }
    orders
}

/// A table here, or the name of a file beside this one.
fn script(
    table: &mut Table<'_>,
    called: &str,
    folder: Option<&Path>,
    findings: &mut Findings<'_>,
) -> Option<Script> {
    if !table.is_text("script") {
        let script = table.table("script", findings)?;
        return Some(Script::read(script, called, findings));
    }
    let file = table.text("script", findings)?;
    let Some(folder) = folder else {
        findings.note(
            &file.place,
            "a script in a file of its own has no folder here",
        );
        return None;
    };
    let path = folder.join(&file.value);
    let read =
        read_file(&path).and_then(|text| Script::parse(&path.display().to_string(), &text, called));
    match read {
        Ok(script) => Some(script),
        Err(mistakes) => {
            findings.adopt(mistakes);
            None
        }
    }
}

/// That tools have what they need, and that the script calls no others.
fn check_tools(
    persona: &Persona,
    tools: &[Located<Builtin>],
    table: &Table<'_>,
    findings: &mut Findings<'_>,
) {
    for tool in tools {
        let lacking = match tool.value {
            Builtin::Transfer if persona.transfers.is_empty() => "needs a [[transfer]] target",
            Builtin::LookUpOrder if persona.orders.is_empty() => "needs an [[order]]",
            Builtin::HandOff if persona.hand_off.is_empty() => {
                "needs `hand_off`, a list of personas"
            }
            _ => continue,
        };
        findings.note(&tool.place, format!("`{}` {lacking}", tool.value.name()));
    }
    if !persona.transfers.is_empty() && !persona.tools.contains(&Builtin::Transfer) {
        let what = "there are [[transfer]] targets, but `tools` does not allow `transfer`";
        findings.note(table.place(), what);
    }
    if !persona.hand_off.is_empty() && !persona.tools.contains(&Builtin::HandOff) {
        let what = "there are personas in `hand_off`, but `tools` does not allow `hand_off`";
        findings.note(table.place(), what);
    }
    let called = persona.script.iter().flat_map(|script| script.tools());
    for name in called {
        if !persona.tools.iter().any(|tool| tool.name() == name) {
            let what = format!("the script calls `{name}`, which `tools` does not allow");
            findings.note(table.place(), what);
        }
    }
}

#[cfg(test)]
mod tests;
