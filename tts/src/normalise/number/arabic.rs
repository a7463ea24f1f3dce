//! Arabic, in the form of counting.

const ONES: [&str; 11] = [
    "صفر",
    "واحد",
    "اثنان",
    "ثلاثة",
    "أربعة",
    "خمسة",
    "ستة",
    "سبعة",
    "ثمانية",
    "تسعة",
    "عشرة",
];
const TENS: [&str; 10] = [
    "",
    "",
    "عشرون",
    "ثلاثون",
    "أربعون",
    "خمسون",
    "ستون",
    "سبعون",
    "ثمانون",
    "تسعون",
];
const HUNDREDS: [&str; 10] = [
    "",
    "مئة",
    "مئتان",
    "ثلاثمئة",
    "أربعمئة",
    "خمسمئة",
    "ستمئة",
    "سبعمئة",
    "ثمانمئة",
    "تسعمئة",
];
/// Of one, of two, of three to ten.
const SCALES: [(u64, [&str; 3]); 3] = [
    (1_000_000_000, ["مليار", "ملياران", "مليارات"]),
    (1_000_000, ["مليون", "مليونان", "ملايين"]),
    (1_000, ["ألف", "ألفان", "آلاف"]),
];

pub(super) fn arabic(n: u64) -> String {
    let and = |first: String, rest: u64| match rest {
        0 => first,
        rest => format!("{first} و{}", arabic(rest)),
    };
    for (size, [one, two, few]) in SCALES {
        if n >= size {
            let first = match n / size {
                1 => one.to_owned(),
                2 => two.to_owned(),
                count @ 3..=10 => format!("{} {few}", arabic(count)),
                count => format!("{} {one}", arabic(count)),
            };
            return and(first, n % size);
        }
    }
    match n {
        0..=10 => ONES[n as usize].to_owned(),
        11 => "أحد عشر".to_owned(),
        12 => "اثنا عشر".to_owned(),
        13..20 => format!("{} عشر", ONES[n as usize - 10]),
        20..100 => match n % 10 {
            0 => TENS[n as usize / 10].to_owned(),
            one => format!("{} و{}", ONES[one as usize], TENS[n as usize / 10]),
        },
        _ => and(HUNDREDS[n as usize / 100].to_owned(), n % 100),
    }
}
