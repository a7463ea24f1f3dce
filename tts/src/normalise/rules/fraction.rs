//! Fractions: 1/2, 3/4, ½, 3½ and 3 1/2. Only those of which people say the name: less than one
//! whole, tenths at the finest; anything else stays what it was.
use super::{Place, Rules, Said};
use crate::normalise::{
    Language,
    number::{cardinal, counted},
};

/// Signs, and what they stand for.
const SIGNS: [(char, u64, u64); 15] = [
    ('½', 1, 2),
    ('⅓', 1, 3),
    ('⅔', 2, 3),
    ('¼', 1, 4),
    ('¾', 3, 4),
    ('⅕', 1, 5),
    ('⅖', 2, 5),
    ('⅗', 3, 5),
    ('⅘', 4, 5),
    ('⅙', 1, 6),
    ('⅚', 5, 6),
    ('⅛', 1, 8),
    ('⅜', 3, 8),
    ('⅝', 5, 8),
    ('⅞', 7, 8),
];

/// From a half to a tenth: of one, of many.
type Names = [(&'static str, &'static str); 9];

const EN: Names = [
    ("half", "halves"),
    ("third", "thirds"),
    ("quarter", "quarters"),
    ("fifth", "fifths"),
    ("sixth", "sixths"),
    ("seventh", "sevenths"),
    ("eighth", "eighths"),
    ("ninth", "ninths"),
    ("tenth", "tenths"),
];
const FR: Names = [
    ("demi", "demis"),
    ("tiers", "tiers"),
    ("quart", "quarts"),
    ("cinquième", "cinquièmes"),
    ("sixième", "sixièmes"),
    ("septième", "septièmes"),
    ("huitième", "huitièmes"),
    ("neuvième", "neuvièmes"),
    ("dixième", "dixièmes"),
];
const ES: Names = [
    ("medio", "medios"),
    ("tercio", "tercios"),
    ("cuarto", "cuartos"),
    ("quinto", "quintos"),
    ("sexto", "sextos"),
    ("séptimo", "séptimos"),
    ("octavo", "octavos"),
    ("noveno", "novenos"),
    ("décimo", "décimos"),
];
const DE: Names = [
    ("halb", "halbe"),
    ("Drittel", "Drittel"),
    ("Viertel", "Viertel"),
    ("Fünftel", "Fünftel"),
    ("Sechstel", "Sechstel"),
    ("Siebtel", "Siebtel"),
    ("Achtel", "Achtel"),
    ("Neuntel", "Neuntel"),
    ("Zehntel", "Zehntel"),
];
const IT: Names = [
    ("mezzo", "mezzi"),
    ("terzo", "terzi"),
    ("quarto", "quarti"),
    ("quinto", "quinti"),
    ("sesto", "sesti"),
    ("settimo", "settimi"),
    ("ottavo", "ottavi"),
    ("nono", "noni"),
    ("decimo", "decimi"),
];
const PT: Names = [
    ("meio", "meios"),
    ("terço", "terços"),
    ("quarto", "quartos"),
    ("quinto", "quintos"),
    ("sexto", "sextos"),
    ("sétimo", "sétimos"),
    ("oitavo", "oitavos"),
    ("nono", "nonos"),
    ("décimo", "décimos"),
];
const NL: Names = [
    ("half", "halve"),
    ("derde", "derde"),
    ("kwart", "kwart"),
    ("vijfde", "vijfde"),
    ("zesde", "zesde"),
    ("zevende", "zevende"),
    ("achtste", "achtste"),
    ("negende", "negende"),
    ("tiende", "tiende"),
];
const AR: Names = [
    ("نصف", "أنصاف"),
    ("ثلث", "أثلاث"),
    ("ربع", "أرباع"),
    ("خمس", "أخماس"),
    ("سدس", "أسداس"),
    ("سبع", "أسباع"),
    ("ثمن", "أثمان"),
    ("تسع", "أتساع"),
    ("عشر", "أعشار"),
];

