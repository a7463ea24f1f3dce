//! What a setting is: its name, its sentence, what it may hold. One table per section, written
//! once by [`section!`], is the file's form, its check, `configs/default.toml` and the help.

/// A group of settings: one `[table]` of the file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// Its name, dotted where it lies in another: `mind.openai`.
    pub path: &'static str,
    /// What it is for, one entry a line.
    pub doc: &'static [&'static str],
    /// Its settings in the order they are printed.
    pub keys: &'static [Key],
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name inside the section; the unit is part of it.
    pub name: &'static str,
    /// What it does, one entry a line.
    pub doc: &'static [&'static str],
    /// What it may hold.
    pub kind: Kind,
    /// What it might be, in TOML, where it has no default.
    pub example: Option<&'static str>,
}

/// What a setting may hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number, both ends included.
    Whole(i64, i64),
    /// A number, both ends included.
    Number(f64, f64),
    /// Any text but none.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any number of texts.
    Texts,
    /// A file or folder. A relative one counts from the configuration file's folder, or from
    /// the working folder when the environment or a flag gives it.
    Path,
    /// A model's folder when there is a slash in it, which is then as a [`Kind::Path`]; else the
    /// name of one that was fetched.
    Model,
    /// The name of an environment variable that holds a secret.
    Variable,
}

impl Kind {
    /// What is allowed, as a sentence's end: "a whole number from 1 to 9".
    pub fn allowed(self) -> String {
        match self {
            Kind::Flag => "true or false".to_owned(),
            Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Number(least, most) => format!("a number from {least} to {most}"),
            Kind::Text => "a text in quotes that is not empty".to_owned(),
            Kind::OneOf(words) => {
                let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
                format!("one of {}", words.join(", "))
            }
            Kind::Texts => "a list of texts: [\"a\", \"b\"]".to_owned(),
            Kind::Path => "a path in quotes".to_owned(),
            Kind::Model => "a name, or a path with a slash, in quotes".to_owned(),
            Kind::Variable => "the name of an environment variable in quotes".to_owned(),
        }
    }
}

/// Whether `name` can be the name of an environment variable, rather than a secret written where
/// a name belongs.
pub fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_uppercase() || first == '_')
        && characters.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Writes a section's struct, its defaults and its [`Section`] from one table.
macro_rules! section {
    (
        $(#[doc = $doc:literal])+
        $name:ident at $path:literal {
            $(
                $(#[doc = $key_doc:literal])+
                $key:ident: $type:ty = $default:expr, $kind:expr $(, like $example:literal)?;
            )*
            $(sub $sub:ident: $sub_type:ty;)*
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, serde::Deserialize, serde::Serialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $key_doc])+ pub $key: $type,)*
            $(
                #[doc = concat!("The section `", $path, ".", stringify!($sub), "`.")]
                pub $sub: $sub_type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($key: $default,)*
                    $($sub: <$sub_type>::default(),)*
                }
            }
        }

        impl $name {
            /// What the section is made of.
            pub const SECTION: $crate::config::keys::Section = $crate::config::keys::Section {
                path: $path,
                doc: &[$($doc),+],
                keys: &[$($crate::config::keys::Key {
                    name: stringify!($key),
                    doc: &[$($key_doc),+],
                    kind: $kind,
                    example: section!(@example $($example)?),
                }),*],
            };
        }
    };
    (@example $example:literal) => { Some($example) };
    (@example) => { None };
}
pub(crate) use section;
