//! The words of each language that stand for signs, money, months and units.
use super::Language;

mod tables;

/// What a currency's whole and its hundredth are called.
pub(super) struct Currency {
    pub one: &'static str,
    pub many: &'static str,
    pub hundredth: &'static str,
    pub hundredths: &'static str,
    /// Whether "one" of it is feminine.
    pub feminine: bool,
}

/// The words of a language.
pub(super) struct Lexicon {
    pub point: &'static str,
    pub minus: &'static str,
    pub plus: &'static str,
    pub percent: &'static str,
    pub and: &'static str,
    pub equals: &'static str,
    pub number: &'static str,
    /// Between the ends of a range.
    pub to: &'static str,
    pub at: &'static str,
    pub dot: &'static str,
    pub slash: &'static str,
    pub dash: &'static str,
    pub underscore: &'static str,
    /// Whether a comma comes before the fraction.
    pub comma: bool,
    /// Between a currency and its hundredths, and whether these are named.
    pub cents: (&'static str, bool),
    pub months: [&'static str; 12],
    /// In the order of [`SYMBOLS`].
    pub currencies: [Currency; 5],
    /// In the order of [`UNITS`]: of one, of many.
    pub units: [(&'static str, &'static str); 20],
    /// Units of which "one" is feminine.
    pub feminine: &'static [&'static str],
    /// Words that may stand between a number and its currency.
    pub magnitudes: &'static [&'static str],
    /// Written and said.
    pub abbreviations: &'static [(&'static str, &'static str)],
}

/// Signs and codes of the currencies.
pub(super) const SYMBOLS: [[&str; 2]; 5] = [
    ["€", "EUR"],
    ["$", "USD"],
    ["£", "GBP"],
    ["¥", "JPY"],
    ["₹", "INR"],
];

/// Units as they are written.
pub(super) const UNITS: [&str; 20] = [
    "km", "m", "cm", "mm", "kg", "g", "mg", "l", "ml", "km/h", "°C", "°", "kW", "kWh", "Hz", "MB",
    "GB", "min", "h", "s",
];

impl Lexicon {
    pub fn of(language: Language) -> &'static Lexicon {
        match language {
            Language::En => &tables::EN,
            Language::Fr => &tables::FR,
            Language::Es => &tables::ES,
            Language::De => &tables::DE,
            Language::It => &tables::IT,
            Language::Pt => &tables::PT,
            Language::Nl => &tables::NL,
            Language::Ar => &tables::AR,
            Language::Hi => &tables::HI,
        }
    }

    /// The currency of a sign or a code.
    pub fn currency(&self, sign: &str) -> Option<&Currency> {
        let index = SYMBOLS.iter().position(|names| names.contains(&sign))?;
        Some(&self.currencies[index])
    }

    /// What a unit is called, one and many, and whether "one" is feminine.
    pub fn unit(&self, sign: &str) -> Option<(&'static str, &'static str, bool)> {
        let sign = if sign == "L" { "l" } else { sign };
        let index = UNITS.iter().position(|name| *name == sign)?;
        let (one, many) = self.units[index];
        Some((one, many, self.feminine.contains(&sign)))
    }
}
