//! The tables.
use super::Currency;

mod eastern;
mod germanic;
mod romance;

pub(super) use eastern::{AR, HI};
pub(super) use germanic::{DE, EN, NL};
pub(super) use romance::{ES, FR, IT, PT};

const fn money(
    one: &'static str,
    many: &'static str,
    hundredth: &'static str,
    hundredths: &'static str,
) -> Currency {
    Currency {
        one,
        many,
        hundredth,
        hundredths,
        feminine: false,
    }
}

const fn she(currency: Currency) -> Currency {
    Currency {
        feminine: true,
        ..currency
    }
}
