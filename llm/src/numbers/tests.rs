//! Said numbers and figures, both ways.
use super::*;

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

#[test]
fn words_become_numbers() {
    let table = [
        ("twelve", Some(12.0)),
        ("twenty seven", Some(27.0)),
        ("one hundred and five", Some(105.0)),
        ("a hundred", Some(100.0)),
        ("hundred", Some(100.0)),
        (
            "nine hundred ninety nine thousand nine hundred ninety nine",
            Some(999_999.0),
        ),
        ("two million and three", Some(2_000_003.0)),
        ("five thousand", Some(5_000.0)),
        ("three point one six", Some(3.16)),
        ("point five", Some(0.5)),
        ("minus two", Some(-2.0)),
        ("zero", Some(0.0)),
        ("42", Some(42.0)),
        ("3.5", Some(3.5)),
        ("5 million", Some(5_000_000.0)),
        ("twelve thirty", None),
        ("one two", None),
        ("twenty zero", None),
        ("and", None),
        ("five and", None),
        ("thousand million", None),
        ("cat", None),
        ("nineteen hundred", Some(1_900.0)),
        ("hundred hundred", None),
        // Nothing overflows.
        ("18446744073709551615 thousand", None),
        ("5 million 18446744073709551615", None),
        ("18446744073709551600 ninety", None),
        ("999999 trillion", Some(999_999e12)),
    ];
    for (said, expected) in table {
        assert_eq!(value(&words(said)), expected, "{said}");
    }
}

#[test]
fn figures_are_read_one_by_one() {
    let table = [
        ("four two seven", Some("427")),
        ("four twenty seven", Some("427")),
        ("four to seven", Some("427")),
        ("for too seven", Some("427")),
        ("forty two seven", Some("427")),
        ("double four one", Some("441")),
        ("oh oh seven", Some("007")),
        ("427", Some("427")),
        ("4 2 7", Some("427")),
        ("four hundred twenty seven", Some("427")),
        ("one zero five", Some("105")),
        ("twelve", Some("12")),
        ("double", None),
        ("cat", None),
    ];
    for (said, expected) in table {
        assert_eq!(digits(&words(said)).as_deref(), expected, "{said}");
    }
}

#[test]
fn numbers_become_words() {
    let table = [
        (0.0, "zero"),
        (42.0, "forty-two"),
        (105.0, "one hundred and five"),
        (1_001.0, "one thousand and one"),
        (
            999_999.0,
            "nine hundred and ninety-nine thousand nine hundred and ninety-nine",
        ),
        (-3.5, "minus three point five"),
        (0.1 + 0.2, "zero point three"),
        (1e15, "1000000000000000"),
    ];
    for (n, expected) in table {
        assert_eq!(spell(n), expected);
    }
}

#[test]
fn what_is_spelt_is_read_back() {
    for n in (0..3_000).chain([9_999, 10_000, 123_456, 7_000_010]) {
        let said = spell(f64::from(n)).replace('-', " ");
        assert_eq!(value(&words(&said)), Some(f64::from(n)), "{said}");
    }
}

#[test]
fn days_have_ordinals() {
    let said: Vec<String> = [1, 2, 3, 12, 20, 21, 30, 31].map(ordinal).into();
    let expected = [
        "first",
        "second",
        "third",
        "twelfth",
        "twentieth",
        "twenty-first",
        "thirtieth",
        "thirty-first",
    ];
    assert_eq!(said, expected);
}

#[test]
fn order_numbers_are_said_figure_by_figure() {
    assert_eq!(spell_digits("427"), "four two seven");
    assert_eq!(spell_digits("A1"), "A one");
}