impl Rules<'_> {
    pub(super) fn fraction(&self, place: &Place<'_>) -> Option<Said> {
        if let Some((over, under)) = proper(place.core) {
            return Said::one(self.part(over, under));
        }
        let (whole, over, under, used) = mixed(place)?;
        let words = match self.special(whole, over, under) {
            Some(words) => words,
            None => self.whole_and_part(whole, over, under),
        };
        Some(Said { words, used })
    }

    fn part(&self, over: u64, under: u64) -> String {
        let language = self.language;
        if (language, over, under) == (Language::Hi, 1, 2) {
            return "आधा".to_owned();
        }
        let number = || counted(language, over, false);
        let names = match language {
            Language::En => &EN,
            Language::Fr => &FR,
            Language::Es => &ES,
            Language::De => &DE,
            Language::It => &IT,
            Language::Pt => &PT,
            Language::Nl => &NL,
            Language::Ar => &AR,
            Language::Hi => {
                return match under {
                    3 => format!("{} तिहाई", number()),
                    4 => format!("{} चौथाई", number()),
                    _ => format!("{} बटा {}", number(), cardinal(language, under)),
                };
            }
        };
        let (one, many) = names[under as usize - 2];
        match (language, over) {
            (Language::Ar, 1) => one.to_owned(),
            (Language::Ar, 2) => format!("{one}ان"),
            (_, 1) => format!("{} {one}", number()),
            _ => format!("{} {many}", number()),
        }
    }

    fn whole_and_part(&self, whole: u64, over: u64, under: u64) -> String {
        let number = cardinal(self.language, whole);
        let part = self.part(over, under);
        // "Three and a half", "trois et demi": of a half the one is not counted.
        let one = counted(self.language, 1, false);
        let half = part.strip_prefix(&format!("{one} ")).unwrap_or(&part);
        let counts = (over, under) == (1, 2);
        match self.language {
            Language::En if over == 1 => {
                let article = if under == 8 { "an" } else { "a" };
                format!("{number} and {article} {half}")
            }
            Language::En => format!("{number} and {part}"),
            Language::De => format!("{number} und {part}"),
            Language::Nl => format!("{number} en {part}"),
            Language::Fr if counts => format!("{number} et {half}"),
            Language::Fr => format!("{number} et {part}"),
            Language::Es if counts => format!("{number} y {half}"),
            Language::Es => format!("{number} y {part}"),
            Language::It if counts => format!("{number} e {half}"),
            Language::It | Language::Pt if !counts => format!("{number} e {part}"),
            Language::It | Language::Pt => format!("{number} e {half}"),
            Language::Ar => format!("{number} و{part}"),
            Language::Hi => format!("{number} सही {part}"),
        }
    }

    /// Wholes and halves with a word of their own.
    fn special(&self, whole: u64, over: u64, under: u64) -> Option<String> {
        if (over, under) != (1, 2) {
            return None;
        }
        match (self.language, whole) {
            (Language::De, 1) => Some("eineinhalb".to_owned()),
            (Language::De, 2..=12) => Some(format!("{}einhalb", cardinal(Language::De, whole))),
            (Language::Nl, 1) => Some("anderhalf".to_owned()),
            (Language::Hi, 1) => Some("डेढ़".to_owned()),
            (Language::Hi, 2) => Some("ढाई".to_owned()),
            (Language::Hi, _) => Some(format!("साढ़े {}", cardinal(Language::Hi, whole))),
            _ => None,
        }
    }
}

/// `3/4` or `¾`.
fn proper(text: &str) -> Option<(u64, u64)> {
    let mut chars = text.chars();
    if let (Some(sign), None) = (chars.next(), chars.next()) {
        let known = SIGNS.iter().find(|known| known.0 == sign);
        return known.map(|(_, over, under)| (*over, *under));
    }
    let (over, under) = text.split_once(['/', '⁄'])?;
    let small = |text: &str| {
        let plain = (1..=2).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        text.parse::<u64>()
            .ok()
            .filter(|_| plain && !text.starts_with('0'))
    };
    let (over, under) = (small(over)?, small(under)?);
    (over < under && under <= 10).then_some((over, under))
}

/// `3½`, `3 ½` or `3 1/2`: the whole, the part and the words it takes.
fn mixed(place: &Place<'_>) -> Option<(u64, u64, u64, usize)> {
    let whole = |text: &str| {
        let plain = (1..=6).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
        text.parse::<u64>().ok().filter(|_| plain)
    };
    if let Some(n) = whole(place.core) {
        let (over, under) = proper(place.next(1)?)?;
        return Some((n, over, under, 2));
    }
    let sign = place.core.chars().next_back()?;
    let n = whole(&place.core[..place.core.len() - sign.len_utf8()])?;
    let (over, under) = proper(sign.encode_utf8(&mut [0; 4]))?;
    Some((n, over, under, 1))
}
