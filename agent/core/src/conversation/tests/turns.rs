//! When a turn is over, and whose words are in it.
use super::*;

#[test]
fn an_unsure_detector_is_overruled_by_patience() {
    check(
        "0 speech+ \n 900 speech- \n 950 final well \n 960 eot 0.2 \n 5000 tick",
        "950 assess 'well'
         2100 reply e1 leg 0 to 'well'",
    );
}

#[test]
fn more_words_void_an_early_verdict() {
    check(
        "0 speech+ \n 500 partial my number is \n 900 speech- \n 905 eot 0.9 \n 950 final my number is four
         955 eot 0.1 \n 5000 tick",
        "900 assess 'my number is'
         950 assess 'my number is four'
         2100 reply e1 leg 0 to 'my number is four'",
    );
}

#[test]
fn a_final_that_never_comes_is_replaced_by_the_last_partial() {
    check(
        "0 speech+ \n 500 partial hello there \n 900 speech- \n 910 eot 0.9 \n 9000 tick",
        "900 assess 'hello there'
         2400 reply e1 leg 0 to 'hello there'",
    );
}

#[test]
fn a_final_that_comes_too_late_is_not_said_twice() {
    check(
        "0 speech+ \n 500 partial hello there \n 900 speech- \n 910 eot 0.9 \n 2500 final hello there
         2600 text e1 Hi. \n 2610 end e1 \n 2700 last e1",
        "900 assess 'hello there'
         2400 reply e1 leg 0 to 'hello there'",
    );
}

#[test]
fn words_that_come_after_the_turn_was_given_up_are_answered_and_timed_from_the_speech() {
    check_told(
        "0 speech+ \n 900 speech- \n 2900 final hello there \n 2910 eot 0.9 \n 3000 played e1 480",
        "0 told started item_0001
         2400 told stopped item_0001
         2400 told discarded item_0001
         2900 assess 'hello there'
         2900 told started item_0002
         2900 told stopped item_0002
         2900 told committed item_0002
         2900 told said item_0002 'hello there'
         2900 told reply item_0003
         2900 reply e1 leg 0 to 'hello there'
         3000 told heard after 2.1s",
    );
}

#[test]
fn a_slow_final_of_the_first_stretch_is_not_taken_for_that_of_the_second() {
    check(
        "0 speech+ \n 500 speech- \n 800 speech+ \n 1200 speech- \n 1300 final what time
         1310 eot 0.9 \n 1500 final is it \n 1510 eot 0.9",
        "1300 assess 'what time'
         1500 assess 'what time is it'
         1510 reply e1 leg 0 to 'what time is it'",
    );
}

#[test]
fn speech_without_words_is_nothing() {
    check_told(
        "0 speech+ \n 300 speech- \n 400 final",
        "0 told started item_0001
         400 told stopped item_0001
         400 told discarded item_0001",
    );
}
