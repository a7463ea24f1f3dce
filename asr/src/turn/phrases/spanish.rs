//! Spanish turns.
use super::Language;

pub static SPANISH: Language = Language {
    common: &[
        "el", "los", "las", "yo", "es", "una", "mi", "por", "favor", "para", "está", "qué",
        "dónde", "cómo", "quiero", "gracias", "hola", "sí", "con", "del", "en", "y", "quisiera",
        "tengo", "puede", "me", "usted", "cuándo", "pero", "porque", "hora", "eh", "buenos",
        "días", "cuenta", "llamo", "lo", "número",
    ],
    fillers: &["eh", "este", "pues", "em", "ehm"],
    short: &[
        "sí", "si", "no", "claro", "vale", "bueno", "gracias", "muchas", "hola", "adiós", "exacto",
        "correcto", "perfecto", "por", "favor", "nada", "buenos", "días", "buenas", "tardes",
        "para", "supuesto", "quizás", "está", "bien", "de", "acuerdo", "noches",
    ],
    questions: &[
        "qué", "dónde", "cuándo", "quién", "cómo", "cuál", "cuánto", "cuánta", "cuántos",
        "cuántas", "puede", "puedes", "podría", "hay", "tiene", "tienen", "es", "está",
    ],
    strong_questions: &["qué", "dónde", "cuándo", "cuánto", "quién"],
    hanging: &[
        "y", "o", "pero", "porque", "que", "si", "cuando", "aunque", "el", "la", "los", "las",
        "un", "una", "unos", "mi", "mis", "tu", "su", "sus", "nuestro", "es", "son", "está", "soy",
        "estoy", "era", "yo", "de", "del", "a", "al", "con", "sin", "para", "por", "en", "sobre",
        "entre", "desde", "hasta", "muy", "como", "más", "se", "me", "le", "punto", "este", "esta",
    ],
    wants: &[
        "quiero",
        "quisiera",
        "necesito",
        "tengo",
        "busco",
        "creo",
        "pienso",
        "llamo",
        "gustaría",
        "puedo",
    ],
    closes_questions: &["es", "son", "está", "soy", "era", "yo", "más"],
    particles: &[],
    hanging_pairs: &["me llamo", "nombre es", "número es", "lo que"],
    closed_pairs: &["creo que sí", "por qué", "nada más", "lo es", "yo también"],
    closing: &[
        "favor", "gracias", "adiós", "mañana", "ahora", "hoy", "también", "días",
    ],
};
