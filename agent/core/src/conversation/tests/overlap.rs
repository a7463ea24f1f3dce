//! What is said over the agent: interruptions, coughs, agreement, and turns taken back.
use super::*;

#[test]
fn words_over_us_interrupt_and_only_what_was_heard_is_remembered() {
    check_told(
        &format!(
            "{ASK}
             2300 played e1 24000
             2400 speech+
             2700 partial wait
             2710 text e1 And then
             3000 speech-
             3100 final wait a minute
             3110 eot 0.9"
        ),
        "0 told started item_0001
         950 assess 'what time is it'
         960 told stopped item_0001
         960 told committed item_0001
         960 told said item_0001 'what time is it'
         960 told reply item_0002
         960 reply e1 leg 0 to 'what time is it'
         1400 told heard after 500ms
         2400 hold
         2700 told started item_0003
         2700 interrupt e2
         2700 told ended item_0002 Interrupted 'It is noon.'
         3000 assess 'wait'
         3100 assess 'wait a minute'
         3110 told stopped item_0003
         3110 told committed item_0003
         3110 told said item_0003 'wait a minute'
         3110 told reply item_0004
         3110 reply e3 leg 0 to 'wait a minute'",
    );
}

#[test]
fn a_cough_only_holds_the_speaker() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1750 speech- \n 1800 final \n 2600 last e1"),
        &format!("{ASKED}\n 1600 hold \n 1800 resume"),
    );
}

#[test]
fn a_cough_whose_final_never_comes_holds_for_a_moment() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1750 speech- \n 9000 last e1"),
        &format!("{ASKED}\n 1600 hold \n 2450 resume"),
    );
}

#[test]
fn a_cough_that_sounds_like_a_word_is_too_short_to_interrupt() {
    check(
        &format!(
            "{ASK}\n 1600 speech+ \n 1700 partial but \n 1750 speech- \n 1760 final but \n 9000 last e1"
        ),
        &format!("{ASKED}\n 1600 hold \n 1800 resume"),
    );
}

#[test]
fn agreement_does_not_interrupt() {
    check(
        &format!(
            "{ASK}\n 1600 speech+ \n 1900 partial mm-hm \n 2000 speech- \n 2100 final mm-hm \n 2600 last e1"
        ),
        &format!("{ASKED}\n 1600 hold \n 2100 resume"),
    );
}

#[test]
fn noise_without_words_holds_for_two_seconds_at_most_and_words_still_cut() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 5000 partial stop it"),
        &format!("{ASKED}\n 1600 hold \n 3600 resume \n 5000 interrupt e2"),
    );
}

#[test]
fn a_quick_stop_interrupts_when_its_words_arrive() {
    check(
        &format!("{ASK}\n 1600 speech+ \n 1950 speech- \n 2050 final stop \n 2060 eot 0.9"),
        &format!(
            "{ASKED} \n 1600 hold \n 2050 interrupt e2 \n 2050 assess 'stop' \n 2060 reply e3 leg 0 to 'what time is it stop'"
        ),
    );
}

#[test]
fn speaking_on_before_the_reply_sounds_takes_the_turn_back() {
    check(
        "0 speech+ \n 900 speech- \n 950 final what time is it \n 960 eot 0.9
         1000 speech+ \n 1300 partial in paris \n 1500 speech- \n 1600 final in paris \n 1610 eot 0.9",
        "950 assess 'what time is it'
         960 reply e1 leg 0 to 'what time is it'
         1000 hold
         1300 interrupt e2
         1500 assess 'in paris'
         1600 assess 'in paris'
         1610 reply e3 leg 0 to 'what time is it in paris'",
    );
}
