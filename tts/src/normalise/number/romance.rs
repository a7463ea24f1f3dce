//! French, Spanish, Italian and Portuguese.
use super::joined;

/// One of the ordinals that are in use; higher ones are said as cardinals.
pub(super) fn few(n: u64, ordinals: &[&str]) -> Option<String> {
    let index = usize::try_from(n).ok()?.checked_sub(1)?;
    ordinals.get(index).map(|word| (*word).to_owned())
}

const FRENCH: [&str; 17] = [
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix", "onze",
    "douze", "treize", "quatorze", "quinze", "seize",
];
const FRENCH_TENS: [&str; 7] = [
    "",
    "",
    "vingt",
    "trente",
    "quarante",
    "cinquante",
    "soixante",
];

pub(super) fn french(n: u64) -> String {
    match n {
        0..17 => FRENCH[n as usize].to_owned(),
        17..20 => format!("dix-{}", french(n - 10)),
        20..70 => {
            let tens = FRENCH_TENS[n as usize / 10];
            match n % 10 {
                0 => tens.to_owned(),
                1 => format!("{tens} et un"),
                one => format!("{tens}-{}", french(one)),
            }
        }
        71 => "soixante et onze".to_owned(),
        70..80 => format!("soixante-{}", french(n - 60)),
        80 => "quatre-vingts".to_owned(),
        81..100 => format!("quatre-vingt-{}", french(n - 80)),
        100..1_000 => {
            let rest = n % 100;
            let first = match (n / 100, rest) {
                (1, _) => "cent".to_owned(),
                (count, 0) => format!("{} cents", french(count)),
                (count, _) => format!("{} cent", french(count)),
            };
            joined(first, " ", rest, french)
        }
        1_000..1_000_000 => {
            let first = match n / 1_000 {
                1 => "mille".to_owned(),
                // No plural in front of "mille".
                count => format!("{} mille", unplural(&french(count))),
            };
            joined(first, " ", n % 1_000, french)
        }
        _ => large(
            n,
            ["million", "millions", "milliard", "milliards"],
            "un",
            " ",
            french,
        ),
    }
}

fn unplural(words: &str) -> String {
    let plural = words.ends_with("vingts") || words.ends_with("cents");
    words[..words.len() - usize::from(plural)].to_owned()
}

pub(super) fn french_ordinal(n: u64) -> String {
    if n == 1 {
        return "premier".to_owned();
    }
    let words = unplural(&french(n));
    if let Some(stem) = words.strip_suffix("cinq") {
        return format!("{stem}cinquième");
    }
    if let Some(stem) = words.strip_suffix("neuf") {
        return format!("{stem}neuvième");
    }
    format!("{}ième", words.strip_suffix('e').unwrap_or(&words))
}

/// Millions and thousands of millions.
fn large(
    n: u64,
    [million, millions, milliard, milliards]: [&str; 4],
    one: &str,
    gap: &str,
    words: fn(u64) -> String,
) -> String {
    let (size, single, several) = match n {
        0..1_000_000_000 => (1_000_000, million, millions),
        _ => (1_000_000_000, milliard, milliards),
    };
    let first = match n / size {
        1 => format!("{one} {single}"),
        count => format!("{} {several}", words(count)),
    };
    joined(first, gap, n % size, words)
}

const SPANISH: [&str; 30] = [
    "cero",
    "uno",
    "dos",
    "tres",
    "cuatro",
    "cinco",
    "seis",
    "siete",
    "ocho",
    "nueve",
    "diez",
    "once",
    "doce",
    "trece",
    "catorce",
    "quince",
    "dieciséis",
    "diecisiete",
    "dieciocho",
    "diecinueve",
    "veinte",
    "veintiuno",
    "veintidós",
    "veintitrés",
    "veinticuatro",
    "veinticinco",
    "veintiséis",
    "veintisiete",
    "veintiocho",
    "veintinueve",
];
const SPANISH_TENS: [&str; 10] = [
    "",
    "",
    "",
    "treinta",
    "cuarenta",
    "cincuenta",
    "sesenta",
    "setenta",
    "ochenta",
    "noventa",
];
const SPANISH_HUNDREDS: [&str; 10] = [
    "",
    "ciento",
    "doscientos",
    "trescientos",
    "cuatrocientos",
    "quinientos",
    "seiscientos",
    "setecientos",
    "ochocientos",
    "novecientos",
];
pub(super) const SPANISH_ORDINALS: [&str; 10] = [
    "primero", "segundo", "tercero", "cuarto", "quinto", "sexto", "séptimo", "octavo", "noveno",
    "décimo",
];

