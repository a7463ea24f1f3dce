//! Sums in signs or in words, safely: a small grammar of numbers and operations, bounded in length
//! and depth, and nothing else.
use voiced_llm::numbers;

/// Longest expression, in bytes.
const LONGEST: usize = 200;
/// Deepest nesting of brackets, signs and roots.
const DEEPEST: usize = 32;

/// Why there is no result. Said to callers as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoResult {
    /// It is too long or too deep.
    #[error("the sum is too long")]
    TooLong,
    /// A word or sign is none of a sum.
    #[error("I do not understand '{0}' in a sum")]
    Unknown(String),
    /// It ends too early, or goes on after its end.
    #[error("the sum is not complete")]
    Incomplete,
    /// A division by zero.
    #[error("nothing can be divided by zero")]
    DivisionByZero,
    /// The root of a negative number, or the like.
    #[error("that has no result among the real numbers")]
    NotReal,
    /// It exceeds what can be calculated.
    #[error("the result is too large")]
    TooLarge,
}

/// The value of an expression such as `(12 + 30) / 2`, "twelve plus thirty" or "twenty percent of
/// fifty".
///
/// # Errors
/// Why there is none, in words that can be said.
pub fn calculate(expression: &str) -> Result<f64, NoResult> {
    if expression.len() > LONGEST {
        return Err(NoResult::TooLong);
    }
    let symbols = symbols(expression)?;
    let mut sum = Sum {
        symbols: &symbols,
        at: 0,
        depth: 0,
    };
    let value = sum.sum()?;
    if sum.at < symbols.len() {
        return Err(NoResult::Incomplete);
    }
    finite(value.number)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Symbol {
    Number(f64),
    Plus,
    Minus,
    Times,
    Over,
    Power,
    Root,
    Percent,
    Squared,
    Cubed,
    Of,
    Open,
    Close,
}

/// A number, and whether it was said in per cent: "fifty minus ten percent" is 45.
#[derive(Clone, Copy)]
struct Value {
    number: f64,
    percent: bool,
}

impl Value {
    fn plain(number: f64) -> Self {
        Self {
            number,
            percent: false,
        }
    }
}

fn finite(number: f64) -> Result<f64, NoResult> {
    if number.is_nan() {
        Err(NoResult::NotReal)
    } else if number.is_infinite() {
        Err(NoResult::TooLarge)
    } else {
        Ok(number)
    }
}

fn symbols(expression: &str) -> Result<Vec<Symbol>, NoResult> {
    let words = words(expression);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut symbols = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (symbol, used) = next_symbol(&words[at..])?;
        symbols.extend(symbol);
        at += used;
    }
    Ok(symbols)
}

/// The symbol that begins here, if these words mean one, and how many words it takes.
fn next_symbol(words: &[&str]) -> Result<(Option<Symbol>, usize), NoResult> {
    let symbol = |symbol: Symbol, used: usize| Ok((Some(symbol), used));
    match words {
        ["divided", "by", ..] => return symbol(Symbol::Over, 2),
        ["multiplied", "by", ..] => return symbol(Symbol::Times, 2),
        ["to", "the", "power", "of", ..] => return symbol(Symbol::Power, 4),
        ["to", "the", "power", ..] => return symbol(Symbol::Power, 3),
        ["square", "root", "of", ..] => return symbol(Symbol::Root, 3),
        ["square", "root", ..] => return symbol(Symbol::Root, 2),
        ["per", "cent", ..] => return symbol(Symbol::Percent, 2),
        ["half", "of", ..] => return symbol(Symbol::Number(0.5), 1),
        _ => {}
    }
    // The longest run that is one number, "minus" apart, which may be an operation.
    if !matches!(words[0], "minus" | "negative" | "and" | "a")
        || matches!(words, ["a", "hundred" | "thousand" | "million", ..])
    {
        let longest = words.len().min(20);
        let number = (1..=longest)
            .rev()
            .find_map(|n| Some((numbers::value(&words[..n])?, n)));
        if let Some((number, used)) = number {
            return symbol(Symbol::Number(number), used);
        }
    }
    let single = match words[0] {
        "+" | "plus" | "add" | "and" => Symbol::Plus,
        "-" | "minus" | "subtract" | "negative" | "\u{2212}" => Symbol::Minus,
        "*" | "times" | "x" | "×" | "·" => Symbol::Times,
        "/" | "over" | "÷" => Symbol::Over,
        "^" | "power" => Symbol::Power,
        "root" | "sqrt" => Symbol::Root,
        "%" | "percent" => Symbol::Percent,
        "squared" => Symbol::Squared,
        "cubed" => Symbol::Cubed,
        "of" => Symbol::Of,
        "(" => Symbol::Open,
        ")" => Symbol::Close,
        "what" | "is" | "the" | "equals" | "=" | "?" | "please" => return Ok((None, 1)),
        other => return Err(NoResult::Unknown(other.to_owned())),
    };
    symbol(single, 1)
}