pub(super) fn spanish(n: u64) -> String {
    // One is "un" in front of what it counts.
    let before = |n: u64| {
        let words = spanish(n);
        match words.strip_suffix("veintiuno") {
            Some(stem) => format!("{stem}veintiún"),
            None if n % 10 == 1 && n % 100 != 11 => words[..words.len() - 1].to_owned(),
            None => words,
        }
    };
    match n {
        0..30 => SPANISH[n as usize].to_owned(),
        30..100 => joined(
            SPANISH_TENS[n as usize / 10].to_owned(),
            " y ",
            n % 10,
            spanish,
        ),
        100 => "cien".to_owned(),
        101..1_000 => joined(
            SPANISH_HUNDREDS[n as usize / 100].to_owned(),
            " ",
            n % 100,
            spanish,
        ),
        1_000..1_000_000 => {
            let first = match n / 1_000 {
                1 => "mil".to_owned(),
                count => format!("{} mil", before(count)),
            };
            joined(first, " ", n % 1_000, spanish)
        }
        _ => {
            let first = match n / 1_000_000 {
                1 => "un millón".to_owned(),
                count => format!("{} millones", before(count)),
            };
            joined(first, " ", n % 1_000_000, spanish)
        }
    }
}

const ITALIAN: [&str; 20] = [
    "zero",
    "uno",
    "due",
    "tre",
    "quattro",
    "cinque",
    "sei",
    "sette",
    "otto",
    "nove",
    "dieci",
    "undici",
    "dodici",
    "tredici",
    "quattordici",
    "quindici",
    "sedici",
    "diciassette",
    "diciotto",
    "diciannove",
];
const ITALIAN_TENS: [&str; 10] = [
    "",
    "",
    "venti",
    "trenta",
    "quaranta",
    "cinquanta",
    "sessanta",
    "settanta",
    "ottanta",
    "novanta",
];
pub(super) const ITALIAN_ORDINALS: [&str; 10] = [
    "primo", "secondo", "terzo", "quarto", "quinto", "sesto", "settimo", "ottavo", "nono", "decimo",
];

pub(super) fn italian(n: u64) -> String {
    let several = |n: u64| if n == 1 { String::new() } else { italian(n) };
    match n {
        0..20 => ITALIAN[n as usize].to_owned(),
        20..100 => {
            let tens = ITALIAN_TENS[n as usize / 10];
            match n % 10 {
                0 => tens.to_owned(),
                one @ (1 | 8) => format!("{}{}", &tens[..tens.len() - 1], italian(one)),
                3 => format!("{tens}tré"),
                one => format!("{tens}{}", italian(one)),
            }
        }
        100..1_000 => joined(format!("{}cento", several(n / 100)), "", n % 100, italian),
        1_000..1_000_000 => {
            let first = match n / 1_000 {
                1 => "mille".to_owned(),
                count => format!("{}mila", italian(count)),
            };
            joined(first, "", n % 1_000, italian)
        }
        _ => large(
            n,
            ["milione", "milioni", "miliardo", "miliardi"],
            "un",
            " ",
            italian,
        ),
    }
}

const PORTUGUESE: [&str; 20] = [
    "zero",
    "um",
    "dois",
    "três",
    "quatro",
    "cinco",
    "seis",
    "sete",
    "oito",
    "nove",
    "dez",
    "onze",
    "doze",
    "treze",
    "quatorze",
    "quinze",
    "dezesseis",
    "dezessete",
    "dezoito",
    "dezenove",
];
const PORTUGUESE_TENS: [&str; 10] = [
    "",
    "",
    "vinte",
    "trinta",
    "quarenta",
    "cinquenta",
    "sessenta",
    "setenta",
    "oitenta",
    "noventa",
];
const PORTUGUESE_HUNDREDS: [&str; 10] = [
    "",
    "cento",
    "duzentos",
    "trezentos",
    "quatrocentos",
    "quinhentos",
    "seiscentos",
    "setecentos",
    "oitocentos",
    "novecentos",
];
pub(super) const PORTUGUESE_ORDINALS: [&str; 10] = [
    "primeiro", "segundo", "terceiro", "quarto", "quinto", "sexto", "sétimo", "oitavo", "nono",
    "décimo",
];

pub(super) fn portuguese(n: u64) -> String {
    // "e" in front of a last group that is small or round.
    let gap = |rest: u64| {
        if rest < 100 || (rest < 1_000 && rest.is_multiple_of(100)) {
            " e "
        } else {
            " "
        }
    };
    match n {
        0..20 => PORTUGUESE[n as usize].to_owned(),
        20..100 => joined(
            PORTUGUESE_TENS[n as usize / 10].to_owned(),
            " e ",
            n % 10,
            portuguese,
        ),
        100 => "cem".to_owned(),
        101..1_000 => {
            let hundreds = PORTUGUESE_HUNDREDS[n as usize / 100].to_owned();
            joined(hundreds, " e ", n % 100, portuguese)
        }
        1_000..1_000_000 => {
            let rest = n % 1_000;
            let first = match n / 1_000 {
                1 => "mil".to_owned(),
                count => format!("{} mil", portuguese(count)),
            };
            joined(first, gap(rest), rest, portuguese)
        }
        _ => {
            let names = ["milhão", "milhões", "bilhão", "bilhões"];
            let size = if n < 1_000_000_000 {
                1_000_000
            } else {
                1_000_000_000
            };
            large(n, names, "um", gap(n % size), portuguese)
        }
    }
}