/// Words, numbers with their point, and signs, each on its own; `**` is `^`.
fn words(expression: &str) -> Vec<String> {
    let lower = expression.to_lowercase().replace("**", "^");
    let chars: Vec<char> = lower.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        let digit = |at: Option<usize>| {
            at.and_then(|at| chars.get(at))
                .is_some_and(char::is_ascii_digit)
        };
        let digit_after = digit(Some(i + 1));
        let digit_before = digit(i.checked_sub(1));
        let keep = c.is_alphanumeric() || (c == '.' && digit_after);
        // "12x3": a number ends where letters begin.
        let turn = word.ends_with(|last: char| last.is_ascii_digit()) != c.is_ascii_digit()
            && c != '.'
            && !word.is_empty()
            && !word.ends_with('.');
        if keep {
            if turn {
                words.push(std::mem::take(&mut word));
            }
            if c == '.' && word.is_empty() {
                word.push('0');
            }
            word.push(c);
            continue;
        }
        if c == ',' && digit_before && digit_after {
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        // A hyphen inside a number word joins it.
        let joins = c == '-'
            && i.checked_sub(1).is_some_and(|at| chars[at].is_alphabetic())
            && chars.get(i + 1).is_some_and(|next| next.is_alphabetic());
        if !c.is_whitespace() && !matches!(c, ',' | '.' | '!' | '\'') && !joins {
            words.push(c.to_string());
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads symbols, the loosest binding first.
struct Sum<'a> {
    symbols: &'a [Symbol],
    at: usize,
    depth: usize,
}

impl Sum<'_> {
    fn peek(&self) -> Option<Symbol> {
        self.symbols.get(self.at).copied()
    }

    fn take(&mut self, symbol: Symbol) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += usize::from(found);
        found
    }

    fn sum(&mut self) -> Result<Value, NoResult> {
        let mut value = self.product()?;
        loop {
            let sign = match self.peek() {
                Some(Symbol::Plus) => 1.0,
                Some(Symbol::Minus) => -1.0,
                _ => return Ok(value),
            };
            self.at += 1;
            let next = self.product()?;
            let added = if next.percent && !value.percent {
                value.number * next.number
            } else {
                next.number
            };
            value.number = finite(value.number + sign * added)?;
        }
    }

    fn product(&mut self) -> Result<Value, NoResult> {
        let mut value = self.signed()?;
        loop {
            match self.peek() {
                Some(Symbol::Times | Symbol::Of) => {
                    self.at += 1;
                    value = Value::plain(finite(value.number * self.signed()?.number)?);
                }
                Some(Symbol::Over) => {
                    self.at += 1;
                    let divisor = self.signed()?.number;
                    if divisor == 0.0 {
                        return Err(NoResult::DivisionByZero);
                    }
                    value = Value::plain(finite(value.number / divisor)?);
                }
                // "2 (3 + 4)"
                Some(Symbol::Open) => {
                    value = Value::plain(finite(value.number * self.signed()?.number)?);
                }
                _ => return Ok(value),
            }
        }
    }

    /// Deeper by one for every sign, bracket and root, so that none of them can recurse for ever.
    fn signed(&mut self) -> Result<Value, NoResult> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(NoResult::TooLong);
        }
        let value = if self.take(Symbol::Minus) {
            let value = self.signed()?;
            Value {
                number: -value.number,
                ..value
            }
        } else if self.take(Symbol::Plus) {
            self.signed()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn power(&mut self) -> Result<Value, NoResult> {
        let base = self.single()?;
        if !self.take(Symbol::Power) {
            return Ok(base);
        }
        let exponent = self.signed()?.number;
        if base.number == 0.0 && exponent < 0.0 {
            return Err(NoResult::DivisionByZero);
        }
        Ok(Value::plain(finite(base.number.powf(exponent))?))
    }

    fn single(&mut self) -> Result<Value, NoResult> {
        let symbol = self.peek().ok_or(NoResult::Incomplete)?;
        self.at += 1;
        let mut value = match symbol {
            Symbol::Number(number) => Value::plain(number),
            Symbol::Open => {
                let inner = self.sum()?;
                if !self.take(Symbol::Close) {
                    return Err(NoResult::Incomplete);
                }
                inner
            }
            Symbol::Root => Value::plain(finite(self.signed()?.number.sqrt())?),
            _ => return Err(NoResult::Incomplete),
        };
        loop {
            if self.take(Symbol::Squared) {
                value = Value::plain(finite(value.number.powi(2))?);
            } else if self.take(Symbol::Cubed) {
                value = Value::plain(finite(value.number.powi(3))?);
            } else if self.take(Symbol::Percent) {
                value = Value {
                    number: value.number / 100.0,
                    percent: true,
                };
            } else {
                return Ok(value);
            }
        }
    }
}
